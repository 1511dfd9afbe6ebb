//! Writes messages as gathered parts.

use bytes::{Bytes, BytesMut};

use super::{ApiKey, RequestHeader, ResponseHeader};
use crate::{Error, ErrorKind};

/// Room for a small response without growing.
const BUFFER_BYTES: usize = 256;

/// Collects a message: small fields in one buffer, record bytes as they are.
///
/// The first refusal is remembered, and given by [`finish`](Encoder::finish): so writing a message
/// has no error at every step.
#[derive(Debug)]
pub struct Encoder {
    buffer: BytesMut,
    /// Bytes that belong into the message before the byte of `buffer` at this index, ascending.
    gathered: Vec<(usize, Bytes)>,
    gathered_bytes: usize,
    /// The buffer starts with the frame's length, filled in at the end.
    framed: bool,
    error: Option<Error>,
}

impl Encoder {
    /// An encoder for a body alone, without length or header.
    pub fn body() -> Encoder {
        Encoder {
            buffer: BytesMut::with_capacity(BUFFER_BYTES),
            gathered: Vec::new(),
            gathered_bytes: 0,
            framed: false,
            error: None,
        }
    }

    fn framed() -> Encoder {
        let mut encoder = Encoder::body();
        encoder.put(&[0; 4]);
        encoder.framed = true;
        encoder
    }

    /// A frame that starts with the header of a response. The body follows.
    pub fn response(key: ApiKey, version: i16, correlation_id: i32) -> Encoder {
        let mut encoder = Encoder::framed();
        ResponseHeader { correlation_id }.encode(key, version, &mut encoder);
        encoder
    }

    /// A frame that starts with the header of a request. The body follows.
    pub fn request(
        key: ApiKey,
        version: i16,
        correlation_id: i32,
        client_id: Option<&str>,
    ) -> Encoder {
        let mut encoder = Encoder::framed();
        let header = RequestHeader {
            key: key.number(),
            version,
            correlation_id,
            client_id,
        };
        header.encode(&mut encoder);
        encoder
    }

    /// Bytes so far, with the length at the front of a frame.
    pub fn bytes(&self) -> usize {
        self.buffer.len() + self.gathered_bytes
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes bytes over without copying them.
    pub(crate) fn gather(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.gathered_bytes += bytes.len();
            self.gathered.push((self.buffer.len(), bytes));
        }
    }

    #[inline]
    pub(crate) fn put_varint(&mut self, value: u32) {
        let (bytes, length) = varint(value);
        self.put(&bytes[..length]);
    }

    /// Length + 1, or 0 for null.
    pub(crate) fn put_compact_length(&mut self, length: Option<usize>) {
        let plus_one = length.map_or(Some(0), |n| n.checked_add(1));
        match plus_one.and_then(|n| u32::try_from(n).ok()) {
            Some(n) => self.put_varint(n),
            None => self.fail(ErrorKind::Length),
        }
    }

    /// The count of an array or the length of bytes; -1 is null where it is not compact.
    pub(crate) fn put_length(&mut self, length: Option<usize>, compact: bool) {
        if compact {
            return self.put_compact_length(length);
        }
        match length.map_or(Ok(-1), i32::try_from) {
            Ok(n) => self.put(&n.to_be_bytes()),
            Err(_) => self.fail(ErrorKind::Length),
        }
    }

    /// A tagged field: tag, length, and what `write` writes. Records never stand in one.
    pub(crate) fn put_tag(&mut self, tag: u32, write: impl FnOnce(&mut Encoder)) {
        self.put_varint(tag);
        let start = self.buffer.len();
        let gathered = self.gathered.len();
        write(self);
        assert_eq!(
            self.gathered.len(),
            gathered,
            "a tagged field holds records"
        );
        let end = self.buffer.len();
        let Ok(length) = u32::try_from(end - start) else {
            return self.fail(ErrorKind::Length);
        };
        // The length is known only now: the field moves to make room for it.
        let (bytes, width) = varint(length);
        self.put(&bytes[..width]);
        self.buffer.copy_within(start..end, start + width);
        self.buffer[start..start + width].copy_from_slice(&bytes[..width]);
    }

    #[cold]
    pub(crate) fn fail(&mut self, kind: ErrorKind) {
        let position = self.bytes();
        self.error.get_or_insert(Error::new(kind, position));
    }

    pub(crate) fn name_error(&mut self, message: &'static str) {
        if let Some(error) = &mut self.error
            && error.message.is_empty()
        {
            error.message = message;
        }
    }

    /// The parts of the message, to be sent in order.
    ///
    /// # Errors
    /// `Length` if a string, array or frame is longer than Kafka can say, `Version` if a message
    /// was written at a version that it does not have.
    pub fn finish(mut self) -> Result<Vec<Bytes>, Error> {
        if self.framed {
            match i32::try_from(self.bytes() - 4) {
                Ok(length) => self.buffer[..4].copy_from_slice(&length.to_be_bytes()),
                Err(_) => self.fail(ErrorKind::Length),
            }
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut parts = Vec::with_capacity(self.gathered.len() * 2 + 1);
        let mut split = 0;
        for (at, bytes) in self.gathered {
            if at > split {
                parts.push(self.buffer.split_to(at - split).freeze());
                split = at;
            }
            parts.push(bytes);
        }
        if !self.buffer.is_empty() {
            parts.push(self.buffer.freeze());
        }
        Ok(parts)
    }
}

/// The bytes of an unsigned varint and how many of them count.
#[inline]
fn varint(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut length = 0;
    while value >= 0x80 {
        bytes[length] = (value & 0x7f) as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    bytes[length] = value as u8;
    (bytes, length + 1)
}
