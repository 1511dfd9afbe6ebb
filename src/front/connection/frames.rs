//! Frames out of a socket: a prefix that tells the length, then that many bytes.
//!
//! A frame's whole length is reserved before its body is read: in the connection's own memory, or
//! in the pool once nothing of the connection waits to be started. A small frame is copied out of the
//! connection's chunk into memory of its own size, so that a batch that the log keeps pins
//! nothing else; a larger one is received in place.

use std::io;

use bytes::BytesMut;
use corelog_rt::{Credits, Stream};

use super::lane::Lane;
use super::options::{CHUNK_BYTES, OWN_FRAME_BYTES};
use super::service::Frame;

/// How a protocol's frames are told apart.
#[derive(Clone, Copy)]
pub(crate) struct Framing {
    /// As much of a frame as tells its length.
    pub(crate) prefix_bytes: usize,
    pub(crate) prefix: Prefix,
    /// From a prefix and the largest request, the length of what the service is given, or why there
    /// is no such frame.
    pub(crate) measure: fn(&[u8], u32) -> Result<u32, String>,
}

/// What becomes of a frame's prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Prefix {
    /// It is the frame's begin, and the length counts it.
    Kept,
    Dropped,
}

/// No protocol has a longer prefix.
const PREFIX_BYTES_MAX: usize = 64;
const _: () = assert!(PREFIX_BYTES_MAX < CHUNK_BYTES);

/// Why no more frames come.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The peer has closed between two frames.
    Closed,
    /// The peer has closed within a frame.
    Truncated,
    /// Not a prefix that a request has.
    Refused(String),
    Io(io::Error),
}

pub(crate) struct Frames<S: Stream> {
    stream: S,
    lane: Lane,
    /// What has arrived; `chunk[position..]` is unread.
    chunk: BytesMut,
    position: usize,
    own: Credits,
    pool: Credits,
    framing: Framing,
    bytes_max: u32,
}

impl<S: Stream> Frames<S> {
    /// # Panics
    /// If the pool could not hold one frame of `bytes_max`.
    pub(crate) fn new(
        stream: S,
        lane: Lane,
        pool: Credits,
        framing: Framing,
        bytes_max: u32,
    ) -> Self {
        assert!(pool.total() >= u64::from(bytes_max));
        assert!((1..=PREFIX_BYTES_MAX).contains(&framing.prefix_bytes));
        Self {
            stream,
            lane,
            chunk: BytesMut::with_capacity(CHUNK_BYTES),
            position: 0,
            own: Credits::new(OWN_FRAME_BYTES),
            pool,
            framing,
            bytes_max,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Frame, Ended> {
        let bytes = self.length().await?;
        let credit = match self.own.try_take(u64::from(bytes)) {
            Some(credit) => credit,
            None => {
                // Its deadline is for the peer, who need not wait for others.
                self.lane.pause_frame(true);
                self.lane.nothing_before().await;
                // A prefix on top of the largest request may not fit: then it has all that there is.
                let wanted = u64::from(bytes).min(self.pool.total());
                let credit = self.pool.take(wanted).await;
                self.lane.pause_frame(false);
                credit
            }
        };
        let bytes = bytes as usize;
        let mut frame = BytesMut::with_capacity(bytes);
        let here = self.unread().len().min(bytes);
        frame.extend_from_slice(&self.unread()[..here]);
        self.position += here;
        if here < bytes {
            self.lane.frame_begins(bytes as u64);
            frame = self.receive(frame, bytes).await?;
        }
        self.lane.frame_ends();
        Ok(Frame {
            bytes: frame,
            credit,
        })
    }

    fn unread(&self) -> &[u8] {
        &self.chunk[self.position..]
    }

    /// Reads the next frame's length, which is within bounds.
    async fn length(&mut self) -> Result<u32, Ended> {
        loop {
            let prefix_bytes = self.framing.prefix_bytes;
            if let Some(prefix) = self.unread().get(..prefix_bytes) {
                let length = (self.framing.measure)(prefix, self.bytes_max);
                let length = length.map_err(Ended::Refused)?;
                if self.framing.prefix == Prefix::Dropped {
                    self.position += prefix_bytes;
                }
                return Ok(length);
            }
            // Less than a prefix is left: it moves to the front, and the whole rest is free.
            let left = self.unread().len();
            self.chunk.copy_within(self.position.., 0);
            self.chunk.truncate(left);
            self.position = 0;
            if left > 0 {
                self.lane.frame_begins(0);
            }
            let chunk = std::mem::take(&mut self.chunk);
            let (received, chunk) = self.stream.recv(chunk).await;
            self.chunk = chunk;
            match received {
                Ok(0) if left == 0 => return Err(Ended::Closed),
                Ok(0) => return Err(Ended::Truncated),
                Ok(_) => {}
                Err(error) => return Err(Ended::Io(error)),
            }
        }
    }

    /// Receives until `frame` holds `bytes`. What the kernel gave beyond them goes to the chunk,
    /// which is empty here.
    async fn receive(&mut self, mut frame: BytesMut, bytes: usize) -> Result<BytesMut, Ended> {
        debug_assert!(self.unread().is_empty());
        while frame.len() < bytes {
            let (received, back) = self.stream.recv(frame).await;
            frame = back;
            match received {
                Ok(0) => return Err(Ended::Truncated),
                Ok(count) => self.lane.frame_goes_on(count as u64),
                Err(error) => return Err(Ended::Io(error)),
            }
        }
        self.chunk.clear();
        self.chunk.extend_from_slice(&frame[bytes..]);
        self.position = 0;
        frame.truncate(bytes);
        Ok(frame)
    }
}
