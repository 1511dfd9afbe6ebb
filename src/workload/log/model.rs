//! What one node's log must hold, as far as it has told.

use std::collections::BTreeMap;

use corelog_base::{
    Entry, GroupId, HardState, LogIndex, LogStart, Offset, PartitionIndex, Term, TopicId,
};
use corelog_log::{Event, RestoredGroup};

/// One group, through all lives of the node.
pub(crate) struct GroupModel {
    pub topic: TopicId,
    pub partition: PartitionIndex,
    /// Everything from index 1 on as the log was last told, also what is below the start.
    pub now: Vec<Entry>,
    /// What was durable when this life began.
    base: Vec<Entry>,
    /// What was appended in this life, in order; each entry cuts off what was there from its index on.
    appended: Vec<Entry>,
    /// So many of those are durable for certain.
    flushed: usize,
    /// The first was durable when this life began; the others were appended since.
    hard_states: Vec<HardState>,
    hard_states_flushed: usize,
    pub committed: LogIndex,
    /// The same for log starts; nobody says when one is durable.
    starts: Vec<LogStart>,
}

fn apply(entries: &mut Vec<Entry>, entry: &Entry) {
    let keep = entry.index.0 as usize - 1;
    assert!(keep <= entries.len(), "the workload leaves no gap");
    entries.truncate(keep);
    entries.push(entry.clone());
}

/// Which of the possible states a restart has found.
pub(crate) struct Found {
    appended: usize,
    hard_state: HardState,
    start: LogStart,
}

impl GroupModel {
    pub(crate) fn new(topic: TopicId, partition: PartitionIndex) -> Self {
        Self {
            topic,
            partition,
            now: Vec::new(),
            base: Vec::new(),
            appended: Vec::new(),
            flushed: 0,
            hard_states: vec![HardState::default()],
            hard_states_flushed: 0,
            committed: LogIndex(0),
            starts: vec![LogStart::default()],
        }
    }

    pub(crate) fn last_index(&self) -> LogIndex {
        LogIndex(self.now.len() as u64)
    }

    pub(crate) fn end(&self) -> Offset {
        self.now.last().map_or(Offset(0), |entry| entry.next_offset)
    }

    pub(crate) fn term(&self) -> Term {
        self.hard_state().term
    }

    pub(crate) fn hard_state(&self) -> HardState {
        *self.hard_states.last().expect("there is always a first")
    }

    pub(crate) fn start(&self) -> LogStart {
        *self.starts.last().expect("there is always a first")
    }

    pub(crate) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        self.now.get((index.0 as usize).checked_sub(1)?)
    }

    pub(crate) fn term_at(&self, index: LogIndex) -> Term {
        self.entry(index).map_or(Term(0), |entry| entry.term)
    }

    pub(crate) fn committed_entries(&self) -> &[Entry] {
        let committed = self.committed.0 as usize;
        self.now.get(..committed).unwrap_or_default()
    }

    /// The last index that is durable for certain in the present log.
    pub(crate) fn durable(&self) -> LogIndex {
        let mut durable = self.base.len();
        for entry in &self.appended {
            durable = durable.min(entry.index.0 as usize - 1);
        }
        let flushed = self.appended[..self.flushed].iter();
        let still = flushed.filter(|entry| self.entry(entry.index) == Some(*entry));
        let last = still.map(|entry| entry.index.0 as usize).max();
        LogIndex(durable.max(last.unwrap_or(0)) as u64)
    }

    pub(crate) fn append(&mut self, entries: &[Entry], hard_state: Option<HardState>) {
        for entry in entries {
            apply(&mut self.now, entry);
            self.appended.push(entry.clone());
        }
        self.hard_states.extend(hard_state);
    }

    pub(crate) fn set_start(&mut self, start: LogStart) {
        self.starts.push(start);
    }

    fn persisted(&mut self, index: LogIndex, term: Term) {
        let is_it = |entry: &Entry| entry.index == index && entry.term == term;
        if let Some(at) = self.appended.iter().rposition(is_it) {
            self.flushed = self.flushed.max(at + 1);
            return;
        }
        let known = self.base.get(index.0 as usize - 1).is_some_and(is_it);
        assert!(known, "{index:?} of {term:?} was never appended");
    }

    fn hard_state_persisted(&mut self, hard_state: HardState) {
        let at = self.hard_states.iter().rposition(|h| *h == hard_state);
        let at = at.expect("a hard state that was appended");
        self.hard_states_flushed = self.hard_states_flushed.max(at);
    }

    /// Whether a crash may make the log forget the group.
    pub(crate) fn may_be_missing(&self) -> bool {
        self.base.is_empty()
            && self.flushed == 0
            && self.hard_states_flushed == 0
            && self.hard_states[0] == HardState::default()
    }

    /// The state in which a restart has found the group.
    ///
    /// # Panics
    /// If it is none of those that a crash may leave.
    pub(crate) fn judge(&self, id: GroupId, found: &RestoredGroup) -> Found {
        assert_eq!(found.damage, [], "{id:?} is damaged");
        assert_eq!((found.topic, found.partition), (self.topic, self.partition));
        let hard_states = &self.hard_states[self.hard_states_flushed..];
        // A commit alone may be forgotten, or be known better from what is settled.
        let is_it =
            |h: &HardState| (h.term, h.vote) == (found.hard_state.term, found.hard_state.vote);
        assert!(
            hard_states.iter().any(is_it) && found.hard_state.commit <= self.committed,
            "{id:?} has {:?}, none of {hard_states:?}",
            found.hard_state
        );
        assert!(
            self.starts.contains(&found.start),
            "{id:?} starts at {:?}, none of {:?}",
            found.start,
            self.starts
        );
        let mut state = self.base.clone();
        let mut candidates = Vec::new();
        for count in 0..=self.appended.len() {
            if count > 0 {
                apply(&mut state, &self.appended[count - 1]);
            }
            if count >= self.flushed {
                let last = state
                    .last()
                    .map_or((LogIndex(0), Term(0)), |e| (e.index, e.term));
                if matches(&state, found) {
                    return Found {
                        appended: count,
                        hard_state: found.hard_state,
                        start: found.start,
                    };
                }
                candidates.push(last);
            }
        }
        panic!(
            "{id:?} was found settled to {:?} with {:?}, last {:?}; a crash may leave one of {candidates:?}",
            found.settled,
            found
                .entries
                .iter()
                .map(|e| (e.index, e.term))
                .collect::<Vec<_>>(),
            found.last(),
        );
    }

    /// The log is open, and what was found is durable: a new life begins with it.
    pub(crate) fn adopt(&mut self, found: &Found) {
        let mut state = std::mem::take(&mut self.base);
        for entry in &self.appended[..found.appended] {
            apply(&mut state, entry);
        }
        self.now = state.clone();
        self.base = state;
        self.appended.clear();
        self.flushed = 0;
        self.hard_states = vec![found.hard_state];
        self.hard_states_flushed = 0;
        self.starts = vec![found.start];
    }
}

/// Whether a state of the model is what was found. What is settled is compared by its position
/// here and byte for byte once the log is open.
fn matches(state: &[Entry], found: &RestoredGroup) -> bool {
    let last = found.last();
    let end = state.last();
    if end.map_or(0, |e| e.index.0) != last.index.0 || end.map_or(0, |e| e.term.0) != last.term.0 {
        return false;
    }
    let settled = found.settled.index.0 as usize;
    if let Some(entry) = settled.checked_sub(1).and_then(|at| state.get(at))
        && (entry.term, entry.next_offset) != (found.settled.term, found.settled.next_offset)
    {
        return false;
    }
    let first = found.start.index.0 as usize - 1;
    let from = settled.max(first);
    let entries = found.entries.iter().filter(|e| e.index.0 as usize > from);
    entries.eq(state.iter().skip(from))
}

/// The groups of one node.
#[derive(Default)]
pub(crate) struct Model {
    pub groups: BTreeMap<GroupId, GroupModel>,
    /// Metadata has recorded their deletion.
    pub removed: BTreeMap<GroupId, (TopicId, PartitionIndex)>,
    pub next_group: u64,
    /// Appends whose persistence was told.
    pub acknowledged: u64,
    pub fenced: u64,
    pub damaged: u64,
}

impl Model {
    pub(crate) fn add_group(&mut self) -> GroupId {
        self.next_group += 1;
        let id = GroupId(self.next_group);
        let mut topic = TopicId::default();
        topic.0[..8].copy_from_slice(&(1 + id.0 / 4).to_be_bytes());
        let partition = PartitionIndex((id.0 % 4) as i32);
        self.groups.insert(id, GroupModel::new(topic, partition));
        id
    }

    pub(crate) fn remove_group(&mut self, id: GroupId) {
        if let Some(group) = self.groups.remove(&id) {
            self.removed.insert(id, (group.topic, group.partition));
        }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Persisted { group, index, term } => {
                if let Some(group) = self.groups.get_mut(group) {
                    group.persisted(*index, *term);
                    self.acknowledged += 1;
                }
            }
            Event::HardStatePersisted { group, hard_state } => {
                if let Some(group) = self.groups.get_mut(group) {
                    group.hard_state_persisted(*hard_state);
                }
            }
            Event::Settled { group, index } => {
                if let Some(group) = self.groups.get(group) {
                    assert!(*index <= group.committed, "settled beyond the commit");
                }
            }
            Event::Fenced { .. } => self.fenced += 1,
            Event::Pressure(_) => {}
            Event::Damaged { group, range } => panic!("{group:?} is damaged in {range:?}"),
        }
    }
}
