//! What crosses the border of this room: identities, events, restored groups, statistics.

use std::ops::Range;

use bytes::Bytes;
use corelog_base::{
    Entry, GroupId, HardState, LogIndex, LogStart, Offset, PartitionIndex, ProducerEpoch,
    ProducerId, Term, TopicId,
};

/// A journal's identity: random, given at creation, never reused. Not a core.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JournalId(pub u64);

/// What became true in this core's log, in the order in which it did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Every entry of the group up to `index` is as durable as the group's configuration asks.
    /// `term` is that entry's: if it was cut off meanwhile, the event is stale.
    Persisted {
        group: GroupId,
        index: LogIndex,
        term: Term,
    },
    /// The hard state is flushed.
    HardStatePersisted {
        group: GroupId,
        hard_state: HardState,
    },
    /// A write or flush failed: this core appends nothing more. Sent once.
    Fenced { why: String },
    /// True: stop reading connections. False: go on.
    Pressure(bool),
    /// Every entry up to `index` is in segments. Compaction of the Raft log may follow.
    Settled { group: GroupId, index: LogIndex },
    /// Bytes of this group on disk are not what was written; found by a read.
    Damaged {
        group: GroupId,
        range: Range<Offset>,
    },
}

/// Where a term begins in a group's log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TermStart {
    pub term: Term,
    /// The index of its first entry.
    pub index: LogIndex,
    /// The group's offset before that entry.
    pub offset: Offset,
}

/// A position in a group's log: up to and including `index`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    pub index: LogIndex,
    /// Of the entry at `index`; 0 at the very beginning.
    pub term: Term,
    /// The group's offset after the entry at `index`.
    pub next_offset: Offset,
}

/// Producer state as of an index, encoded by `partition`; opaque here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    pub index: LogIndex,
    pub data: Bytes,
}

/// Asked at each settle, on the log's core: the committed producer state of a group, as of an
/// index that is at least the last one given to `Log::commit`... or older: restart replays the
/// rest from `Checkpoint::index` on.
pub trait Checkpoints: 'static {
    fn checkpoint(&self, group: GroupId) -> Option<Checkpoint>;

    /// Asked by compaction: aborted transactions of which records may lie in `from..upto`.
    fn aborted(&self, group: GroupId, from: Offset, upto: Offset) -> Vec<AbortedRange>;

    /// Asked by compaction: what a producer that is known wrote last.
    fn last_of(&self, group: GroupId, producer: ProducerId) -> Option<LastOf>;
}

/// Where the records of an aborted transaction lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AbortedRange {
    pub producer: ProducerId,
    /// The first record.
    pub first: Offset,
    /// The marker.
    pub last: Offset,
}

/// The end of what a producer wrote: compaction keeps the header of that batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastOf {
    pub epoch: ProducerEpoch,
    /// Of its last record; None if only a marker has this epoch.
    pub offset: Option<Offset>,
}

/// No producer state: for tests and tools.
pub struct NoCheckpoints;

impl Checkpoints for NoCheckpoints {
    fn checkpoint(&self, _group: GroupId) -> Option<Checkpoint> {
        None
    }

    fn aborted(&self, _group: GroupId, _from: Offset, _upto: Offset) -> Vec<AbortedRange> {
        Vec::new()
    }

    fn last_of(&self, _group: GroupId, _producer: ProducerId) -> Option<LastOf> {
        None
    }
}

/// Entries that were lost to damage: a lone replica answers 56 for their offsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DamagedRange {
    /// The first index that is lost.
    pub first: LogIndex,
    /// The last one, inclusive; `u64::MAX` if unknown: anything from `first` on may be.
    pub last: LogIndex,
    pub base_offset: Offset,
    /// Exclusive; `i64::MAX` if unknown.
    pub next_offset: Offset,
}

/// What is known of a group after a scan.
#[derive(Clone, Debug)]
pub struct RestoredGroup {
    pub group: GroupId,
    pub topic: TopicId,
    pub partition: PartitionIndex,
    /// The journal that held it.
    pub journal: JournalId,
    pub hard_state: HardState,
    pub start: LogStart,
    /// Everything up to here is in segments.
    pub settled: Position,
    /// Entries after `settled`, contiguous unless `damage` says otherwise.
    pub entries: Vec<Entry>,
    /// Every term since the log start, ascending.
    pub terms: Vec<TermStart>,
    pub checkpoint: Option<Checkpoint>,
    /// Not empty: appends are refused, the offsets in it are answered with `Kind::Damaged`.
    pub damage: Vec<DamagedRange>,
}

impl RestoredGroup {
    /// The last entry that the log holds.
    pub fn last(&self) -> Position {
        self.entries.last().map_or(self.settled, |entry| Position {
            index: entry.index,
            term: entry.term,
            next_offset: entry.next_offset,
        })
    }
}

/// Sizes of one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GroupStats {
    /// In segments and unsettled memory together.
    pub bytes: u64,
    pub start: Offset,
    /// The offset after the last entry.
    pub end: Offset,
    pub segments: u32,
}

/// What compaction has done on one core. Counters but for the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CompactionStats {
    /// Passes that were ended.
    pub passes: u64,
    /// Passes that were given up: a group that was trimmed or removed meanwhile, or an error.
    pub given_up: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
    /// Records that were left out.
    pub removed_records: u64,
    /// The longest that it held the core without letting others run.
    pub held_us_max: u64,
}

/// Figures of one core's log, for metrics. Counters grow from the start of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CoreStats {
    pub groups: u64,
    pub frames_written: u64,
    pub journal_bytes_written: u64,
    pub settled_bytes_written: u64,
    /// Written to segments around the journal.
    pub bulk_bytes_written: u64,
    pub carried_bytes: u64,
    pub unsettled_bytes: u64,
    pub tail_cache_bytes: u64,
    pub block_cache_bytes: u64,
    pub journal_files: u32,
    pub disk_reads: u64,
    pub compaction: CompactionStats,
    pub fenced: bool,
    pub disk_full: bool,
}
