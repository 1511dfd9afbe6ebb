//! The entries that a group's engine may ask for, in memory.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;
use corelog_base::{Entry, EntryKind, HardState, LogIndex, LogStart, Offset, Term};
use raft::prelude::{ConfState, Entry as RaftEntry, EntryType, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

use crate::replicas::Restored;

/// The kind byte and the base offset, for entries that are not batches.
const CONTEXT_BYTES: usize = 9;
/// Where a record batch v2 has its base offset and its last offset delta.
const BATCH_DELTA_AT: usize = 23;

/// A window of the log's end. Entries before it are in the log's segments.
pub(crate) struct Store {
    hard_state: HardState,
    conf_state: ConfState,
    start: LogStart,
    /// The entry before the window: its index, term and next offset.
    before: (LogIndex, Term, Offset),
    entries: VecDeque<Entry>,
    /// The data of `entries`.
    bytes: u64,
    /// Where terms begin, ascending, from the log's start on: the terms of what is before the
    /// window too.
    terms: Vec<(LogIndex, Term)>,
    /// Entries before the window that a follower needs: from which index, and the engine's mark.
    wanted: RefCell<Vec<(LogIndex, GetEntriesContext)>>,
    /// Entries before the window that were read for a follower, contiguous.
    fetched: Vec<Entry>,
}

impl Store {
    /// # Errors
    /// If what was restored is no log: entries that do not follow each other.
    pub(crate) fn new(conf_state: ConfState, restored: Restored) -> Result<Self, String> {
        let before = (
            restored.settled_index,
            restored.settled_term,
            restored.settled_offset,
        );
        let mut store = Self {
            hard_state: restored.hard_state,
            conf_state,
            start: restored.start,
            before,
            entries: VecDeque::with_capacity(restored.entries.len()),
            bytes: 0,
            terms: restored.terms,
            wanted: RefCell::default(),
            fetched: Vec::new(),
        };
        store.terms.retain(|(index, _)| *index <= before.0);
        for entry in restored.entries {
            let follows = entry.index == store.last().0.next() && entry.term >= store.last().1;
            if !follows || entry.base_offset != store.end() {
                let (index, last) = (entry.index, store.last().0);
                return Err(format!("restored entry {index} does not follow {last}"));
            }
            store.push(entry);
        }
        Ok(store)
    }

    fn push(&mut self, entry: Entry) {
        if self.terms.last().is_none_or(|(_, term)| *term < entry.term) {
            self.terms.push((entry.index, entry.term));
        }
        self.bytes += entry.data.len() as u64;
        self.entries.push_back(entry);
    }

    pub(crate) fn last(&self) -> (LogIndex, Term) {
        match self.entries.back() {
            Some(entry) => (entry.index, entry.term),
            None => (self.before.0, self.before.1),
        }
    }

    /// The first index that the log has.
    pub(crate) fn start(&self) -> LogIndex {
        self.start.index
    }

    /// The offset after the last entry.
    pub(crate) fn end(&self) -> Offset {
        self.entries.back().map_or(self.before.2, |e| e.next_offset)
    }

    /// The log begins here now. The term before it and the terms after it are kept.
    ///
    /// # Errors
    /// If the log does not reach to the new start.
    pub(crate) fn set_start(&mut self, start: LogStart) -> Result<(), String> {
        if start.index <= self.start.index {
            self.start.offset = self.start.offset.max(start.offset);
            return Ok(());
        }
        if start.index > self.last().0.next() {
            let last = self.last().0;
            return Err(format!("a log start at {}, after {last}", start.index));
        }
        self.start = start;
        let after = self.terms.partition_point(|(i, _)| *i <= start.index);
        self.terms.drain(..after.saturating_sub(1));
        Ok(())
    }

    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.before.0.0 + 1)?).ok()
    }

    /// Takes what the engine wants appended; an overlap is cut off first.
    pub(crate) fn append(&mut self, raft: Vec<RaftEntry>) -> Result<Vec<Entry>, String> {
        #[cfg(feature = "planted")]
        let raft = self.without_conflicts(raft);
        let Some(first) = raft.first() else {
            return Ok(Vec::new());
        };
        let keep = self
            .place(first.index)
            .ok_or("an entry before the window")?;
        if keep > self.entries.len() {
            return Err(format!("a gap before index {}", first.index));
        }
        let cut = self.entries.drain(keep..);
        self.bytes -= cut.map(|e| e.data.len() as u64).sum::<u64>();
        let first = first.index;
        self.terms.retain(|(index, _)| index.0 < first);
        raft.into_iter().map(|entry| self.add(entry)).collect()
    }

    fn add(&mut self, raft: RaftEntry) -> Result<Entry, String> {
        let entry = from_raft(raft, self.end())?;
        self.push(entry.clone());
        Ok(entry)
    }

    /// One more entry, of the term of the last.
    ///
    /// # Errors
    /// Its data are no entry's that could follow.
    pub(crate) fn extend(
        &mut self,
        kind: EntryKind,
        base: Offset,
        data: Bytes,
    ) -> Result<Entry, String> {
        let (last, term) = self.last();
        self.add(RaftEntry {
            index: last.next().0,
            term: term.0,
            context: context(kind, base),
            data,
            ..RaftEntry::default()
        })
    }

    /// The planted bug: what would cut off an entry is left out.
    #[cfg(feature = "planted")]
    fn without_conflicts(&self, mut raft: Vec<RaftEntry>) -> Vec<RaftEntry> {
        let last = self.last().0;
        raft.retain(|entry| !crate::planted::keeps_conflicts() || entry.index > last.0);
        raft
    }

    /// Forgets entries up to `index`, which nobody needs any more.
    pub(crate) fn forget(&mut self, index: LogIndex) {
        while self.entries.front().is_some_and(|e| e.index <= index) {
            self.forget_first();
        }
    }

    /// Forgets entries up to `index` while the window has more than `bytes_max`: whoever needs
    /// them reads them from the log.
    pub(crate) fn forget_beyond(&mut self, bytes_max: u64, index: LogIndex) {
        let may = |e: &Entry| e.index <= index;
        while self.bytes > bytes_max && self.entries.front().is_some_and(may) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.entries.pop_front() {
            self.before = (first.index, first.term, first.next_offset);
            self.bytes -= first.data.len() as u64;
        }
    }

    /// The term of an entry that the log has, or of the one before its start.
    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.before.0 {
            return Some(self.before.1);
        }
        if index.next() == self.start.index {
            return Some(self.start.term_before);
        }
        if index < self.start.index || index > self.last().0 {
            return None;
        }
        let after = self.terms.partition_point(|(first, _)| *first <= index);
        let term = after.checked_sub(1).and_then(|i| self.terms.get(i));
        term.map(|(_, term)| *term)
    }

    pub(crate) fn wants(&self) -> bool {
        !self.wanted.borrow().is_empty()
    }

    /// Reads that the engine waits for.
    pub(crate) fn take_wanted(&mut self) -> Vec<(LogIndex, GetEntriesContext)> {
        std::mem::take(self.wanted.get_mut())
    }

    /// What was read for a follower, while the engine looks at it.
    pub(crate) fn set_fetched(&mut self, entries: Vec<Entry>) {
        self.fetched = entries;
    }

    pub(crate) fn get(&self, index: u64) -> Option<&Entry> {
        self.entries.get(self.place(index)?)
    }
}

/// The entry as the engine carries it. Batches say their offsets themselves.
pub(crate) fn to_raft(entry: &Entry) -> RaftEntry {
    let mut raft = RaftEntry::default();
    raft.set_entry_type(match entry.kind {
        EntryKind::Members => EntryType::EntryConfChangeV2,
        _ => EntryType::EntryNormal,
    });
    raft.index = entry.index.0;
    raft.term = entry.term.0;
    raft.data = entry.data.clone();
    raft.context = context(entry.kind, entry.base_offset);
    raft
}

pub(crate) fn context(kind: EntryKind, base: Offset) -> Bytes {
    if matches!(
        kind,
        EntryKind::Batch | EntryKind::Opening | EntryKind::Members
    ) {
        return Bytes::new();
    }
    let mut context = [0u8; CONTEXT_BYTES];
    context[0] = kind as u8;
    context[1..].copy_from_slice(&base.0.to_le_bytes());
    Bytes::copy_from_slice(&context)
}

fn from_raft(raft: RaftEntry, end: Offset) -> Result<Entry, String> {
    let (kind, base_offset, next_offset) = describe(&raft, end)?;
    if base_offset != end {
        return Err(format!(
            "entry {} begins at offset {base_offset}, but the log ends at {end}",
            raft.index
        ));
    }
    Ok(Entry {
        index: LogIndex(raft.index),
        term: Term(raft.term),
        kind,
        base_offset,
        next_offset,
        data: raft.data,
    })
}

fn describe(raft: &RaftEntry, end: Offset) -> Result<(EntryKind, Offset, Offset), String> {
    if raft.get_entry_type() != EntryType::EntryNormal {
        return Ok((EntryKind::Members, end, end));
    }
    if let Some((kind, base)) = raft.context.split_first() {
        let kind = EntryKind::from_u8(*kind).ok_or("an entry of an unknown kind")?;
        let base = base.try_into().map_err(|_| "a malformed context")?;
        let base = Offset(i64::from_le_bytes(base));
        let takes = i64::from(kind == EntryKind::Metadata);
        return Ok((kind, base, base.plus(takes)));
    }
    if raft.data.is_empty() {
        return Ok((EntryKind::Opening, end, end));
    }
    let base = raft
        .data
        .first_chunk::<8>()
        .ok_or("a batch without a header")?;
    let delta = raft.data.get(BATCH_DELTA_AT..BATCH_DELTA_AT + 4);
    let delta = delta
        .and_then(|d| d.first_chunk::<4>())
        .ok_or("a batch without a header")?;
    let base = Offset(i64::from_be_bytes(*base));
    let count = i64::from(i32::from_be_bytes(*delta)) + 1;
    let next = base
        .0
        .checked_add(count)
        .ok_or("a batch whose offsets overflow")?;
    Ok((EntryKind::Batch, base, Offset(next)))
}

/// At least one, then as many as `bytes_max` allows.
fn limited<'a>(found: impl Iterator<Item = &'a Entry>, bytes_max: u64) -> Vec<RaftEntry> {
    let mut left = bytes_max;
    let mut entries = Vec::new();
    for entry in found {
        let bytes = entry.data.len() as u64;
        if bytes > left && !entries.is_empty() {
            break;
        }
        left = left.saturating_sub(bytes);
        entries.push(to_raft(entry));
    }
    entries
}

impl Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let mut hard_state = raft::prelude::HardState::default();
        hard_state.term = self.hard_state.term.0;
        hard_state.vote = self.hard_state.vote;
        // A commit index beyond the log would be a hole; what is in segments was committed, and
        // so was what lies before the log's start, settled or not.
        let gone = LogIndex(self.start.index.0.saturating_sub(1));
        let known = self.hard_state.commit.max(self.before.0).max(gone);
        let committed = known.min(self.last().0);
        hard_state.commit = committed.0;
        Ok(RaftState {
            hard_state,
            conf_state: self.conf_state.clone(),
        })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> raft::Result<Vec<RaftEntry>> {
        if low < self.start.index.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        let max = max_size.into().unwrap_or(u64::MAX);
        if let Some(from) = self.place(low) {
            let to = usize::try_from(high - low).map_or(usize::MAX, |n| from.saturating_add(n));
            let to = to.min(self.entries.len());
            return Ok(limited(self.entries.range(from.min(to)..to), max));
        }
        let fetched = self.fetched.iter().skip_while(|entry| entry.index.0 < low);
        let mut fetched = fetched.take_while(|entry| entry.index.0 < high).peekable();
        if fetched.peek().is_some_and(|entry| entry.index.0 == low) {
            return Ok(limited(fetched, max));
        }
        if !context.can_async() {
            return Err(Error::Store(StorageError::Unavailable));
        }
        self.wanted.borrow_mut().push((LogIndex(low), context));
        Err(Error::Store(StorageError::LogTemporarilyUnavailable))
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let found = self.term_at(LogIndex(index));
        found.map(|term| term.0).ok_or_else(|| {
            let compacted = index < self.start.index.0;
            Error::Store(match compacted {
                true => StorageError::Compacted,
                false => StorageError::Unavailable,
            })
        })
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.start.index.0)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last().0.0)
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
