//! The handle of a core's log.

use std::future::Future;

use corelog_base::{Entry, GroupId, HardState, LogIndex, Offset, PartitionIndex, Term, TopicId};
use corelog_rt::{Gate, Notify, Runtime, Shared};

use crate::around::go_around;
use crate::codec::{count, count_u32};
use crate::core::Core;
use crate::group::Group;
use crate::own::own;
use crate::{
    Checkpoints, CoreStats, DamagedRange, Entries, EntriesPlan, Error, Event, GroupConfig,
    GroupStats, Kind, Options, Position, Read, ReadPlan, Share, TermStart,
};

/// What the log's tasks sleep on.
#[derive(Clone, Default)]
pub(crate) struct Wake {
    pub write: Notify,
    pub grow: Notify,
    pub settle: Notify,
    pub release: Notify,
    pub monitor: Notify,
    pub events: Notify,
}

/// One core's log. Cheap to clone; never leaves its thread.
pub struct Log<R: Runtime> {
    pub(crate) rt: R,
    pub(crate) core: Shared<Core<R::File>>,
    pub(crate) wake: Wake,
    pub(crate) checkpoints: Shared<Box<dyn Checkpoints>>,
    /// Holds the tasks that settle, release and watch; `close` waits for it first.
    pub(crate) gate: Gate,
    /// Holds the tasks of the journal: they serve the others to their end.
    pub(crate) journal_gate: Gate,
}

impl<R: Runtime> Clone for Log<R> {
    fn clone(&self) -> Self {
        Self {
            rt: self.rt.clone(),
            core: self.core.clone(),
            wake: self.wake.clone(),
            checkpoints: self.checkpoints.clone(),
            gate: self.gate.clone(),
            journal_gate: self.journal_gate.clone(),
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
        crate::open::open(rt, options, share, checkpoints).await
    }

    pub(crate) fn with<O>(&self, visit: impl FnOnce(&mut Core<R::File>) -> O) -> O {
        self.core.with(visit)
    }

    /// Runs one of the log's tasks; `close` waits for its end.
    pub(crate) fn start(&self, task: impl Future<Output = ()> + 'static) {
        self.start_in(&self.gate, task);
    }

    /// Runs a task of the journal.
    pub(crate) fn start_journal(&self, task: impl Future<Output = ()> + 'static) {
        self.start_in(&self.journal_gate, task);
    }

    fn start_in(&self, gate: &Gate, task: impl Future<Output = ()> + 'static) {
        let pass = gate.enter();
        self.rt.spawn(async move {
            task.await;
            drop(pass);
        });
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
        self.with(|c| {
            if c.disk.closing {
                return Err(Error::new(Kind::Closed, "create group").group(group));
            }
            if c.disk.fenced.is_some() {
                return Err(Error::new(Kind::Fenced, "create group").group(group));
            }
            if c.groups.contains_key(&group) {
                return Err(Error::new(Kind::GroupExists, "create group").group(group));
            }
            c.groups.insert(group, Group::new(topic, partition, config));
            Ok(())
        })
    }

    /// For a group that metadata knows, that the scan did not find, when
    /// [`crate::Scan::is_incomplete`]: everything in it counts as damaged.
    pub fn create_damaged_group(
        &self,
        group: GroupId,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Result<(), Error> {
        self.create_group(group, topic, partition, GroupConfig::default())?;
        self.with(|c| {
            if let Some(state) = c.groups.get_mut(&group) {
                state.damage.push(DamagedRange {
                    first: LogIndex(1),
                    last: LogIndex(u64::MAX),
                    base_offset: Offset(0),
                    next_offset: Offset(i64::MAX),
                });
            }
            c.queue_record(group);
            c.fill();
        });
        self.wake.write.notify();
        Ok(())
    }

    /// Settings of a group; unknown groups are ignored.
    pub fn configure(&self, group: GroupId, config: GroupConfig) {
        self.with(|c| {
            if let Some(state) = c.groups.get_mut(&group) {
                state.config = config;
            }
        });
    }

    /// Whether an append of `bytes` would be taken now: ask before proposing.
    ///
    /// # Errors
    /// `Fenced`, `Damaged`, `DiskFull`, `Overloaded`, `TooLarge`, `NoSuchGroup`, `Closed`.
    pub fn admit(&self, group: GroupId, bytes: u64) -> Result<(), Error> {
        let admitted = self.with(|c| c.admit(group, bytes));
        if admitted
            .as_ref()
            .is_err_and(|error| error.kind == Kind::Overloaded)
        {
            self.wake.settle.notify();
            self.wake.events.notify();
        }
        admitted
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
        mut entries: Vec<Entry>,
        hard_state: Option<HardState>,
    ) -> Result<(), Error> {
        own(&mut entries);
        let (begins, has_events) = self.with(|c| {
            let begins = c.append(group, entries, hard_state)?;
            Ok((begins, !c.events.is_empty()))
        })?;
        if begins {
            self.start(go_around(self.clone(), group));
        }
        self.wake.write.notify();
        if has_events {
            self.wake.events.notify();
        }
        Ok(())
    }

    /// Waits for at least one event and returns all that there are. One caller at a time.
    /// Cancel-safe.
    pub async fn events(&self) -> Vec<Event> {
        loop {
            let events = self.with(|c| std::mem::take(&mut c.events));
            if !events.is_empty() {
                return events;
            }
            self.wake.events.notified().await;
        }
    }

    /// Up to here entries may be settled. Never goes back.
    pub fn commit(&self, group: GroupId, index: LogIndex) {
        if self.with(|c| c.commit(group, index)) {
            self.wake.settle.notify();
        }
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
        self.with(|c| {
            let state = c.group(group)?;
            // Damage at the end reaches further than what the log holds.
            if let Some(range) = state.damage_at(from)
                && (state.start.offset..upto).contains(&from)
            {
                return Err(Error::damaged("read", group, range));
            }
            if from < state.start.offset || from > state.last().next_offset {
                return Err(Error::new(Kind::OutOfRange, "read").group(group));
            }
            let upto = state.damage_after(from).map_or(upto, |d| upto.min(d));
            let upto = upto.min(state.last().next_offset);
            if from >= upto {
                return Ok(Read::Ready(Vec::new()));
            }
            if let Some(parts) = state.read_tail(from, upto, u64::from(bytes_max), first_whole) {
                return Ok(Read::Ready(parts));
            }
            Ok(Read::Disk(ReadPlan {
                group,
                from,
                upto,
                bytes_max,
                first_whole,
            }))
        })
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
        self.with(|c| {
            let state = c.group(group)?;
            if from < state.start.index || from > state.last().index {
                return Err(Error::new(Kind::OutOfRange, "read entries").group(group));
            }
            if let Some(damage) = state
                .damage
                .iter()
                .find(|d| d.first <= from && from <= d.last)
            {
                let range = damage.base_offset..damage.next_offset;
                return Err(Error::damaged("read entries", group, range));
            }
            if let Some(entries) = state.entries_tail(from, to, u64::from(bytes_max)) {
                return Ok(Entries::Ready(entries));
            }
            Ok(Entries::Disk(EntriesPlan {
                group,
                from,
                to,
                bytes_max,
            }))
        })
    }

    /// The term of an entry from the start's index minus one up to the last; None outside.
    pub fn term_at(&self, group: GroupId, index: LogIndex) -> Option<Term> {
        self.with(|c| c.groups.get(&group)?.term_at(index))
    }

    /// Every term since the log start, ascending.
    pub fn terms(&self, group: GroupId) -> Vec<TermStart> {
        self.with(|c| {
            c.groups
                .get(&group)
                .map(|g| g.terms.clone())
                .unwrap_or_default()
        })
    }

    /// The last entry that was appended.
    pub fn last(&self, group: GroupId) -> Option<Position> {
        self.with(|c| c.groups.get(&group).map(Group::last))
    }

    pub fn stats(&self, group: GroupId) -> Option<GroupStats> {
        self.with(|c| {
            let state = c.groups.get(&group)?;
            Some(GroupStats {
                bytes: state.segment_bytes() + state.settleable_bytes,
                start: state.start.offset,
                end: state.last().next_offset,
                segments: count_u32(state.segments.list.len()),
            })
        })
    }

    /// Whether what was appended waits in memory for space on the disk.
    pub fn is_stalled(&self) -> bool {
        self.with(|c| c.disk.full && c.journal.is_blocked())
    }

    pub fn core_stats(&self) -> CoreStats {
        self.with(|c| CoreStats {
            groups: count(c.groups.len()),
            unsettled_bytes: c.memory.unsettled_bytes,
            tail_cache_bytes: c.memory.cached_bytes,
            block_cache_bytes: c.cache.block_bytes(),
            journal_files: count_u32(c.journal.file_count()),
            disk_full: c.disk.full,
            ..c.stats
        })
    }

    /// Writes and flushes what is pending, ends the settles at work, writes the closing seal, and
    /// stops the tasks. Appends are refused from the call on.
    pub async fn close(&self) -> Result<(), Error> {
        self.with(|c| {
            c.disk.closing = true;
            let all = c.groups.values().filter_map(|g| g.bulk.as_ref());
            all.for_each(|bulk| bulk.notify.notify());
        });
        self.wake.settle.notify();
        self.wake.release.notify();
        self.wake.monitor.notify();
        self.wake.write.notify();
        self.gate.close().await;
        self.with(|c| c.journal.closing = true);
        self.wake.write.notify();
        self.wake.grow.notify();
        self.journal_gate.close().await;
        self.with(|c| c.close_files());
        match self.with(|c| c.disk.fenced.is_some()) {
            true => Err(Error::new(Kind::Fenced, "close log")),
            false => Ok(()),
        }
    }
}
