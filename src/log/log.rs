//! The handle of a core's log.

use corelog_base::{
    Entry, GroupId, HardState, LogIndex, LogStart, Offset, PartitionIndex, Term, TimestampMs,
    TopicId,
};
use corelog_rt::Runtime;

use crate::{
    Checkpoints, CoreStats, Entries, Error, Event, GroupConfig, GroupStats, Options, Position,
    Read, Share, TermStart,
};

/// One core's log. Cheap to clone; never leaves its thread.
pub struct Log<R: Runtime> {
    rt: R,
}

impl<R: Runtime> Clone for Log<R> {
    fn clone(&self) -> Self {
        Self {
            rt: self.rt.clone(),
        }
    }
}

impl<R: Runtime> Log<R> {
    /// Opens this core's journal, rewrites into it (flushed) what moved here from other journals,
    /// and starts the log's tasks. When every core's `open` has returned, a changed placement may
    /// be committed.
    pub async fn open(
        rt: R,
        options: Options,
        share: Share,
        checkpoints: Box<dyn Checkpoints>,
    ) -> Result<Self, Error> {
        let _ = (options, share, checkpoints);
        Ok(Self { rt })
    }

    /// Adds an empty group; synchronous, because nothing is promised before its first append is
    /// persisted: a group that is missing after a crash is created again from metadata. Its folder
    /// is made with its first segment, so that a partition that never settles costs no file.
    ///
    /// # Errors
    /// `GroupExists`, `Fenced`, `Closed`.
    pub fn create_group(
        &self,
        group: GroupId,
        topic: TopicId,
        partition: PartitionIndex,
        config: GroupConfig,
    ) -> Result<(), Error> {
        let _ = (group, topic, partition, config, &self.rt);
        unimplemented!()
    }

    /// For a group that metadata knows, that the scan did not find, when
    /// [`crate::Scan::is_incomplete`]: everything in it counts as damaged.
    pub fn create_damaged_group(
        &self,
        group: GroupId,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Result<(), Error> {
        let _ = (group, topic, partition);
        unimplemented!()
    }

    /// Settings of a group; unknown groups are ignored.
    pub fn configure(&self, group: GroupId, config: GroupConfig) {
        let _ = (group, config);
        unimplemented!()
    }

    /// Whether an append of `bytes` would be taken now: ask before proposing.
    ///
    /// # Errors
    /// `Fenced`, `Damaged`, `DiskFull`, `Overloaded`, `TooLarge`, `NoSuchGroup`, `Closed`.
    pub fn admit(&self, group: GroupId, bytes: u64) -> Result<(), Error> {
        let _ = (group, bytes);
        unimplemented!()
    }

    /// Puts entries and a hard state into the pending journal frame. The entries are contiguous;
    /// the first may cut off what the group has from its index on. Never blocks; `admit` is what
    /// bounds it. Events follow.
    ///
    /// # Errors
    /// `Fenced`, `Damaged`, `NoSuchGroup`, `TooLarge`, `Closed`: nothing was taken.
    ///
    /// # Panics
    /// If an index leaves a gap, or cuts off what was committed: a bug of the caller.
    pub fn append(
        &self,
        group: GroupId,
        entries: Vec<Entry>,
        hard_state: Option<HardState>,
    ) -> Result<(), Error> {
        let _ = (group, entries, hard_state);
        unimplemented!()
    }

    /// Waits for at least one event and returns all that there are. One caller at a time.
    /// Cancel-safe.
    pub async fn events(&self) -> Vec<Event> {
        unimplemented!()
    }

    /// Up to here entries may be settled. Never goes back.
    pub fn commit(&self, group: GroupId, index: LogIndex) {
        let _ = (group, index);
        unimplemented!()
    }

    /// Batches from the one that contains `from` (inclusive) up to `upto` (exclusive), at most
    /// `bytes_max` bytes; with `first_whole` the first batch is returned even if it is larger.
    ///
    /// # Errors
    /// `OutOfRange` if `from` is below the start or above the end; `Damaged`; `NoSuchGroup`.
    pub fn read(
        &self,
        group: GroupId,
        from: Offset,
        upto: Offset,
        bytes_max: u32,
        first_whole: bool,
    ) -> Result<Read, Error> {
        let _ = (group, from, upto, bytes_max, first_whole);
        unimplemented!()
    }

    /// Entries `from` (inclusive) to `to` (exclusive), at most `bytes_max` but at least one.
    ///
    /// # Errors
    /// `OutOfRange` if `from` is below the start's index or above the last; `Damaged`;
    /// `NoSuchGroup`.
    pub fn entries(
        &self,
        group: GroupId,
        from: LogIndex,
        to: LogIndex,
        bytes_max: u32,
    ) -> Result<Entries, Error> {
        let _ = (group, from, to, bytes_max);
        unimplemented!()
    }

    /// The term of an entry from the start's index minus one up to the last; None outside.
    pub fn term_at(&self, group: GroupId, index: LogIndex) -> Option<Term> {
        let _ = (group, index);
        unimplemented!()
    }

    /// Every term since the log start, ascending.
    pub fn terms(&self, group: GroupId) -> Vec<TermStart> {
        let _ = group;
        unimplemented!()
    }

    /// The last entry that was appended.
    pub fn last(&self, group: GroupId) -> Option<Position> {
        let _ = group;
        unimplemented!()
    }

    /// The first record below `upto` whose timestamp is at least `time`, and that timestamp.
    pub async fn offset_at_time(
        &self,
        group: GroupId,
        time: TimestampMs,
        upto: Offset,
    ) -> Result<Option<(Offset, TimestampMs)>, Error> {
        let _ = (group, time, upto);
        unimplemented!()
    }

    /// The first record below `upto` with the largest timestamp.
    pub async fn max_timestamp(
        &self,
        group: GroupId,
        upto: Offset,
    ) -> Result<Option<(Offset, TimestampMs)>, Error> {
        let _ = (group, upto);
        unimplemented!()
    }

    /// After the LogStart entry committed: reads below are refused at once; whole segments below
    /// are deleted once the new start is flushed.
    pub fn set_start(&self, group: GroupId, start: LogStart) {
        let _ = (group, start);
        unimplemented!()
    }

    /// After the deletion committed: drops the entries and unlinks the folder. Fine if the group is
    /// unknown. Idempotent, and called again at boot for deletions that were cut short.
    pub async fn remove_group(
        &self,
        group: GroupId,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Result<(), Error> {
        let _ = (group, topic, partition);
        unimplemented!()
    }

    /// The start that retention asks for, if it differs from the present one: the leader proposes
    /// it. `now` is the smaller of the wall clock and boot time plus monotonic.
    pub fn retention(&self, group: GroupId, now: TimestampMs) -> Option<LogStart> {
        let _ = (group, now);
        unimplemented!()
    }

    pub fn stats(&self, group: GroupId) -> Option<GroupStats> {
        let _ = group;
        unimplemented!()
    }

    pub fn core_stats(&self) -> CoreStats {
        unimplemented!()
    }

    /// Writes and flushes what is pending, settles what is cheap, writes the closing seal, and
    /// stops the tasks. Appends are refused from the call on.
    pub async fn close(&self) -> Result<(), Error> {
        unimplemented!()
    }
}
