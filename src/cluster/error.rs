//! Why a change of the metadata is refused, or bytes are no metadata.

use std::fmt;

/// What callers branch on. The Kafka door maps each to one of Kafka's codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A topic's name is illegal or collides with another one's.
    InvalidTopic,
    TopicExists,
    UnknownTopic,
    /// No topic has this id.
    UnknownTopicId,
    /// A count of partitions is not positive, too large, or no increase.
    InvalidPartitions,
    InvalidReplicationFactor,
    InvalidReplicaAssignment,
    /// A configuration's name or value.
    InvalidConfig,
    /// The request contradicts itself.
    InvalidRequest,
    /// A bound of this cluster would be exceeded.
    PolicyViolation,
    /// `delete.topic.enable` is false.
    DeletionDisabled,
    /// Bytes that are no metadata of a version known here.
    Malformed,
}

/// A refusal: its kind, and a sentence for whoever asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
