//! One simulated broker: its replicas, and a disk that forgets in a crash what was not flushed.

use std::collections::VecDeque;

use corelog_base::{
    Entry, GroupId, HardState, LogIndex, LogStart, Monotonic, NodeId, Offset, Random, Replica, Term,
};

use crate::{In, Limits, Out, Replicas, Restored, Role, Spec};

pub(crate) const GROUP: GroupId = GroupId(1);

/// What is durable. `entries` begin at `start`.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) entries: Vec<Entry>,
    pub(crate) hard_state: HardState,
    pub(crate) start: LogStart,
    /// Committed, durable, and known to be both.
    pub(crate) settled: LogIndex,
}

impl Disk {
    pub(crate) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        let at = index.0.checked_sub(self.start.index.0)?;
        self.entries.get(at as usize)
    }

    fn write(&mut self, entries: &[Entry]) {
        if let Some(first) = entries.first() {
            assert!(first.index > self.settled, "what is committed is cut off");
            self.entries.retain(|entry| entry.index < first.index);
            self.entries.extend_from_slice(entries);
        }
    }

    pub(crate) fn compact(&mut self, index: LogIndex) -> Option<LogStart> {
        let before = self.entry(LogIndex(index.0.checked_sub(1)?))?;
        let start = LogStart {
            index,
            term_before: before.term,
            offset: before.next_offset,
        };
        self.entries.retain(|entry| entry.index >= index);
        self.start = start;
        Some(start)
    }

    /// As the log tells it at boot: settled, and the entries after that.
    fn restored(&self) -> Restored {
        let settled = self.entry(self.settled);
        let before = (self.start.term_before, self.start.offset);
        let (settled_term, settled_offset) =
            settled.map_or(before, |entry| (entry.term, entry.next_offset));
        let mut terms: Vec<(LogIndex, Term)> = Vec::new();
        for entry in &self.entries {
            if terms.last().is_none_or(|(_, term)| *term < entry.term) {
                terms.push((entry.index, entry.term));
            }
        }
        let live = self.entries.iter().filter(|e| e.index > self.settled);
        Restored {
            hard_state: self.hard_state,
            start: self.start,
            settled_index: self.settled,
            settled_term,
            settled_offset,
            entries: live.cloned().collect(),
            terms,
        }
    }
}

struct Append {
    entries: Vec<Entry>,
    hard_state: Option<HardState>,
}

pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) up: bool,
    pub(crate) disk: Disk,
    replicas: Replicas,
    /// Appended, not yet durable: lost in a crash.
    pending: VecDeque<Append>,
    /// Reads for followers, under way.
    pub(crate) reads: Vec<LogIndex>,
    pub(crate) role: Role,
    pub(crate) ready: bool,
    /// The offset of the next proposal.
    pub(crate) next: Offset,
    pub(crate) applied: LogIndex,
}

impl Node {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            up: false,
            disk: Disk::default(),
            replicas: Replicas::new(0, NodeId(id as i32)),
            pending: VecDeque::new(),
            reads: Vec::new(),
            role: Role::Follower,
            ready: false,
            next: Offset(0),
            applied: LogIndex(0),
        }
    }

    /// Starts from the disk. What was in memory, and what was not flushed, is gone.
    pub(crate) fn start(&mut self, count: u64, random: &mut Random) -> Vec<Out> {
        self.replicas = Replicas::new(random.next_u64(), NodeId(self.id as i32));
        // Often so small that followers are read for from the log.
        self.replicas.set_limits(Limits {
            window_bytes_max: random.below(3) * 200,
            ..Limits::default()
        });
        self.up = true;
        self.pending.clear();
        self.reads.clear();
        (self.role, self.ready) = (Role::Follower, false);
        self.applied = self.disk.settled;
        let voters = (1..=count).map(|id| Replica {
            node: NodeId(id as i32),
            id,
        });
        let spec = Spec {
            group: GROUP,
            me: self.id,
            voters: voters.collect(),
            learners: Vec::new(),
        };
        let restored = self.disk.restored();
        self.step(Monotonic(0), vec![In::Create { spec, restored }])
    }

    /// A turn of the broker: inputs, then one flush. Appends stay here; the rest is given back.
    pub(crate) fn step(&mut self, now: Monotonic, inputs: Vec<In>) -> Vec<Out> {
        let mut out = Vec::new();
        for input in inputs {
            self.replicas.step(now, input, &mut out);
        }
        self.replicas.flush(now, &mut out);
        let mut left = Vec::new();
        for out in out {
            match out {
                Out::Append {
                    entries,
                    hard_state,
                    ..
                } => self.pending.push_back(Append {
                    entries,
                    hard_state,
                }),
                Out::Read { from, .. } => self.reads.push(from),
                other => left.push(other),
            }
        }
        left
    }

    /// A frame of the journal is flushed: the oldest `count` appends, told as the log does it, by
    /// the last entry and the last hard state.
    pub(crate) fn flush(&mut self, count: usize) -> Vec<In> {
        let count = count.min(self.pending.len());
        let frame: Vec<Append> = self.pending.drain(..count).collect();
        frame.iter().for_each(|append| self.write(append));
        told(&frame)
    }

    fn write(&mut self, append: &Append) {
        self.disk.write(&append.entries);
        if let Some(hard_state) = append.hard_state {
            self.disk.hard_state = hard_state;
        }
    }

    /// The planted bug: everything is called durable, and nothing is flushed.
    pub(crate) fn claim_flushed(&mut self) -> Vec<In> {
        told(self.pending.make_contiguous())
    }

    /// Notes that what is committed and durable here is settled.
    pub(crate) fn settle(&mut self) {
        let durable = self.disk.entries.last().map_or(LogIndex(0), |e| e.index);
        let cut = self
            .pending
            .iter()
            .filter_map(|append| append.entries.first());
        let cut = cut.map(|e| LogIndex(e.index.0 - 1)).min();
        let sound = durable.min(cut.unwrap_or(durable));
        self.disk.settled = self.disk.settled.max(sound.min(self.applied));
    }
}

fn told(frame: &[Append]) -> Vec<In> {
    let mut events = Vec::new();
    if let Some(last) = frame.iter().rev().find_map(|append| append.entries.last()) {
        events.push(In::Persisted {
            group: GROUP,
            index: last.index,
            term: last.term,
        });
    }
    if let Some(hard_state) = frame.iter().rev().find_map(|append| append.hard_state) {
        events.push(In::HardStatePersisted {
            group: GROUP,
            hard_state,
        });
    }
    events
}
