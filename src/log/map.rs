//! The map of a segment: what lies where, the sums that reads check, the producer checkpoint.

use bytes::Bytes;
use corelog_base::{
    Entry, EntryKind, GroupId, LogIndex, Offset, Term, TimestampMs, crc32c, crc32c_append,
};

use crate::cache::SegmentId;
use crate::codec::{count, index};
use crate::unit::{Framing, Unit, is_bare, max_timestamp};
use crate::{Checkpoint, Position, TermStart};

/// Bytes of a segment that share one CRC.
pub(crate) const CHUNK_BYTES: u64 = 64 << 10;

/// Entries with consecutive indexes and one term, back to back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub index: LogIndex,
    pub term: Term,
    pub offset: Offset,
    pub position: u64,
}

/// The first entry that begins in a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub position: u64,
    pub offset: Offset,
    pub index: LogIndex,
    /// Of all entries of the segment before this one.
    pub max_timestamp_before: TimestampMs,
}

/// CRC32C of a chunk's bytes up to `end`, a position in the segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChunkSum {
    pub end: u64,
    pub crc: u32,
}

/// How far a segment's bytes are summed.
pub(crate) struct Summed {
    pub end: u64,
    /// Of the chunk that `end` is in; that of nothing at a chunk's begin.
    pub crc: u32,
}

impl Summed {
    /// Sums the bytes at `end`, chunk by chunk.
    pub(crate) fn advance(&mut self, mut bytes: &[u8], sums: &mut Vec<ChunkSum>) {
        while !bytes.is_empty() {
            let room = CHUNK_BYTES - self.end % CHUNK_BYTES;
            let (here, rest) = bytes.split_at(bytes.len().min(index(room)));
            let crc = crc32c_append(self.crc, here);
            self.end += count(here.len());
            sums.push(ChunkSum { end: self.end, crc });
            self.crc = match self.end.is_multiple_of(CHUNK_BYTES) {
                true => crc32c(&[]),
                false => crc,
            };
            bytes = rest;
        }
    }
}

/// All that is known of one segment. Describes only what is durable, but for the moment between
/// a settle's writes and its end, when a copy of it runs ahead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SegmentMap {
    pub group: GroupId,
    pub framing: Framing,
    pub base_offset: Offset,
    pub base_index: LogIndex,
    pub begun: TimestampMs,
    pub sealed: bool,
    /// Which file is the segment's; above 0 if it is compacted.
    pub generation: u32,
    /// Compaction has looked at every record below; 0 if this one is not compacted.
    pub clean: Offset,
    /// Bytes in the segment's file: whole blocks, exact when sealed.
    pub bytes: u64,
    /// Bytes of settled entries: those in the file and the tail.
    pub whole: u64,
    /// What does not fill a block yet: kept here, so that no block is written twice.
    pub tail: Bytes,
    pub settled: Position,
    pub max_timestamp: TimestampMs,
    pub runs: Vec<Run>,
    pub marks: Vec<Mark>,
    pub terms: Vec<TermStart>,
    pub chunks: Vec<u32>,
    pub bare: Vec<Entry>,
    pub checkpoint: Option<Checkpoint>,
    pub file: MapFile,
}

/// What the map's file holds already.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct MapFile {
    /// Records, each in two copies.
    pub records: u32,
    /// Where the next record goes.
    pub end: u64,
    pub runs: usize,
    pub marks: usize,
    pub bare: usize,
    /// The first chunk whose CRC may differ from the file's.
    pub chunk: usize,
}

impl SegmentMap {
    /// An empty segment that begins after `settled`.
    pub(crate) fn begin(
        group: GroupId,
        settled: Position,
        terms: Vec<TermStart>,
        now: TimestampMs,
    ) -> Self {
        Self {
            group,
            framing: Framing::of(group),
            base_offset: settled.next_offset,
            base_index: settled.index.next(),
            begun: now,
            sealed: false,
            generation: 0,
            clean: Offset(0),
            bytes: 0,
            whole: 0,
            tail: Bytes::new(),
            settled,
            max_timestamp: TimestampMs::NONE,
            runs: Vec::new(),
            marks: Vec::new(),
            terms,
            chunks: Vec::new(),
            bare: Vec::new(),
            checkpoint: None,
            file: MapFile::default(),
        }
    }

    pub(crate) fn id(&self) -> SegmentId {
        SegmentId {
            group: self.group,
            base_offset: self.base_offset,
            generation: self.generation,
        }
    }

    /// About what it takes in memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let bare: usize = self.bare.iter().map(|e| e.data.len() + 96).sum();
        let fixed = (self.runs.len() + self.marks.len()) * 32 + self.terms.len() * 24;
        let checkpoint = self.checkpoint.as_ref().map_or(0, |c| c.data.len());
        count(fixed + self.chunks.len() * 4 + bare + checkpoint + self.tail.len() + 512)
    }

    /// A segment without entries yet in the place of those from `first` to `last`. Its marks' indexes
    /// are those of its begin: consensus asks for none of its entries.
    pub(crate) fn begin_compacted(
        first: &Self,
        last: &Self,
        generation: u32,
        clean: Offset,
    ) -> Self {
        Self {
            base_offset: first.base_offset,
            base_index: first.base_index,
            begun: first.begun,
            sealed: true,
            generation,
            clean,
            checkpoint: last.checkpoint.clone(),
            ..Self::begin(first.group, last.settled, last.terms.clone(), first.begun)
        }
    }

    /// Adds a batch that compaction has left.
    pub(crate) fn add_left(&mut self, unit: &Unit) {
        self.mark(unit.base_offset, self.base_index);
        self.whole += unit.bytes;
        self.max_timestamp = self.max_timestamp.max(unit.max_timestamp);
    }

    /// Notes what begins at the end, if it is the first that begins in its chunk.
    fn mark(&mut self, offset: Offset, index: LogIndex) {
        let chunk = self.whole / CHUNK_BYTES;
        let last = self.marks.last();
        if last.is_none_or(|m| m.position / CHUNK_BYTES < chunk) {
            self.marks.push(Mark {
                position: self.whole,
                offset,
                index,
                max_timestamp_before: self.max_timestamp,
            });
        }
    }

    /// Adds the next entry as settled. Its bytes are covered by `extend`.
    ///
    /// # Panics
    /// If it is not the next one.
    pub(crate) fn add(&mut self, entry: &Entry) {
        assert_eq!(entry.index, self.settled.index.next());
        assert_eq!(entry.base_offset, self.settled.next_offset);
        let new_term = self.terms.last().is_none_or(|t| t.term < entry.term);
        if new_term {
            self.terms.push(TermStart {
                term: entry.term,
                index: entry.index,
                offset: entry.base_offset,
            });
        }
        if is_bare(entry) {
            self.bare.push(entry.clone());
        } else {
            self.add_unit(entry);
        }
        self.settled = Position {
            index: entry.index,
            term: entry.term,
            next_offset: entry.next_offset,
        };
    }

    fn add_unit(&mut self, entry: &Entry) {
        let after_bare = self
            .bare
            .last()
            .is_some_and(|b| b.index.next() == entry.index);
        let continues = self.runs.last().is_some_and(|r| r.term == entry.term) && !after_bare;
        if !continues {
            self.runs.push(Run {
                index: entry.index,
                term: entry.term,
                offset: entry.base_offset,
                position: self.whole,
            });
        }
        self.mark(entry.base_offset, entry.index);
        self.whole += self.framing.bytes_of(entry);
        self.max_timestamp = self.max_timestamp.max(max_timestamp(self.framing, entry));
    }

    /// Sums bytes that were written at `bytes`.
    pub(crate) fn extend(&mut self, data: &[u8]) {
        let mut summed = Summed {
            end: self.bytes,
            crc: self.open_sum(),
        };
        let mut sums = Vec::new();
        summed.advance(data, &mut sums);
        self.extend_summed(&sums);
    }

    /// The CRC of the last chunk's bytes, if more of it may follow; that of nothing otherwise.
    pub(crate) fn open_sum(&self) -> u32 {
        match self.bytes.is_multiple_of(CHUNK_BYTES) {
            true => crc32c(&[]),
            false => *self.chunks.last().expect("a chunk was begun"),
        }
    }

    /// Adds bytes that were written and summed: at least once in each chunk, and to its end before
    /// another one.
    pub(crate) fn extend_summed(&mut self, sums: &[ChunkSum]) {
        for sum in sums {
            assert!(self.bytes < sum.end);
            let chunk = index(self.bytes / CHUNK_BYTES);
            assert_eq!(index((sum.end - 1) / CHUNK_BYTES), chunk);
            match self.chunks.get_mut(chunk) {
                Some(last) => *last = sum.crc,
                None => self.chunks.push(sum.crc),
            }
            self.bytes = sum.end;
        }
    }

    /// How many bytes chunk `number` has; 0 behind the end.
    pub(crate) fn chunk_bytes(&self, number: u64) -> u64 {
        let start = number * CHUNK_BYTES;
        self.bytes.saturating_sub(start).min(CHUNK_BYTES)
    }

    /// Whether a chunk's bytes are what was written.
    pub(crate) fn is_sound(&self, number: u64, bytes: &[u8]) -> bool {
        #[cfg(feature = "planted")]
        if crate::planted::is_awake(crate::planted::Bug::IgnoresChecksums) {
            return true;
        }
        count(bytes.len()) == self.chunk_bytes(number)
            && self.chunks.get(index(number)) == Some(&crc32c(bytes))
    }

    /// The offsets of entries that have bytes in `from..to` of the segment.
    pub(crate) fn offsets_in(&self, from: u64, to: u64) -> std::ops::Range<Offset> {
        let first = self.marks.partition_point(|m| m.position <= from);
        let start = first
            .checked_sub(1)
            .and_then(|i| self.marks.get(i))
            .map_or(self.base_offset, |m| m.offset);
        let end = self
            .marks
            .iter()
            .find(|m| m.position >= to)
            .map_or(self.settled.next_offset, |m| m.offset);
        start..end
    }

    /// Where to begin a walk to `offset`: the last mark at or before it.
    pub(crate) fn mark_for_offset(&self, offset: Offset) -> Option<Mark> {
        let after = self.marks.partition_point(|m| m.offset <= offset);
        self.marks.get(after.checked_sub(1)?).copied()
    }

    /// Where to begin a walk to the entry `index`, which has bytes in this segment.
    pub(crate) fn mark_for_index(&self, index: LogIndex) -> Option<Mark> {
        let after = self.marks.partition_point(|m| m.index <= index);
        self.marks.get(after.checked_sub(1)?).copied()
    }

    /// The mark from which the first entry with a timestamp of at least `time` is found, if the
    /// segment has one.
    pub(crate) fn mark_for_time(&self, time: TimestampMs) -> Option<Mark> {
        if self.max_timestamp < time {
            return None;
        }
        let behind = self
            .marks
            .partition_point(|m| m.max_timestamp_before < time);
        self.marks.get(behind.checked_sub(1)?).copied()
    }

    /// The term of an entry that this segment covers.
    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        term_at(&self.terms, index)
    }

    /// The entry without offset at `index`.
    pub(crate) fn bare_at(&self, index: LogIndex) -> Option<&Entry> {
        let at = self.bare.binary_search_by_key(&index, |e| e.index).ok()?;
        self.bare.get(at)
    }
}

/// The term of an index by a list of where terms begin.
pub(crate) fn term_at(terms: &[TermStart], index: LogIndex) -> Option<Term> {
    let after = terms.partition_point(|t| t.index <= index);
    terms.get(after.checked_sub(1)?).map(|t| t.term)
}

/// A bare entry from its parts.
pub(crate) fn bare_entry(
    index: LogIndex,
    term: Term,
    offset: Offset,
    kind: EntryKind,
    data: Bytes,
) -> Entry {
    Entry {
        index,
        term,
        kind,
        base_offset: offset,
        next_offset: offset,
        data,
    }
}

#[cfg(test)]
#[path = "map_test.rs"]
mod map_test;
