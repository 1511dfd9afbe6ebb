//! One connection: bytes that wait to be sent, and frames as they come.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use corelog_wire::kafka::frame_bytes;
use corelog_wire::native::{HEADER_BYTES, Header, Limits, META_BYTES_MAX};

use crate::{Error, Kind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest frame that is taken from a broker.
const FRAME_BYTES_MAX: usize = 256 << 20;
const PAYLOAD_BYTES_MAX: u32 = 255 << 20;
const READ_BYTES: usize = 64 << 10;
/// Above this, bytes go to the kernel from where they are instead of through the buffer.
const GATHER_BYTES: usize = 16 << 10;
const LENGTH_BYTES: usize = 4;

/// How frames are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// By a length of four bytes in front, big endian, that does not count itself. A frame is given
    /// without it.
    Kafka,
    /// By a header that says its lengths. A frame is given with it.
    Native,
}

impl Framing {
    /// As much of a frame as tells its length.
    fn prefix_bytes(self) -> usize {
        match self {
            Self::Kafka => LENGTH_BYTES,
            Self::Native => HEADER_BYTES,
        }
    }

    /// The bytes before what is given.
    fn skipped_bytes(self) -> usize {
        match self {
            Self::Kafka => LENGTH_BYTES,
            Self::Native => 0,
        }
    }

    /// The whole frame whose first bytes these are.
    fn frame_bytes(self, prefix: &[u8]) -> Result<usize, Error> {
        match (self, prefix.first_chunk()) {
            (Self::Kafka, Some(length)) => {
                Ok(frame_bytes(*length, FRAME_BYTES_MAX)? + LENGTH_BYTES)
            }
            _ => {
                let limits = Limits {
                    meta_bytes_max: META_BYTES_MAX,
                    payload_bytes_max: PAYLOAD_BYTES_MAX,
                };
                Ok(Header::parse(prefix, limits)?.frame_bytes())
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    framing: Framing,
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
    pub(crate) fn connect(address: &str, framing: Framing) -> Result<Self, Error> {
        let failed = |error| Error::with(Kind::Unreachable, format!("connect to {address}"), error);
        let mut last = io::Error::from(ErrorKind::NotFound);
        for resolved in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&resolved, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(Self {
                        stream,
                        framing,
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
        let prefix_bytes = self.framing.prefix_bytes();
        let wanted = self.frame_end().transpose()?.unwrap_or(prefix_bytes);
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

    /// The bytes of the first frame, once they are known.
    fn frame_end(&self) -> Option<Result<usize, Error>> {
        let filled = self.input.get(self.filled.clone())?;
        let prefix = filled.get(..self.framing.prefix_bytes())?;
        Some(self.framing.frame_bytes(prefix))
    }

    /// Takes the next whole frame, if one has come: its place, for `bytes` until the next `fill`.
    pub(crate) fn frame(&mut self) -> Result<Option<Range<usize>>, Error> {
        let Some(bytes) = self.frame_end().transpose()? else {
            return Ok(None);
        };
        if self.filled.len() < bytes {
            return Ok(None);
        }
        let start = self.filled.start + self.framing.skipped_bytes();
        let end = self.filled.start + bytes;
        self.filled.start = end;
        Ok(Some(start..end))
    }

    /// What of a frame is given.
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
        let mut socket = Socket::connect(&address, Framing::Kafka).unwrap();
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
    fn native_frames_come_with_their_header() {
        use corelog_wire::native::{encode, v1};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut socket = Socket::connect(&address, Framing::Native).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let payload = vec![7; 300_000];
        let message = v1::DeleteTopicRequest { name: "a".into() };
        for correlation in [1, 2] {
            let frame = encode(correlation, 0, &message, vec![payload.clone().into()]);
            let frame = frame.unwrap().concat();
            std::thread::scope(|scope| {
                scope.spawn(|| peer.write_all(&frame).unwrap());
                let found = loop {
                    if let Some(found) = socket.frame().unwrap() {
                        break socket.bytes(found);
                    }
                    socket.fill().unwrap();
                };
                assert!(found == frame);
            });
        }
    }

    #[test]
    fn large_and_small_parts_arrive_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut socket = Socket::connect(&address, Framing::Kafka).unwrap();
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
