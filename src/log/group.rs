//! One group in memory: its tail of entries, what it must never forget, its segments.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use corelog_base::{
    Entry, GroupId, HardState, LogIndex, LogStart, Offset, PartitionIndex, Term, TimestampMs,
    TopicId,
};

use crate::bulk::Bulk;
use crate::cache::SegmentId;
use crate::codec::count;
use crate::frame::RowHint;
use crate::map::{ChunkSum, SegmentMap, term_at};
use crate::record::GroupRecord;
use crate::reference::Place;
use crate::unit::{Framing, is_bare};
use crate::{DamagedRange, GroupConfig, Position, TermStart};

/// The sequence of an entry that is in no frame yet.
pub(crate) const UNFRAMED: u64 = u64::MAX;
/// What an entry costs in memory beside its data.
const ENTRY_OVERHEAD: u64 = 96;

/// An entry in memory, and the frame that holds its newest copy in the journal.
pub(crate) struct TailEntry {
    pub entry: Entry,
    pub sequence: u64,
    /// Where its data are in the newest segment, if they are not in the journal.
    pub place: Option<Place>,
    /// Of the blocks that end in these data, if they were placed by this process.
    pub sums: Option<Box<[ChunkSum]>>,
}

/// One segment, as far as it is known without opening its files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentMeta {
    pub base_offset: Offset,
    /// Of its file; above 0 if it is compacted.
    pub generation: u32,
    pub bytes: u64,
    /// Known once the map was read or the segment was sealed.
    pub end: Option<SegmentEnd>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentEnd {
    pub last: Position,
    pub max_timestamp: TimestampMs,
    pub begun: TimestampMs,
}

impl SegmentMeta {
    pub(crate) fn of(map: &SegmentMap) -> Self {
        Self {
            base_offset: map.base_offset,
            generation: map.generation,
            bytes: map.whole,
            end: Some(SegmentEnd::of(map)),
        }
    }

    pub(crate) fn id(&self, group: GroupId) -> SegmentId {
        SegmentId {
            group,
            base_offset: self.base_offset,
            generation: self.generation,
        }
    }
}

impl SegmentEnd {
    pub(crate) fn of(map: &SegmentMap) -> Self {
        Self {
            last: map.settled,
            max_timestamp: map.max_timestamp,
            begun: map.begun,
        }
    }
}

/// What the journal holds of a group beside its entries.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Journaled {
    /// The frame that holds the newest group record; 0 if none does.
    pub record_sequence: u64,
    /// The settled index that this record names.
    pub record_settled: LogIndex,
    /// A record waits to be framed.
    pub record_queued: bool,
    pub hint: RowHint,
}

pub(crate) struct Group {
    pub topic: TopicId,
    pub partition: PartitionIndex,
    pub config: GroupConfig,
    pub hard_state: HardState,
    pub start: LogStart,
    /// The newest start that is flushed: nothing above it is forgotten.
    pub flushed_start: LogStart,
    pub damage: Vec<DamagedRange>,
    /// Only its last record is still to be written.
    pub removed: bool,
    pub committed: LogIndex,
    pub settled: Position,
    /// Ascending; contiguous but for damage. Some at the front may be settled: the tail cache.
    pub tail: VecDeque<TailEntry>,
    pub terms: Vec<TermStart>,
    pub journaled: Journaled,
    pub segments: Segments,
    /// Some while its entries go around the journal.
    pub bulk: Option<Bulk>,
    /// Not before this entry again.
    pub bulk_after: LogIndex,
    /// Memory of entries that are not settled.
    pub unsettled_bytes: u64,
    /// Segment bytes of entries that are committed and not settled.
    pub settleable_bytes: u64,
}

/// The segments of a group.
#[derive(Default)]
pub(crate) struct Segments {
    /// Ascending by base offset.
    pub list: Vec<SegmentMeta>,
    /// The map of the last one.
    pub newest: Option<Arc<SegmentMap>>,
    /// The newest files were found after a start and may not be flushed.
    pub unsure: bool,
    /// What the journal said was settled, which is flushed.
    pub sure: Position,
    /// Waits in the queue of groups that are due.
    pub queued: bool,
    /// Entries from this one on were placed behind the newest one's end and cut off. Until the
    /// journal says so, a start looks for their data there.
    pub cut_placed: Option<LogIndex>,
    /// Segments below the flushed log start are to be unlinked.
    pub trim_due: bool,
    /// The newest one is to be sealed by the next cycle, whatever its size.
    pub seal_due: bool,
    /// A task reads the ends that are not known.
    pub learns_ends: bool,
    /// Where the last disk read ended: the next one is sequential if it begins here.
    pub read_end: Offset,
    /// The same of reads of entries: behind the last that was read.
    pub entries_end: LogIndex,
    /// How often files were replaced by compacted ones: a read that sees it change is repeated.
    pub replaced: u64,
    /// Compaction has looked at every record below.
    pub clean: Offset,
}

impl Segments {
    pub(crate) fn find(&self, base_offset: Offset) -> Option<&SegmentMeta> {
        let at = self.place(base_offset)?;
        self.list.get(at)
    }

    pub(crate) fn find_mut(&mut self, base_offset: Offset) -> Option<&mut SegmentMeta> {
        let at = self.place(base_offset)?;
        self.list.get_mut(at)
    }

    fn place(&self, base_offset: Offset) -> Option<usize> {
        let list = &self.list;
        list.binary_search_by_key(&base_offset, |s| s.base_offset)
            .ok()
    }
}

/// What an append changed in memory, in bytes of the unsettled budget.
pub(crate) struct Appended {
    pub added: u64,
    pub removed: u64,
}

pub(crate) fn memory_of(entry: &Entry) -> u64 {
    count(entry.data.len()) + ENTRY_OVERHEAD
}

/// The folder of a group's segments.
pub(crate) fn folder(dir: &Path, topic: TopicId, partition: PartitionIndex) -> PathBuf {
    dir.join("topics")
        .join(topic.to_string())
        .join(partition.to_string())
}

/// The file of a segment; compacted ones have a generation above 0.
pub(crate) fn segment_path(folder: &Path, base_offset: Offset, generation: u32) -> PathBuf {
    let base_offset = base_offset.0;
    folder.join(match generation {
        0 => format!("{base_offset:020}.log"),
        _ => format!("{base_offset:020}.{generation:08x}.log"),
    })
}

pub(crate) fn map_path(folder: &Path, base_offset: Offset) -> PathBuf {
    folder.join(format!("{:020}.map", base_offset.0))
}

impl Group {
    pub(crate) fn new(topic: TopicId, partition: PartitionIndex, config: GroupConfig) -> Self {
        Self {
            topic,
            partition,
            config,
            hard_state: HardState::default(),
            start: LogStart::default(),
            flushed_start: LogStart::default(),
            damage: Vec::new(),
            removed: false,
            committed: LogIndex(0),
            settled: Position::default(),
            tail: VecDeque::new(),
            terms: Vec::new(),
            journaled: Journaled::default(),
            segments: Segments::default(),
            bulk: None,
            bulk_after: LogIndex(0),
            unsettled_bytes: 0,
            settleable_bytes: 0,
        }
    }

    pub(crate) fn record(&self) -> GroupRecord {
        // What is committed and not in the journal yet would count as lost.
        let bulk = self.bulk.as_ref().and_then(Bulk::handed_on);
        let commit = self.hard_state.commit;
        GroupRecord {
            topic: self.topic,
            partition: self.partition,
            hard_state: HardState {
                commit: bulk.map_or(commit, |last| commit.min(last)),
                ..self.hard_state
            },
            start: self.start,
            settled: self.flushed_settled(),
            damage: self.damage.clone(),
            removed: self.removed,
        }
    }

    /// What is settled and will still be after a power loss.
    pub(crate) fn flushed_settled(&self) -> Position {
        if self.segments.unsure {
            self.segments.sure
        } else {
            self.settled
        }
    }

    pub(crate) fn last(&self) -> Position {
        self.tail.back().map_or(self.settled, |t| Position {
            index: t.entry.index,
            term: t.entry.term,
            next_offset: t.entry.next_offset,
        })
    }

    /// Where in the tail the entry `index` is, or would be. Found at once but where damage left a
    /// gap: a search through a long tail misses the processor's caches at every step.
    pub(crate) fn place(&self, index: LogIndex) -> usize {
        let (Some(first), Some(last)) = (self.tail.front(), self.tail.back()) else {
            return 0;
        };
        if index <= first.entry.index {
            return 0;
        }
        if index > last.entry.index {
            return self.tail.len();
        }
        let distance = index.0 - first.entry.index.0;
        match usize::try_from(distance) {
            Ok(at) if self.tail.get(at).is_some_and(|t| t.entry.index == index) => at,
            _ => self.tail.partition_point(|t| t.entry.index < index),
        }
    }

    /// Puts an entry at the end, after cutting off what it replaces.
    ///
    /// # Panics
    /// If it leaves a gap or cuts off what is committed.
    pub(crate) fn push(&mut self, entry: Entry) -> Appended {
        let mut removed = 0;
        if entry.index <= self.last().index {
            assert!(entry.index > self.committed, "a committed entry is final");
            removed = self.cut(entry.index);
        }
        let last = self.last();
        assert_eq!(entry.index, last.index.next(), "no gap");
        assert_eq!(entry.base_offset, last.next_offset, "offsets follow");
        if self.terms.last().is_none_or(|t| t.term < entry.term) {
            self.terms.push(TermStart {
                term: entry.term,
                index: entry.index,
                offset: entry.base_offset,
            });
        }
        let added = memory_of(&entry);
        self.unsettled_bytes += added;
        self.tail.push_back(TailEntry {
            entry,
            sequence: UNFRAMED,
            place: None,
            sums: None,
        });
        Appended { added, removed }
    }

    fn cut(&mut self, from: LogIndex) -> u64 {
        assert!(from > self.settled.index, "a settled entry is final");
        let at = self.place(from);
        let cut_placed = &mut self.segments.cut_placed;
        if cut_placed.is_some() || self.tail.range(at..).any(|t| t.place.is_some()) {
            *cut_placed = Some(cut_placed.map_or(from, |before| before.min(from)));
        }
        let removed: u64 = self.tail.drain(at..).map(|t| memory_of(&t.entry)).sum();
        self.unsettled_bytes -= removed;
        if let Some(bulk) = &mut self.bulk {
            bulk.cut();
        }
        while self.terms.last().is_some_and(|t| t.index >= from) {
            self.terms.pop();
        }
        removed
    }

    /// Moves the committed index; returns the bytes that may be settled now.
    pub(crate) fn commit(&mut self, group: GroupId, index: LogIndex) -> u64 {
        let index = index.min(self.last().index);
        if index > self.committed {
            let framing = Framing::of(group);
            let from = self.place(self.committed.next());
            let to = self.place(index.next());
            self.settleable_bytes += self
                .tail
                .range(from..to)
                .map(|t| framing.bytes_of(&t.entry))
                .sum::<u64>();
            self.committed = index;
        }
        self.settleable_bytes
    }

    /// After a settle: returns the memory that went from unsettled to cached.
    pub(crate) fn settle(&mut self, group: GroupId, settled: Position) -> u64 {
        assert!(settled.index >= self.settled.index && settled.index <= self.committed);
        let framing = Framing::of(group);
        let from = self.place(self.settled.index.next());
        let to = self.place(settled.index.next());
        let (mut memory, mut bytes) = (0, 0);
        for t in self.tail.range(from..to) {
            memory += memory_of(&t.entry);
            bytes += framing.bytes_of(&t.entry);
        }
        self.settled = settled;
        self.unsettled_bytes -= memory;
        self.settleable_bytes -= bytes;
        memory
    }

    /// Drops settled entries up to `upto` from memory; returns the bytes.
    pub(crate) fn evict(&mut self, upto: LogIndex) -> u64 {
        let upto = upto.min(self.settled.index);
        let to = self.place(upto.next());
        let dropped = self.tail.drain(..to).map(|t| memory_of(&t.entry)).sum();
        if self.tail.is_empty() {
            self.tail.shrink_to(8);
        }
        dropped
    }

    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index.next() == self.start.index {
            return Some(self.start.term_before);
        }
        if index == self.settled.index {
            return Some(self.settled.term);
        }
        if index > self.last().index || index < self.start.index {
            return None;
        }
        term_at(&self.terms, index)
    }

    /// The damage that `offset` falls into.
    pub(crate) fn damage_at(&self, offset: Offset) -> Option<Range<Offset>> {
        self.damage
            .iter()
            .map(|d| d.base_offset..d.next_offset)
            .find(|d| d.contains(&offset))
    }

    /// The first damaged offset after `offset`.
    pub(crate) fn damage_after(&self, offset: Offset) -> Option<Offset> {
        self.damage
            .iter()
            .map(|d| d.base_offset)
            .filter(|d| *d > offset)
            .min()
    }

    /// Batches from memory, if the one that contains `from` is there.
    pub(crate) fn read_tail(
        &self,
        from: Offset,
        upto: Offset,
        bytes_max: u64,
        first_whole: bool,
    ) -> Option<Vec<Bytes>> {
        let first = self.tail.front()?;
        if first.entry.base_offset > from {
            return None;
        }
        let at = self.tail.partition_point(|t| t.entry.next_offset <= from);
        let mut parts = Vec::new();
        let mut bytes = 0;
        for t in self.tail.range(at..) {
            let entry = &t.entry;
            if entry.base_offset >= upto {
                break;
            }
            if is_bare(entry) {
                continue;
            }
            bytes += count(entry.data.len());
            if bytes > bytes_max && !(parts.is_empty() && first_whole) {
                break;
            }
            parts.push(entry.data.clone());
        }
        Some(parts)
    }

    /// Entries from memory, if the first is there.
    pub(crate) fn entries_tail(
        &self,
        from: LogIndex,
        to: LogIndex,
        bytes_max: u64,
    ) -> Option<Vec<Entry>> {
        let at = self.place(from);
        self.tail.get(at).filter(|t| t.entry.index == from)?;
        let mut bytes = 0;
        let mut next = from;
        let mut entries = Vec::new();
        for t in self.tail.range(at..) {
            bytes += count(t.entry.data.len());
            let full = bytes > bytes_max && !entries.is_empty();
            if t.entry.index >= to || t.entry.index != next || full {
                break;
            }
            next = next.next();
            entries.push(t.entry.clone());
        }
        Some(entries)
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segments.list.iter().map(|s| s.bytes).sum()
    }

    /// The segment that would hold `offset`.
    pub(crate) fn segment_for(&self, offset: Offset) -> Option<SegmentMeta> {
        let after = self
            .segments
            .list
            .partition_point(|s| s.base_offset <= offset);
        self.segments.list.get(after.checked_sub(1)?).copied()
    }
}
