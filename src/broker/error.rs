//! Why the broker did not do what was asked. The doors translate; nothing here is Kafka's number.

use std::fmt;

use corelog_base::{LeaderEpoch, NodeId, Offset};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// No such topic or partition in the metadata.
    UnknownPartition,
    /// No topic has this id.
    UnknownTopicId,
    /// Another replica leads, or none does. Retriable.
    NotLeader {
        leader: Option<NodeId>,
        epoch: LeaderEpoch,
    },
    /// The caller's leader epoch is older than the partition's.
    EpochFenced,
    /// The caller's leader epoch is newer than this replica knows. Retriable.
    EpochUnknown,
    /// Below the log start or above the end of the log.
    OffsetOutOfRange { start: Offset, end: Offset },
    /// The leader has not yet committed an entry of its own term. Retriable.
    OffsetNotAvailable,
    /// Too few replicas in sync; nothing was appended. Retriable.
    NotEnoughReplicas,
    /// Appended, but too few replicas hold it. Retriable.
    NotEnoughReplicasAfterAppend,
    /// Not done in time. It may still happen.
    TimedOut,
    /// A newer incarnation of the producer has written.
    ProducerFenced,
    /// Sequences are missing before this batch.
    SequenceGap,
    /// Appended before, so long ago that its offset is forgotten.
    SequenceForgotten,
    /// The batch would begin a transaction of which the coordinator does not know, or not any more.
    NotInTransaction,
    /// The batch is in no transaction, but its producer has one open.
    OutsideTransaction,
    /// The partition remembers as many transactions as it may. Retriable: retention makes room.
    TransactionsFull,
    /// A newer leader of the coordinator of transactions has written.
    CoordinatorFenced,
    /// The batch is not valid.
    InvalidBatch(String),
    /// The partition's log failed or is damaged; the text names what and where.
    Storage(String),
    /// The batch is larger than one journal entry can be.
    TooLarge,
    /// The disk is full up to its reserve: nothing was appended, reads go on. Retriable.
    DiskFull,
    /// Taken before the disk was full, and not written yet. It may still happen. Retriable.
    Stalled,
    /// Metadata changes go to another broker, if one is known. Retriable.
    NotController { leader: Option<NodeId> },
    /// This broker is stopping. Retriable elsewhere.
    Stopping,
    /// The change of metadata is not valid.
    Cluster(corelog_cluster::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnknownPartition => f.write_str("this topic or partition does not exist"),
            Error::UnknownTopicId => f.write_str("no topic has this id"),
            Error::NotLeader { leader, epoch } => match leader {
                Some(node) => write!(f, "node {node} leads this partition in epoch {epoch}"),
                None => write!(f, "no leader is known after epoch {epoch}"),
            },
            Error::EpochFenced => f.write_str("the leader epoch is older than the partition's"),
            Error::EpochUnknown => f.write_str("the leader epoch is newer than the partition's"),
            Error::OffsetOutOfRange { start, end } => {
                write!(f, "the offset is not within {start} to {end}")
            }
            Error::OffsetNotAvailable => f.write_str("the new leader is not ready yet"),
            Error::NotEnoughReplicas => f.write_str("too few replicas are in sync"),
            Error::NotEnoughReplicasAfterAppend => {
                f.write_str("appended, but too few replicas are in sync")
            }
            Error::TimedOut => f.write_str("not done in time; it may still happen"),
            Error::ProducerFenced => f.write_str("a newer incarnation of the producer has written"),
            Error::SequenceGap => f.write_str("sequences are missing before this batch"),
            Error::SequenceForgotten => f.write_str("appended before, at a forgotten offset"),
            Error::NotInTransaction => f.write_str("the batch is in no open transaction"),
            Error::OutsideTransaction => {
                f.write_str("the producer has a transaction open, and the batch is not in it")
            }
            Error::TransactionsFull => f.write_str(
                "the partition remembers as many transactions as it may; retention makes room",
            ),
            Error::CoordinatorFenced => {
                f.write_str("a newer leader of the transactions' coordinator has written")
            }
            Error::InvalidBatch(why) => write!(f, "invalid batch: {why}"),
            Error::TooLarge => f.write_str(
                "the batch is larger than the journal takes; see log.journal_file_bytes",
            ),
            Error::Storage(why) => write!(f, "storage: {why}"),
            Error::DiskFull => f.write_str(
                "the disk is full up to its reserve: free space, delete records or shorten \
                 retention; appends go on by themselves then",
            ),
            Error::Stalled => f.write_str(
                "the disk has filled since the batch was taken; it may still be written once there \
                 is room",
            ),
            Error::NotController { leader } => match leader {
                Some(node) => write!(f, "node {node} decides on metadata"),
                None => f.write_str("no node decides on metadata at present"),
            },
            Error::Stopping => f.write_str("this broker is stopping"),
            Error::Cluster(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
