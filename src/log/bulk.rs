//! Bulk: one group that fills whole frames is written once, past the journal.
//!
//! Its entries' data go straight to the newest segment, behind what is settled, and are flushed
//! there; then the journal gets references to them, and only when those are flushed are the entries
//! persisted. Settling them is a record in the map. See *Bulk* in the formats.
//!
//! A group goes this way only from a moment at which all its earlier entries are settled, so that
//! the segment's bytes stay in order, and leaves it at the first entry that is not for it. At the end
//! of a segment it waits, with what is behind it, until the settler has sealed that one and begun the
//! next.

use std::collections::VecDeque;
use std::io;

use corelog_base::{Entry, EntryKind, GroupId, LogIndex, Offset, Term, TimestampMs};
use corelog_rt::Notify;

use crate::Durability;
use crate::codec::count;
use crate::core::Core;
use crate::error::is_full;
use crate::group::{Group, TailEntry};
use crate::journal::Item;
use crate::map::ChunkSum;
use crate::reference::Place;

/// Written at once, unless one entry is larger.
const RUN_BYTES_MAX: u64 = 1 << 23;
/// After it left, a group stays with the journal for so many entries: taking over costs a wait.
const REST_ENTRIES: u64 = 64;

/// A group that goes around the journal, or waits until it may.
pub(crate) struct Bulk {
    /// Everything that was appended since, but for what is in the journal's hands already.
    queue: VecDeque<(LogIndex, Term)>,
    /// So many at its front are on their way to the disk.
    started: usize,
    /// Where the next entry goes; None until everything before the queue is settled.
    chain: Option<Chain>,
    /// The segment that takes no more, until the one behind it has begun.
    full: Option<Offset>,
    /// Something of the queue, or something that was placed, was cut off.
    broken: bool,
    pub notify: Notify,
}

#[derive(Clone)]
pub(crate) struct Chain {
    pub base_offset: Offset,
    pub end: ChainEnd,
    begun: TimestampMs,
}

/// The end of what was placed, or is on its way there.
#[derive(Clone)]
pub(crate) struct ChainEnd {
    pub position: u64,
    /// What is behind the last whole block.
    pub tail: Vec<u8>,
    /// `SegmentMap::open_sum` as of the last whole block.
    pub sum: u32,
}

/// Where an entry of a run lies, and the sums of the blocks that end in it.
#[derive(Clone)]
pub(crate) struct Placed {
    pub place: Place,
    pub sums: Box<[ChunkSum]>,
}

/// Entries to write at once, and where.
pub(crate) struct Run {
    pub entries: Vec<Entry>,
    pub chain: Chain,
}

/// Whether a group may begin.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum TakeOver {
    Done,
    /// Not everything before is settled.
    Wait,
    No,
}

pub(crate) enum Next {
    Run(Run),
    /// Nothing waits.
    Idle,
    /// The next entry is for the next segment.
    Full,
    /// The group goes back to the journal.
    End,
}

impl Bulk {
    fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            started: 0,
            chain: None,
            full: None,
            broken: false,
            notify: Notify::new(),
        }
    }

    pub(crate) fn push(&mut self, index: LogIndex, term: Term) {
        self.queue.push_back((index, term));
        self.notify.notify();
    }

    /// The segment that is to be sealed, with another one behind it.
    pub(crate) fn full(&self) -> Option<Offset> {
        self.full
    }

    /// Something was cut off: positions behind it are not what the next entry gets.
    pub(crate) fn cut(&mut self) {
        self.broken = true;
        self.notify.notify();
    }

    /// Whether the newest segment's end belongs to this.
    pub(crate) fn is_running(&self) -> bool {
        self.chain.is_some()
    }

    /// The last entry that is not here any more.
    pub(crate) fn handed_on(&self) -> Option<LogIndex> {
        self.queue.front().map(|(index, _)| LogIndex(index.0 - 1))
    }
}

impl Group {
    /// Whether what was just appended should go around the journal, from its entry `first` on, and all
    /// behind it: a stream of large ones is under way.
    fn wants_bulk(&self, first: LogIndex, entry_bytes_min: u64, bytes_ahead: u64) -> bool {
        let Some(TailEntry { entry, .. }) = self.tail.get(self.place(first)) else {
            return false;
        };
        if !self.may_go_around(entry, entry_bytes_min) || first < self.bulk_after {
            return false;
        }
        let newest = self.segments.newest.as_ref();
        let is_open = newest.is_some_and(|map| !map.sealed);
        if !is_open || !self.damage.is_empty() {
            return false;
        }
        let from = self.place(self.committed.next());
        let ahead = self.tail.range(from..).map(|t| count(t.entry.data.len()));
        ahead.sum::<u64>() >= bytes_ahead
    }

    /// Whether unsettled entries lie behind the newest segment's end. Then the first one does.
    pub(crate) fn has_placed(&self) -> bool {
        let first = self.tail.get(self.place(self.settled.index.next()));
        first.is_some_and(|t| t.entry.index > self.settled.index && t.place.is_some())
    }

    fn may_go_around(&self, entry: &Entry, entry_bytes_min: u64) -> bool {
        entry.kind == EntryKind::Batch
            && entry.base_offset < entry.next_offset
            && count(entry.data.len()) >= entry_bytes_min
            && self.config.durability == Durability::Disk
    }

    /// Whether the newest segment takes no more, whatever its size.
    pub(crate) fn is_to_be_sealed(&self, begun: TimestampMs, now: TimestampMs) -> bool {
        let aged = now.0.saturating_sub(begun.0);
        let age_max = i64::try_from(self.config.segment_age_max.as_millis()).unwrap_or(i64::MAX);
        self.segments.seal_due || aged >= age_max
    }

    fn take_over(&mut self, now: TimestampMs) -> TakeOver {
        let (settled, committed) = (self.settled.index, self.committed);
        let Some(bulk) = &self.bulk else {
            return TakeOver::No;
        };
        let Some((first, _)) = bulk.queue.front().filter(|_| !bulk.broken) else {
            return TakeOver::No;
        };
        if settled.next() != *first {
            return TakeOver::Wait;
        }
        let newest = self.segments.newest.clone();
        if newest.as_ref().map(|map| map.base_offset) == bulk.full && bulk.full.is_some() {
            return TakeOver::Wait;
        }
        let Some(map) = newest.filter(|map| !map.sealed) else {
            return TakeOver::No;
        };
        let usable = !self.segments.unsure && self.damage.is_empty();
        if !usable || committed != settled || self.is_to_be_sealed(map.begun, now) {
            return TakeOver::No;
        }
        let chain = Chain {
            base_offset: map.base_offset,
            end: ChainEnd {
                position: map.whole,
                tail: map.tail.to_vec(),
                sum: map.open_sum(),
            },
            begun: map.begun,
        };
        if let Some(bulk) = &mut self.bulk {
            bulk.chain = Some(chain);
            bulk.full = None;
        }
        TakeOver::Done
    }

    fn next_run(&self, entry_bytes_min: u64, now: TimestampMs) -> Next {
        let Some(bulk) = self.bulk.as_ref().filter(|bulk| !bulk.broken) else {
            return Next::End;
        };
        let Some(chain) = &bulk.chain else {
            return Next::End;
        };
        if bulk.queue.len() == bulk.started {
            return Next::Idle;
        }
        let mut entries: Vec<Entry> = Vec::new();
        let (mut bytes, is_closed) = (0, self.is_to_be_sealed(chain.begun, now));
        for (index, term) in bulk.queue.iter().skip(bulk.started) {
            let entry = self.tail.get(self.place(*index)).map(|t| &t.entry);
            let Some(entry) = entry.filter(|e| e.index == *index && e.term == *term) else {
                break;
            };
            let with = bytes + count(entry.data.len());
            if !self.may_go_around(entry, entry_bytes_min) {
                break;
            }
            let fits = chain.end.position + with <= self.config.segment_bytes_max;
            if is_closed || !fits {
                let is_next = entries.is_empty() && with <= self.config.segment_bytes_max;
                if is_next && chain.end.position > 0 {
                    return Next::Full;
                }
                break;
            }
            if with > RUN_BYTES_MAX && bytes > 0 {
                break;
            }
            bytes = with;
            entries.push(entry.clone());
        }
        if entries.is_empty() {
            return Next::End;
        }
        let chain = chain.clone();
        Next::Run(Run { entries, chain })
    }
}

impl<F: Clone> Core<F> {
    /// Puts what was appended from `first` on where it waits for its way to the disk. True if the
    /// group is to go around the journal from it on: somebody must run that.
    pub(crate) fn enqueue(&mut self, group: GroupId, first: LogIndex) -> bool {
        let bulk = &self.options.bulk;
        let Some(state) = self.groups.get_mut(&group) else {
            return false;
        };
        // What is appended at once goes one way: consensus may commit all of it or nothing, and who
        // begins waits for all before it to commit.
        let begins = state.bulk.is_none()
            && state.wants_bulk(first, bulk.entry_bytes_min, bulk.bytes_ahead_min)
            && !self.disk.full;
        if begins {
            state.bulk = Some(Bulk::new());
        }
        for TailEntry { entry, .. } in state.tail.range(state.place(first)..) {
            let (index, term) = (entry.index, entry.term);
            match &mut state.bulk {
                Some(bulk) => bulk.push(index, term),
                None => self
                    .journal
                    .backlog
                    .push_back(Item::Entry { group, index, term }),
            }
        }
        begins
    }

    /// Begins if everything before is settled, and asks for that otherwise.
    pub(crate) fn take_over(&mut self, group: GroupId, now: TimestampMs) -> TakeOver {
        if self.disk.closing || self.disk.fenced.is_some() {
            return TakeOver::No;
        }
        let is_busy = self.busy.contains_key(&group);
        let flushed_through = self.journal.flushed_through;
        let Some(state) = self.groups.get_mut(&group).filter(|g| !g.removed) else {
            return TakeOver::No;
        };
        if state.needs_cut_off(flushed_through) {
            return TakeOver::No;
        }
        // Who works on the segment may be about to seal it.
        if is_busy {
            return TakeOver::Wait;
        }
        let outcome = state.take_over(now);
        // At a segment's end it is sealed once all that was placed is settled.
        let seals =
            state.bulk.as_ref().is_some_and(|bulk| bulk.full.is_some()) && !state.has_placed();
        let settles = state.committed > state.settled.index || seals;
        let asks = outcome == TakeOver::Wait && settles;
        if asks {
            self.ask_first(group);
        }
        outcome
    }

    pub(crate) fn bulk_notify(&self, group: GroupId) -> Option<Notify> {
        let bulk = self.groups.get(&group)?.bulk.as_ref()?;
        Some(bulk.notify.clone())
    }

    pub(crate) fn next_run(&self, group: GroupId, now: TimestampMs) -> Next {
        if self.disk.closing || self.disk.fenced.is_some() {
            return Next::End;
        }
        let state = self.groups.get(&group).filter(|g| !g.removed);
        state.map_or(Next::End, |g| {
            g.next_run(self.options.bulk.entry_bytes_min, now)
        })
    }

    /// Nothing is under way, and the segment takes no more.
    pub(crate) fn segment_full(&mut self, group: GroupId) {
        let bulk = self.groups.get_mut(&group).and_then(|g| g.bulk.as_mut());
        if let Some(bulk) = bulk {
            bulk.full = bulk.chain.take().map(|chain| chain.base_offset);
        }
    }

    /// The data of a run are durable where `placed` says: the journal may refer to them.
    pub(crate) fn run_done(&mut self, group: GroupId, run: &Run, placed: Vec<Placed>) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        for (entry, placed) in run.entries.iter().zip(placed) {
            let at = state.place(entry.index);
            let Some(bulk) = &mut state.bulk else {
                return;
            };
            let is_same = |index, term| index == entry.index && term == entry.term;
            let queued = bulk.queue.front().is_some_and(|(i, t)| is_same(*i, *t));
            let tail = state.tail.get_mut(at);
            let tail = tail.filter(|t| queued && is_same(t.entry.index, t.entry.term));
            let Some(tail) = tail else {
                bulk.broken = true;
                return;
            };
            tail.place = Some(placed.place);
            tail.sums = Some(placed.sums);
            bulk.queue.pop_front();
            bulk.started = bulk.started.saturating_sub(1);
            let (index, term) = (entry.index, entry.term);
            self.journal
                .backlog
                .push_back(Item::Entry { group, index, term });
        }
        self.fill();
    }

    /// A run is on its way; the next one goes behind it, where `end` says.
    pub(crate) fn run_started(&mut self, group: GroupId, run: &Run, end: ChainEnd) {
        let bulk = self.groups.get_mut(&group).and_then(|g| g.bulk.as_mut());
        let Some(bulk) = bulk else {
            return;
        };
        bulk.started += run.entries.len();
        if let Some(chain) = &mut bulk.chain {
            chain.end = end;
        }
    }

    /// A run could not be written: its entries go by way of the journal, if that may go on.
    pub(crate) fn run_failed(&mut self, group: GroupId, error: &io::Error) {
        // The journal waits for space.
        if is_full(error) {
            self.disk.full = true;
        } else if self.groups.get(&group).is_some_and(|g| !g.removed) {
            // The files of a group that was removed are gone with it.
            self.fence(format!("write entries to a segment: {error}"));
        }
    }

    /// The group goes back to the journal, with all that waits.
    pub(crate) fn leave_bulk(&mut self, group: GroupId) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        let Some(bulk) = state.bulk.take() else {
            return;
        };
        if !bulk.queue.is_empty() {
            state.bulk_after = LogIndex(state.last().index.0 + REST_ENTRIES);
        }
        if self.disk.fenced.is_some() {
            return;
        }
        for (index, term) in bulk.queue {
            self.journal
                .backlog
                .push_back(Item::Entry { group, index, term });
        }
        self.fill();
    }
}
