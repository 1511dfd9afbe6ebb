//! The one error of this crate.

use std::fmt;

/// Why bytes could not be read, or a message not be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The bytes end before the value does.
    Truncated,
    /// A variable-length integer is longer than its type.
    Varint,
    /// A length is negative, or above what its type can carry.
    Length,
    /// An array claims more elements than bytes remain.
    Count,
    /// Null where the version has no null.
    Null,
    /// A string is not UTF-8.
    Utf8,
    /// A known tagged field does not fill its length exactly.
    Tag,
    /// The message is not defined at the version asked for.
    Version,
    /// The bytes are not those that were sent.
    Checksum,
    /// An archive of the native protocol is not what its header says.
    Archive,
}

/// A refusal, with where it happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    pub kind: ErrorKind,
    /// The message being read or written; empty outside of one.
    pub message: &'static str,
    /// Bytes from the start of what was decoded; when encoding, bytes written so far.
    pub position: usize,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, position: usize) -> Error {
        Error {
            kind,
            message: "",
            position,
        }
    }

    pub(crate) fn native(kind: ErrorKind) -> Error {
        Error {
            kind,
            message: "native frame",
            position: 0,
        }
    }

    pub(crate) fn within(self, message: &'static str) -> Error {
        Error { message, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Truncated => "the bytes end too early",
            ErrorKind::Varint => "a variable-length integer is too long",
            ErrorKind::Length => "a length is out of range",
            ErrorKind::Count => "an array claims more elements than bytes remain",
            ErrorKind::Null => "null is not allowed here",
            ErrorKind::Utf8 => "a string is not UTF-8",
            ErrorKind::Tag => "a tagged field does not fill its length",
            ErrorKind::Version => "this version is not supported",
            ErrorKind::Checksum => "the checksum does not match",
            ErrorKind::Archive => "the archive is not of this message",
        };
        let message = if self.message.is_empty() {
            "message"
        } else {
            self.message
        };
        write!(f, "{message}: {what} (byte {})", self.position)
    }
}

impl std::error::Error for Error {}
