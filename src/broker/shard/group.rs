//! One partition's replica at its owning core.

use std::collections::{BTreeSet, VecDeque};

use bytes::BytesMut;
use corelog_base::{GroupId, LogIndex, Monotonic, Offset, TimestampMs};
use corelog_cluster::TopicSettings;
use corelog_partition::{CommitWaiters, FetchWaiters, Origin, Partition};

use corelog_record::BatchHeader;

use super::visits::ItemId;
use crate::api::{PartitionKey, Produced};
use crate::{Error, Result};

/// Who is told what becomes of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Appender {
    /// A produce request.
    Item(ItemId),
    /// The coordinator that lives in the group; the number tells one instance from the next.
    Coordinator(GroupId, u64),
}

/// A batch that waits for its commit.
pub(crate) struct CommitWait {
    pub(crate) appender: Appender,
    pub(crate) produced: Produced,
    /// Asks for `min.insync.replicas` at the moment of the commit too.
    pub(crate) in_sync: bool,
}

/// A batch that waits until this replica, newly elected, knows what is committed.
pub(crate) struct Held {
    pub(crate) appender: Appender,
    pub(crate) origin: Origin,
    pub(crate) header: BatchHeader,
    pub(crate) batch: BytesMut,
    pub(crate) in_sync: bool,
}

/// Somebody waits until the log start has moved.
pub(crate) struct TrimWait {
    pub(crate) start: Offset,
    pub(crate) trim: ItemId,
}

/// Why a group takes no appends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Health {
    Sound,
    /// Failed or damaged; the text says what.
    Failed(String),
}

pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) key: PartitionKey,
    pub(crate) partition: Partition,
    /// The last entry that `partition` holds.
    pub(crate) applied: LogIndex,
    /// The last entry that the restored producer state holds.
    pub(crate) checkpointed: LogIndex,
    pub(crate) settings: TopicSettings,
    pub(crate) health: Health,
    pub(crate) commits: CommitWaiters<CommitWait>,
    pub(crate) fetches: FetchWaiters,
    pub(crate) trims: Vec<TrimWait>,
    /// In order of arrival; bounded by the doors' requests in flight.
    pub(crate) held: Vec<Held>,
    /// Batches that what is known of their producers refuses, in order of arrival: each waits for
    /// a barrier of its own, proposed after it came. Bounded as above.
    pub(crate) doubted: VecDeque<Held>,
    /// Where damage begins that was found by reads and logged; bounded by who adds to it.
    pub(crate) damage_told: BTreeSet<Offset>,
    /// When the log was asked last whether to compact it.
    pub(crate) compaction_asked: Monotonic,
}

impl Group {
    pub(crate) fn new(
        id: GroupId,
        key: PartitionKey,
        partition: Partition,
        applied: LogIndex,
        settings: TopicSettings,
    ) -> Self {
        Self {
            id,
            key,
            partition,
            applied,
            checkpointed: LogIndex(0),
            settings,
            health: Health::Sound,
            commits: CommitWaiters::default(),
            fetches: FetchWaiters::default(),
            trims: Vec::new(),
            held: Vec::new(),
            doubted: VecDeque::new(),
            damage_told: BTreeSet::new(),
            compaction_asked: Monotonic::default(),
        }
    }

    pub(crate) fn produced(&self, base: Offset, append_time: TimestampMs) -> Produced {
        Produced {
            base,
            log_start: self.partition.log_start(),
            append_time,
        }
    }

    pub(crate) fn check_health(&self) -> Result<()> {
        match &self.health {
            Health::Sound => Ok(()),
            Health::Failed(why) => Err(Error::Storage(why.clone())),
        }
    }
}
