//! The records field: bytes that this layer never looks into and never copies.

use std::ops::Range;

use bytes::Bytes;

use super::{Decoder, Encoder, Value, Version};
use crate::Error;

/// Record batches of a Produce request or a Fetch response.
///
/// Decoded, it is a view with its place in the body, so that whoever owns the body can split it
/// there. To be encoded, it is made from `Bytes`, one or many, which are gathered.
#[derive(Clone, Debug, Default)]
pub enum Records<'a> {
    #[default]
    Null,
    /// What was decoded.
    View {
        bytes: &'a [u8],
        /// Index of the first byte in the body given to `decode`.
        position: usize,
    },
    /// One part to send.
    Part(Bytes),
    /// Parts to send, one after the other.
    Parts(Vec<Bytes>),
}

impl<'a> Records<'a> {
    /// No bytes, but not null: what a Fetch response says when there is nothing.
    pub const EMPTY: Self = Records::Part(Bytes::new());

    pub fn is_null(&self) -> bool {
        matches!(self, Records::Null)
    }

    /// Bytes in all; null has none.
    pub fn len(&self) -> usize {
        match self {
            Records::Null => 0,
            Records::View { bytes, .. } => bytes.len(),
            Records::Part(part) => part.len(),
            Records::Parts(parts) => parts.iter().map(Bytes::len).sum(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was decoded; `None` if null, or made to be encoded.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Records::View { bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// Where the decoded bytes stand in the body given to `decode`.
    pub fn range(&self) -> Option<Range<usize>> {
        match self {
            Records::View { bytes, position } => Some(*position..position + bytes.len()),
            _ => None,
        }
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let (one, many): (&[u8], &[Bytes]) = match self {
            Records::Null => (&[], &[]),
            Records::View { bytes, .. } => (bytes, &[]),
            Records::Part(part) => (part, &[]),
            Records::Parts(parts) => (&[], parts),
        };
        std::iter::once(one).chain(many.iter().map(|part| &part[..]))
    }
}

impl PartialEq for Records<'_> {
    /// The same bytes, however they are held.
    fn eq(&self, other: &Self) -> bool {
        self.is_null() == other.is_null() && self.slices().flatten().eq(other.slices().flatten())
    }
}

impl From<Vec<Bytes>> for Records<'_> {
    fn from(parts: Vec<Bytes>) -> Self {
        Records::Parts(parts)
    }
}

impl From<Bytes> for Records<'_> {
    fn from(part: Bytes) -> Self {
        Records::Part(part)
    }
}

impl<'a> Value<'a> for Records<'a> {
    #[inline]
    fn read(decoder: &mut Decoder<'a>, version: Version) -> Result<Self, Error> {
        match decoder.bytes(version.flexible)? {
            None => Ok(Records::Null),
            Some(bytes) => Ok(Records::View {
                bytes,
                position: decoder.position() - bytes.len(),
            }),
        }
    }

    fn write(&self, encoder: &mut Encoder, version: Version) {
        let length = (!self.is_null()).then(|| self.len());
        encoder.put_length(length, version.flexible);
        match self {
            Records::Null => {}
            Records::View { bytes, .. } => encoder.put(bytes),
            Records::Part(part) => encoder.gather(part.clone()),
            Records::Parts(parts) => parts.iter().for_each(|p| encoder.gather(p.clone())),
        }
    }
}
