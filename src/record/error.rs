//! What can be wrong with a batch.

use std::fmt;

/// What callers branch on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Fewer bytes than the header or its length field need.
    Truncated,
    /// Not format version 2.
    Magic,
    /// The CRC32C does not match the bytes.
    Checksum,
    /// The record count, an offset delta or the number of batches contradicts the rest.
    Count,
    /// A length inside the batch contradicts the bytes.
    Length,
    /// An unknown codec, or bytes that it cannot decompress.
    Codec,
    /// More bytes than the cap, decompressed or built.
    TooLarge,
    /// A record without a key, where the topic needs one.
    NullKey,
    /// A timestamp that is out of the permitted range or cannot be represented.
    Timestamp,
    /// A producer may not send this: a control batch, or a producer id without a sequence.
    Producer,
}

/// A batch is refused. `record` names the first record at fault, counted from 0 in the batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    pub kind: Kind,
    pub context: &'static str,
    pub record: Option<u32>,
}

impl Error {
    pub fn new(kind: Kind, context: &'static str) -> Self {
        Self {
            kind,
            context,
            record: None,
        }
    }

    /// The same error, said of one record.
    pub(crate) fn at(self, record: u32) -> Self {
        Self {
            record: Some(record),
            ..self
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.context)?;
        match self.record {
            Some(record) => write!(f, " (record {record} of the batch)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
