//! A core's state, and every change of it that needs no I/O.
//!
//! Reached through `Shared::with`, one closure at a time. The tasks take owned plans from here,
//! do I/O, and come back to apply; a group that was removed meanwhile is simply not found.

use std::collections::VecDeque;

use corelog_base::{Entry, GroupId, HardState, IdMap, LogIndex};
use corelog_rt::local::{Receiver, Sender};
use corelog_rt::{AlignedBuf, oneshot};

use crate::cache::Cache;
use crate::codec::count;
use crate::compact::Queue;
use crate::frame::{EntryHead, Payload};
use crate::group::{Group, UNFRAMED, memory_of};
use crate::journal::{Frame, Item, Journal};
use crate::{CoreStats, Durability, Error, Event, Kind, Options, Position};

/// Who waits for memory is told once one of so many parts of the budget is free.
const RELEASES: u64 = 4;

/// What this core's entries take in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub unsettled_bytes: u64,
    pub cached_bytes: u64,
    /// Settled entries in the order in which they may be dropped.
    evictable: VecDeque<(GroupId, LogIndex)>,
    pub pressure: bool,
    /// The most that was refused since this began.
    refused_bytes: u64,
    /// `unsettled_bytes` when the settler last looked who has the most.
    pub looked_at_bytes: u64,
}

#[derive(Default)]
pub(crate) struct Disk {
    pub fenced: Option<String>,
    /// A write was refused for lack of space, or free space is below the reserve.
    pub full: bool,
    /// Settling stopped for lack of space; the monitor says when to go on.
    pub settle_stalled: bool,
    pub closing: bool,
}

pub(crate) struct Core<F> {
    pub options: Options,
    pub placement_epoch: u32,
    pub block: u32,
    pub groups: IdMap<GroupId, Group>,
    pub journal: Journal<F>,
    pub memory: Memory,
    pub disk: Disk,
    pub events: Vec<Event>,
    /// Groups with enough to settle, each once, in the order in which they got there.
    pub due: VecDeque<GroupId>,
    /// Groups whose files a task works on, and who waits for them.
    pub busy: IdMap<GroupId, Vec<Sender<()>>>,
    pub cache: Cache<F>,
    pub compaction: Queue,
    /// Buffers for segment data, used again.
    pub spare: Vec<AlignedBuf>,
    pub stats: CoreStats,
}

impl<F: Clone> Core<F> {
    pub(crate) fn group(&self, group: GroupId) -> Result<&Group, Error> {
        let state = self.groups.get(&group).filter(|g| !g.removed);
        state.ok_or_else(|| Error::new(Kind::NoSuchGroup, "find group").group(group))
    }

    fn may_append(&self, group: GroupId, bytes: u64) -> Result<&Group, Error> {
        if self.disk.closing {
            return Err(Error::new(Kind::Closed, "append").group(group));
        }
        if self.disk.fenced.is_some() {
            return Err(Error::new(Kind::Fenced, "append").group(group));
        }
        let state = self.group(group)?;
        if let Some(damage) = state.damage.first() {
            let range = damage.base_offset..damage.next_offset;
            return Err(Error::damaged("append", group, range));
        }
        if bytes > self.options.journal.entry_bytes_max() {
            return Err(Error::new(Kind::TooLarge, "append").group(group));
        }
        Ok(state)
    }

    pub(crate) fn admit(&mut self, group: GroupId, bytes: u64) -> Result<(), Error> {
        self.may_append(group, bytes)?;
        if self.disk.full {
            return Err(Error::new(Kind::DiskFull, "admit append").group(group));
        }
        if !self.has_memory(bytes) {
            // Whoever is refused waits for the event that ends this, so it must have begun: the
            // budget may not be used up by what does not fit into the rest of it.
            let memory = &mut self.memory;
            memory.refused_bytes = memory.refused_bytes.max(bytes);
            self.set_pressure(true);
            return Err(Error::new(Kind::Overloaded, "admit append").group(group));
        }
        Ok(())
    }

    /// Whether so much more fits into the budget. One entry always does, however large it is.
    fn has_memory(&self, bytes: u64) -> bool {
        let used = self.memory.unsettled_bytes;
        used == 0 || used + bytes <= self.options.unsettled_bytes_max
    }

    pub(crate) fn append(
        &mut self,
        group: GroupId,
        entries: Vec<Entry>,
        hard_state: Option<HardState>,
    ) -> Result<bool, Error> {
        let largest = entries.iter().map(|e| e.data.len()).max().unwrap_or(0);
        self.may_append(group, count(largest))?;
        // What makes the group exist comes first.
        if let Some(hard_state) = hard_state {
            self.set_hard_state(group, hard_state);
        }
        let first = entries.first().map(|entry| entry.index);
        let last = entries.last().map(|entry| (entry.index, entry.term));
        if let Some(state) = self.groups.get_mut(&group) {
            for entry in entries {
                let appended = state.push(entry);
                self.memory.unsettled_bytes += appended.added;
                self.memory.unsettled_bytes -= appended.removed;
            }
        }
        let begins = first.is_some_and(|first| self.enqueue(group, first));
        let durability = self.group(group)?.config.durability;
        let at_once = durability == Durability::Memory;
        #[cfg(feature = "planted")]
        let at_once = at_once || crate::planted::is_awake(crate::planted::Bug::AcknowledgesEarly);
        if let Some((index, term)) = last
            && at_once
        {
            self.events.push(Event::Persisted { group, index, term });
        }
        self.fill();
        self.check_pressure();
        Ok(begins)
    }

    /// A new term or vote is flushed before it counts. A commit index alone may be forgotten: it
    /// goes along with the next record.
    fn set_hard_state(&mut self, group: GroupId, hard_state: HardState) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        let before = std::mem::replace(&mut state.hard_state, hard_state);
        if before.term == hard_state.term
            && before.vote == hard_state.vote
            && state.journaled.record_sequence != 0
            && state.journaled.record_sequence <= self.journal.flushed_through
            && !state.journaled.record_queued
        {
            self.events
                .push(Event::HardStatePersisted { group, hard_state });
            return;
        }
        state.journaled.record_queued = true;
        self.journal.backlog.push_back(Item::Record {
            group,
            answer: true,
        });
    }

    /// Answered when everything that waits now is flushed. None if nothing is flushed any more.
    pub(crate) fn barrier(&mut self) -> Option<Receiver<()>> {
        if self.disk.fenced.is_some() || self.journal.closed {
            return None;
        }
        let (sender, receiver) = oneshot();
        self.journal.backlog.push_back(Item::Barrier(sender));
        self.fill();
        Some(receiver)
    }

    /// The same behind what is carried.
    pub(crate) fn carry_barrier(&mut self) -> Option<Receiver<()>> {
        if self.disk.fenced.is_some() || self.journal.closed {
            return None;
        }
        let (sender, receiver) = oneshot();
        self.journal.carry.push_back(Item::Barrier(sender));
        self.fill();
        Some(receiver)
    }

    /// Queues a group's record as it is when it is framed.
    pub(crate) fn queue_record(&mut self, group: GroupId) {
        self.journal.carry.push_back(Item::Record {
            group,
            answer: false,
        });
    }

    /// Moves what waits into the frame that is being filled, as far as it goes.
    pub(crate) fn fill(&mut self) {
        while let Some(item) = self.journal.carry.pop_front() {
            if let Err(item) = self.frame(item, true) {
                self.journal.carry.push_front(item);
                return;
            }
        }
        while let Some(item) = self.journal.backlog.pop_front() {
            if let Err(item) = self.frame(item, false) {
                self.journal.backlog.push_front(item);
                return;
            }
        }
    }

    /// Gives the item back if the frame is full.
    fn frame(&mut self, item: Item, carried: bool) -> Result<(), Item> {
        match item {
            Item::Entry { group, index, term } => self
                .frame_entry(group, index, term, carried)
                .then_some(())
                .ok_or(item),
            Item::Record { group, answer } => self
                .frame_record(group, answer, carried)
                .then_some(())
                .ok_or(item),
            Item::Barrier(sender) => {
                // An empty frame would do, but there is always the frame before or this one.
                if self.journal.frame_for(0).is_none() {
                    return Err(Item::Barrier(sender));
                }
                self.journal.attached.flush = true;
                self.journal.attached.barriers.push(sender);
                Ok(())
            }
        }
    }

    fn frame_entry(
        &mut self,
        group: GroupId,
        index: LogIndex,
        term: corelog_base::Term,
        carried: bool,
    ) -> bool {
        let Some(state) = self.groups.get_mut(&group).filter(|g| !g.removed) else {
            return true;
        };
        let at = state.place(index);
        let Some(tail) = state
            .tail
            .get_mut(at)
            .filter(|t| t.entry.index == index && t.entry.term == term)
        else {
            return true;
        };
        let data = &tail.entry.data;
        let bytes = tail.place.map_or(data.len(), |place| place.bytes(data));
        if !carried && !self.journal.has_room(count(bytes)) {
            return false;
        }
        let Some(builder) = self.journal.frame_for(bytes) else {
            return false;
        };
        let payload = match tail.place {
            Some(_) => Payload::Reference,
            None => Payload::Entry(tail.entry.kind),
        };
        let head = EntryHead {
            group,
            index,
            term,
            base_offset: tail.entry.base_offset,
            next_offset: tail.entry.next_offset,
            placement_epoch: self.placement_epoch,
            payload,
            carried,
        };
        match tail.place {
            Some(place) => {
                let reference = place.encode(state.topic, state.partition, data);
                builder.put(&head, &reference, &mut state.journaled.hint);
            }
            None => builder.put(&head, data, &mut state.journaled.hint),
        }
        tail.sequence = builder.sequence();
        if carried {
            self.stats.carried_bytes += count(bytes);
        }
        if carried || tail.place.is_some() || state.config.durability == Durability::Disk {
            self.journal.attached.flush = true;
        }
        true
    }

    fn frame_record(&mut self, group: GroupId, answer: bool, carried: bool) -> bool {
        let Some(state) = self.groups.get_mut(&group) else {
            return true;
        };
        let data = state.record().encode();
        if !carried && !self.journal.has_room(count(data.len())) {
            return false;
        }
        let Some(builder) = self.journal.frame_for(data.len()) else {
            return false;
        };
        let head = EntryHead {
            group,
            index: LogIndex(0),
            term: state.hard_state.term,
            base_offset: state.start.offset,
            next_offset: state.start.offset,
            placement_epoch: self.placement_epoch,
            payload: Payload::GroupRecord,
            carried,
        };
        builder.put(&head, &data, &mut state.journaled.hint);
        state.journaled.record_sequence = builder.sequence();
        state.journaled.record_settled = state.flushed_settled().index;
        if answer {
            state.journaled.record_queued = false;
            self.journal
                .attached
                .records
                .push((group, state.hard_state));
        }
        self.journal.attached.flush = true;
        true
    }

    /// A frame was written, and flushed if it asked for that. True if a group is due by it.
    pub(crate) fn frame_done(&mut self, frame: Frame<F>, buf: AlignedBuf) -> bool {
        let mut is_due = false;
        self.stats.frames_written += 1;
        self.stats.journal_bytes_written += count(buf.len());
        let flushed = frame.attached.flush.then_some(frame.live_from);
        let file = (frame.number, frame.file);
        self.journal.done(file, buf, frame.sequence, flushed);
        for row in &frame.rows {
            let Some(state) = self.groups.get(&row.group) else {
                continue;
            };
            let told = state.config.durability == Durability::Memory;
            if state.segments.cut_placed.is_some() {
                is_due |= self.cut_is_said(row.group);
            }
            if row.first == LogIndex(0) || row.carried || told {
                continue;
            }
            self.events.push(Event::Persisted {
                group: row.group,
                index: row.last,
                term: row.last_term,
            });
        }
        for (group, hard_state) in frame.attached.records {
            self.events
                .push(Event::HardStatePersisted { group, hard_state });
        }
        for barrier in frame.attached.barriers {
            // Nobody waits any more if the log is closing.
            let _ = barrier.send(());
        }
        self.fill();
        is_due
    }

    /// Gives the files back: another log may open them.
    pub(crate) fn close_files(&mut self) {
        self.journal.close_files();
        self.cache = Cache::new(
            self.options.block_cache_bytes_max,
            self.options.segment_files_max,
        );
    }

    /// A write or flush failed: nothing is written any more.
    pub(crate) fn fence(&mut self, why: String) {
        if self.disk.fenced.is_none() {
            tracing::error!(core = %self.journal.id.0, "the log is fenced: {why}");
            self.events.push(Event::Fenced { why: why.clone() });
            self.disk.fenced = Some(why);
            self.stats.fenced = true;
        }
        // Those who wait for a flush learn that it will not come.
        self.journal.carry.clear();
        self.journal.backlog.clear();
        self.journal.attached.barriers.clear();
    }

    /// True if the settler has something to do by it.
    pub(crate) fn commit(&mut self, group: GroupId, index: LogIndex) -> bool {
        let Some(state) = self.groups.get_mut(&group) else {
            return false;
        };
        let least = self
            .options
            .settle_bytes
            .min(state.config.segment_bytes_max);
        let due = state.commit(group, index) >= least;
        if let Some(bulk) = &state.bulk {
            bulk.notify.notify();
        }
        if due {
            self.ask(group);
        }
        due || self.is_to_look()
    }

    pub(crate) fn settled(&mut self, group: GroupId, settled: Position) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        if settled.index == state.settled.index {
            return;
        }
        let memory = state.settle(group, settled);
        if let Some(bulk) = &state.bulk {
            bulk.notify.notify();
        }
        self.memory.unsettled_bytes -= memory;
        self.memory.cached_bytes += memory;
        self.memory.evictable.push_back((group, settled.index));
        self.events.push(Event::Settled {
            group,
            index: settled.index,
        });
        self.evict();
        self.check_pressure();
    }

    /// Drops the longest settled entries until the cache is within its budget.
    pub(crate) fn evict(&mut self) {
        while self.memory.cached_bytes > self.options.tail_cache_bytes_max {
            let Some((group, upto)) = self.memory.evictable.pop_front() else {
                return;
            };
            if let Some(state) = self.groups.get_mut(&group) {
                self.memory.cached_bytes -= state.evict(upto);
            }
        }
    }

    /// Takes a group out; its memory goes back.
    pub(crate) fn remove(&mut self, group: GroupId) -> Option<Group> {
        let state = self.groups.remove(&group)?;
        let all: u64 = state.tail.iter().map(|t| memory_of(&t.entry)).sum();
        self.memory.unsettled_bytes -= state.unsettled_bytes;
        self.memory.cached_bytes -= all - state.unsettled_bytes;
        self.check_pressure();
        Some(state)
    }

    pub(crate) fn check_pressure(&mut self) {
        let (used, limit) = (
            self.memory.unsettled_bytes,
            self.options.unsettled_bytes_max,
        );
        self.set_pressure(if self.memory.pressure {
            used >= limit - limit / RELEASES || !self.has_memory(self.memory.refused_bytes)
        } else {
            used >= limit
        });
    }

    fn set_pressure(&mut self, next: bool) {
        if next == self.memory.pressure {
            return;
        }
        self.memory.pressure = next;
        if !next {
            self.memory.refused_bytes = 0;
        }
        self.events.push(Event::Pressure(next));
    }

    /// Whether any entry or record in frames up to `sequence` is still needed.
    pub(crate) fn is_live_upto(&self, sequence: u64) -> bool {
        self.groups.values().any(|g| {
            let record = g.journaled.record_sequence;
            (record != 0 && record <= sequence)
                || !g.removed && live_upto(g, sequence).next().is_some()
        })
    }
}

/// A group's unsettled entries whose newest copy lies in frames up to `sequence`.
pub(crate) fn live_upto(group: &Group, sequence: u64) -> impl Iterator<Item = &Entry> {
    let from = group.place(group.settled.index.next());
    group
        .tail
        .range(from..)
        .filter(move |t| t.sequence != UNFRAMED && t.sequence <= sequence)
        .map(|t| &t.entry)
}
