//! One connection: bytes that wait to be sent, and frames as they come.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use corelog_wire::kafka::frame_bytes;

use crate::{Error, Kind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest frame that is taken from a broker.
const FRAME_BYTES_MAX: usize = 256 << 20;
const READ_BYTES: usize = 64 << 10;
/// Above this, bytes go to the kernel from where they are instead of through the buffer.
const GATHER_BYTES: usize = 16 << 10;
const LENGTH_BYTES: usize = 4;

/// Frames have a length of four bytes in front, big endian, that does not count itself.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    address: String,
    out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    /// What of `input` has come and was not taken.
    filled: Range<usize>,
}

impl Socket {
    /// # Errors
    /// `Unreachable`.
    pub(crate) fn connect(address: &str) -> Result<Self, Error> {
        let failed = |error| Error::with(Kind::Unreachable, format!("connect to {address}"), error);
        let mut last = io::Error::from(ErrorKind::NotFound);
        for resolved in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&resolved, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(Self {
                        stream,
                        address: address.to_owned(),
                        out: Vec::new(),
                        sent: 0,
                        input: vec![0; READ_BYTES],
                        filled: 0..0,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// From now on, nothing waits.
    pub(crate) fn set_nonblocking(&self) -> Result<(), Error> {
        let done = self.stream.set_nonblocking(true);
        done.map_err(Error::io("set up a socket"))
    }

    /// From now on, a read waits at most so long and then gives `WouldBlock`.
    pub(crate) fn set_read_timeout(&self, time: Duration) -> Result<(), Error> {
        let done = self.stream.set_read_timeout(Some(time));
        done.map_err(Error::io("set up a socket"))
    }

    fn broken(&self, error: io::Error) -> Error {
        Error::with(
            Kind::Unreachable,
            format!("the connection to {} broke", self.address),
            error,
        )
    }

    /// Adds bytes to what is sent. Large ones are written at once if nothing waits before them.
    pub(crate) fn send(&mut self, parts: [&[u8]; 3]) -> Result<(), Error> {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let mut skip = 0;
        if self.out.is_empty() && bytes >= GATHER_BYTES {
            let slices = parts.map(IoSlice::new);
            skip = match (&self.stream).write_vectored(&slices) {
                Ok(count) => count,
                Err(error) if is_wait(&error) => 0,
                Err(error) => return Err(self.broken(error)),
            };
        }
        for part in parts {
            let here = skip.min(part.len());
            self.out.extend_from_slice(&part[here..]);
            skip -= here;
        }
        Ok(())
    }

    /// Writes what waits, as far as the kernel takes it. Whether nothing waits any more.
    pub(crate) fn flush(&mut self) -> Result<bool, Error> {
        while self.sent < self.out.len() {
            match (&self.stream).write(&self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_wait(&error) => return Ok(false),
                Err(error) => return Err(self.broken(error)),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Bytes that wait to be sent.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Reads once. `false` if nothing has come.
    ///
    /// # Errors
    /// `Unreachable` also when the peer has closed.
    pub(crate) fn fill(&mut self) -> Result<bool, Error> {
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
        let wanted = self.frame_end().transpose()?.unwrap_or(LENGTH_BYTES);
        if self.filled.start + wanted > self.input.len() || self.filled.end == self.input.len() {
            self.input.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
            // What a frame claims is believed up to its bound, and memory grows by doubling.
            let doubled = self.input.len() * 2;
            if wanted > self.input.len() || self.filled.end == self.input.len() {
                let room = wanted.min(doubled).max(self.filled.end + READ_BYTES);
                self.input.resize(room, 0);
            }
        }
        match (&self.stream).read(&mut self.input[self.filled.end..]) {
            Ok(0) => Err(self.broken(ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.filled.end += count;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted || is_wait(&error) => Ok(false),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// The bytes of the first frame with its length, once the length is there.
    fn frame_end(&self) -> Option<Result<usize, Error>> {
        let filled = self.input.get(self.filled.clone())?;
        let prefix: [u8; LENGTH_BYTES] = filled.get(..LENGTH_BYTES)?.try_into().ok()?;
        let bytes = frame_bytes(prefix, FRAME_BYTES_MAX);
        Some(bytes.map(|n| n + LENGTH_BYTES).map_err(Error::from))
    }

    /// Takes the next whole frame, if one has come: its place, for `bytes` until the next `fill`.
    pub(crate) fn frame(&mut self) -> Result<Option<Range<usize>>, Error> {
        let Some(bytes) = self.frame_end().transpose()? else {
            return Ok(None);
        };
        if self.filled.len() < bytes {
            return Ok(None);
        }
        let start = self.filled.start + LENGTH_BYTES;
        let end = self.filled.start + bytes;
        self.filled.start = end;
        Ok(Some(start..end))
    }

    /// A frame without its length.
    pub(crate) fn bytes(&self, frame: Range<usize>) -> &[u8] {
        self.input.get(frame).unwrap_or_default()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn frames_come_whole_whatever_their_pieces() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut socket = Socket::connect(&address).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let sizes = [0usize, 1, 5, 70_000, 3, 400_000];
        let writer = std::thread::spawn(move || {
            for size in sizes {
                let mut bytes = u32::try_from(size).unwrap().to_be_bytes().to_vec();
                bytes.resize(size + 4, size as u8);
                for piece in bytes.chunks(33_333) {
                    peer.write_all(piece).unwrap();
                }
            }
        });
        for size in sizes {
            let frame = loop {
                if let Some(frame) = socket.frame().unwrap() {
                    break socket.bytes(frame).to_vec();
                }
                socket.fill().unwrap();
            };
            assert_eq!(frame, vec![size as u8; size]);
        }
        writer.join().unwrap();
        assert_eq!(socket.fill().unwrap_err().kind, Kind::Unreachable);
    }

    #[test]
    fn large_and_small_parts_arrive_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut socket = Socket::connect(&address).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let large: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        let expected = [b"ab".as_slice(), &large, b"z", b"1", b"2", b"3"].concat();
        let count = expected.len();
        let reader = std::thread::spawn(move || {
            let mut bytes = vec![0; count];
            peer.read_exact(&mut bytes).unwrap();
            bytes
        });
        socket.send([b"ab", &large, b"z"]).unwrap();
        socket.send([b"1", b"2", b"3"]).unwrap();
        assert!(socket.flush().unwrap());
        assert_eq!(socket.waiting_bytes(), 0);
        assert!(reader.join().unwrap() == expected);
    }
}
