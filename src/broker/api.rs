//! What a door asks of the broker, and what it gets. All of it is owned: it travels to the core
//! that owns the partition.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_base::{
    LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerEpoch, ProducerId, TimestampMs, TopicId,
};
use corelog_record::BatchHeader;

use crate::Result;

/// A partition of a topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartitionKey {
    pub topic: TopicId,
    pub partition: PartitionIndex,
}

/// Who must hold a batch before it is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acks {
    /// Committed. Kafka's 0 and 1 are both answered so.
    Commit,
    /// Committed, and `min.insync.replicas` replicas are in sync. Kafka's -1.
    InSync,
}

#[derive(Debug)]
pub struct ProduceRequest {
    pub acks: Acks,
    /// How long to wait for the commit.
    pub timeout: Duration,
    pub parts: Vec<ProducePart>,
}

/// One batch for one partition: exactly one v2 batch that `corelog_record::validate` has passed
/// under the topic's settings.
#[derive(Debug)]
pub struct ProducePart {
    pub key: PartitionKey,
    /// What is known of its transaction.
    pub verified: Verified,
    pub header: BatchHeader,
    pub batch: BytesMut,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Produced {
    /// The offset of the first record.
    pub base: Offset,
    pub log_start: Offset,
    /// The time that the broker stamped, where the topic has LogAppendTime; else none (-1).
    pub append_time: TimestampMs,
}

/// What a reader wants to see of transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// All that is committed by the partition's replicas.
    Uncommitted,
    /// Nothing of transactions that are open, and which ones were aborted.
    Committed,
}

#[derive(Clone, Debug)]
pub struct FetchRequest {
    pub isolation: Isolation,
    /// How long to wait for `bytes_min`; zero answers at once.
    pub wait_max: Duration,
    pub bytes_min: u64,
    /// In all; the first partition that has data returns one batch even above it.
    pub bytes_max: u64,
    pub parts: Vec<FetchPart>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchPart {
    pub key: PartitionKey,
    pub offset: Offset,
    /// The leader epoch that the caller knows; none is not checked.
    pub leader_epoch: Option<LeaderEpoch>,
    pub bytes_max: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Fetched {
    pub high_watermark: Offset,
    /// Where readers of committed transactions stop (exclusive).
    pub last_stable: Offset,
    pub log_start: Offset,
    /// Whole batches, back to back, the first of which contains the offset asked.
    pub batches: Vec<Bytes>,
    /// Under `Isolation::Committed`: the aborted transactions with records from the offset asked to
    /// the end of these batches, in the order of their first offsets.
    pub aborted: Vec<Aborted>,
}

impl Fetched {
    /// The first offset after the batches, if there are any.
    pub fn end(&self) -> Option<Offset> {
        let last = self.batches.last()?;
        let batches = corelog_record::batches(last).filter_map(|batch| batch.ok());
        batches.last().map(|(header, _)| header.next_offset())
    }

    pub fn bytes(&self) -> u64 {
        self.batches.iter().map(|b| b.len() as u64).sum()
    }
}

/// What ListOffsets looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetQuery {
    /// The end of what may be read: the high watermark, or the last stable offset.
    Latest,
    Earliest,
    /// The first record at or after a time.
    AtTime(TimestampMs),
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The earliest on this broker's disk: the same as `Earliest`, nothing is tiered.
    EarliestLocal,
    /// The latest in tiered storage: none.
    LatestTiered,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetPart {
    pub key: PartitionKey,
    pub isolation: Isolation,
    pub leader_epoch: Option<LeaderEpoch>,
    pub query: OffsetQuery,
}

/// An answer to [`OffsetQuery`]; no match is offset -1, timestamp -1, epoch -1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetFound {
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub epoch: LeaderEpoch,
}

impl OffsetFound {
    pub const NONE: OffsetFound = OffsetFound {
        offset: Offset(-1),
        timestamp: TimestampMs::NONE,
        epoch: LeaderEpoch::UNKNOWN,
    };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochPart {
    pub key: PartitionKey,
    /// The epoch that the caller believes current; none is not checked.
    pub current: Option<LeaderEpoch>,
    pub asked: LeaderEpoch,
}

/// The largest epoch at or below the one asked and its end; -1/-1 where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochFound {
    pub epoch: LeaderEpoch,
    pub end: Offset,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrimPart {
    pub key: PartitionKey,
    /// The first offset to keep; none is the high watermark (Kafka's -1).
    pub before: Option<Offset>,
}

/// One partition's place on this broker's disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionSize {
    pub key: PartitionKey,
    pub bytes: u64,
}

/// The replicas of the cluster's metadata, as its leader sees them. Its log is counted by Raft's
/// entries, not by records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quorum {
    pub leader: NodeId,
    pub epoch: LeaderEpoch,
    /// After the last committed entry that is applied.
    pub high_watermark: i64,
    /// After the last entry of the leader's log.
    pub log_end: i64,
    pub voters: Vec<NodeId>,
}

/// The end of a transaction in one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkerPart {
    pub key: PartitionKey,
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    pub marker: EndMarker,
    pub rule: MarkerEpoch,
}

/// Where a producer's transaction stands in one partition is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StandingPart {
    pub key: PartitionKey,
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
}

/// A producer as DescribeProducers tells it.
pub use corelog_partition::ProducerInfo;
pub use corelog_partition::{Aborted, MarkerEpoch, Standing, Verified};
pub use corelog_record::EndMarker;

/// Who leads a partition, as far as this core knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leadership {
    pub leader: Option<NodeId>,
    /// -1 before the first election that this core heard of.
    pub epoch: LeaderEpoch,
}

impl Leadership {
    pub const UNKNOWN: Leadership = Leadership {
        leader: None,
        epoch: LeaderEpoch::UNKNOWN,
    };
}

/// Results in the order of the parts that were asked.
pub type Outcomes<T> = Vec<Result<T>>;
