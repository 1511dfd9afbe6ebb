//! One settle cycle of a group: what goes into its newest segment, decided without I/O.
//!
//! A cycle is planned from the core's state, run by `settler.rs`, and applied when everything is
//! flushed. See *Segment* and *Map* in the formats.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use corelog_base::{Entry, GroupId, TimestampMs};
use corelog_rt::AlignedBuf;

use crate::bulk::Bulk;
use crate::codec::{count, index, round_down};
use crate::core::Core;
use crate::group::{Group, SegmentMeta, folder, map_path, segment_path};
use crate::map::{ChunkSum, SegmentMap};
use crate::reference::Place;
use crate::unit::{Framing, is_bare};

/// What one cycle takes at most, unless one entry is larger.
const CYCLE_BYTES_MAX: u64 = 8 << 20;

/// A planned cycle. Owns all that it needs.
pub(crate) struct Cycle {
    pub group: GroupId,
    pub folder: PathBuf,
    /// As it is on disk, or empty for a new segment.
    pub map: SegmentMap,
    /// The files are made by this cycle.
    pub is_new: bool,
    /// The group has no segment yet: its folder is made too.
    pub is_first: bool,
    /// In the segment's order, from the first that is not settled.
    pub entries: Vec<Entry>,
    /// Where the settled bytes end afterwards.
    pub end: u64,
    pub seals: bool,
    /// The entries' data are in the file already.
    pub placed: bool,
    /// Of these data, if they are known.
    pub sums: Option<Vec<ChunkSum>>,
}

impl Cycle {
    pub(crate) fn segment(&self) -> PathBuf {
        segment_path(&self.folder, self.map.base_offset, self.map.generation)
    }

    pub(crate) fn map_path(&self) -> PathBuf {
        map_path(&self.folder, self.map.base_offset)
    }

    /// How much of the data goes into the file: the rest becomes the map's tail.
    fn file_bytes(&self, block: u32) -> u64 {
        let end = if self.seals {
            self.end
        } else {
            round_down(self.end, u64::from(block))
        };
        end - self.map.bytes
    }

    /// Everything behind what is in the file, with zeros up to the block.
    pub(crate) fn data(&self, mut buf: AlignedBuf, block: u32) -> AlignedBuf {
        buf.set_len(0);
        buf.extend_from_slice(&self.map.tail);
        for entry in self.entries.iter().filter(|e| !is_bare(e)) {
            if let Some(prefix) = self.map.framing.prefix(entry) {
                buf.extend_from_slice(&prefix);
            }
            buf.extend_from_slice(&entry.data);
        }
        debug_assert_eq!(count(buf.len()), self.data_bytes());
        buf.pad_to(block as usize);
        buf
    }

    /// How many bytes `data` gives, without padding.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.end - self.map.bytes
    }

    /// Brings the map up to what is about to be written; `data` is what `data` returned. Says how
    /// much of it belongs in the file.
    pub(crate) fn advance(&mut self, data: &[u8], block: u32) -> usize {
        let (bytes, file_bytes) = (index(self.data_bytes()), index(self.file_bytes(block)));
        self.map.extend(&data[..file_bytes]);
        self.map.tail = Bytes::copy_from_slice(&data[file_bytes..bytes]);
        self.finish();
        file_bytes.next_multiple_of(block as usize)
    }

    /// The same for entries that were placed.
    pub(crate) fn advance_placed(&mut self, block: u32) {
        let file_bytes = self.file_bytes(block);
        let sums = self.sums.take();
        let end = self.map.bytes + file_bytes;
        if let Some(sums) = &sums {
            self.map.extend_summed(sums);
            assert_eq!(self.map.bytes, end, "summed to the last whole block");
        }
        let mut left = index(file_bytes);
        let mut tail = Vec::new();
        let held = std::mem::take(&mut self.map.tail);
        let data = self.entries.iter().filter(|e| !is_bare(e)).map(|e| &e.data);
        for piece in std::iter::once(&held).chain(data) {
            let (here, rest) = piece.split_at(left.min(piece.len()));
            if sums.is_none() {
                self.map.extend(here);
            }
            left -= here.len();
            tail.extend_from_slice(rest);
        }
        self.map.tail = tail.into();
        self.finish();
    }

    fn finish(&mut self) {
        for entry in std::mem::take(&mut self.entries) {
            self.map.add(&entry);
        }
        self.map.sealed = self.seals;
        debug_assert_eq!(self.map.whole, self.end);
    }
}

/// What [`Group::settleable`] finds.
struct Settleable {
    entries: Vec<Entry>,
    place: Option<Place>,
    sums: Option<Vec<ChunkSum>>,
}

impl Group {
    /// The committed entries after the settled ones, without a gap, of at most about `bytes_max`;
    /// where the first one's data are in the segment already, which is so for all or none; and the
    /// sums of these data, if all are known.
    fn settleable(&self, bytes_max: u64) -> Settleable {
        let from = self.place(self.settled.index.next());
        let to = self.place(self.committed.next());
        let mut next = self.settled.index.next();
        let mut bytes = 0;
        let mut entries = Vec::new();
        let mut sums = Some(Vec::new());
        let first = self.tail.range(from..to).next().and_then(|t| t.place);
        for t in self.tail.range(from..to) {
            let differs = t.place.is_some() != first.is_some();
            if t.entry.index != next || bytes > bytes_max || differs {
                break;
            }
            next = next.next();
            bytes += count(t.entry.data.len());
            entries.push(t.entry.clone());
            match (&mut sums, &t.sums) {
                (Some(sums), Some(more)) => sums.extend_from_slice(more),
                _ => sums = None,
            }
        }
        Settleable {
            entries,
            place: first,
            sums,
        }
    }

    /// The next cycle; None if there is nothing to do.
    fn cycle(&self, group: GroupId, dir: &Path, now: TimestampMs) -> Option<Cycle> {
        let framing = Framing::of(group);
        let current = self.segments.newest.as_deref().filter(|map| !map.sealed);
        let is_new = current.is_none();
        let map = match current {
            Some(map) => map.clone(),
            None => {
                let terms = self.terms_upto_settled();
                SegmentMap::begin(group, self.settled, terms, now)
            }
        };
        let Settleable {
            mut entries,
            place,
            mut sums,
        } = self.settleable(CYCLE_BYTES_MAX);
        if let Some(place) = place {
            let place = (place.base_offset, place.position);
            assert_eq!(
                place,
                (map.base_offset, map.whole),
                "placed where it belongs"
            );
        }
        let mut end = map.whole;
        let full = self.bulk.as_ref().and_then(Bulk::full);
        let is_full = full.is_some_and(|full| full == map.base_offset);
        let is_due = is_full || self.is_to_be_sealed(map.begun, now);
        // What was placed is behind the map's end: the segment cannot end there.
        let mut seals = is_due && map.whole > 0 && !self.has_placed();
        let mut taken = 0;
        for entry in &entries {
            let bytes = framing.bytes_of(entry);
            let is_full = place.is_none() && end > 0 && end + bytes > self.config.segment_bytes_max;
            if bytes > 0 && (is_full || seals) {
                seals = true;
                break;
            }
            end += bytes;
            taken += 1;
        }
        if taken < entries.len() {
            entries.truncate(taken);
            sums = None;
        }
        seals &= !self.bulk.as_ref().is_some_and(Bulk::is_running);
        // Who goes around the journal waits for a segment to begin.
        let begins = is_new && full.is_some();
        if entries.is_empty() && !seals && !begins {
            return None;
        }
        Some(Cycle {
            group,
            folder: folder(dir, self.topic, self.partition),
            is_first: self.segments.list.is_empty(),
            map,
            is_new,
            entries,
            end,
            seals,
            placed: place.is_some(),
            sums,
        })
    }

    /// Whether what lies behind the newest segment's end may be needed by a start, though it was cut
    /// off: the journal does not hold what came in its place.
    pub(crate) fn needs_cut_off(&self, flushed_through: u64) -> bool {
        self.segments.cut_placed.is_some_and(|from| {
            let said = self
                .tail
                .get(self.place(from))
                .is_some_and(|t| t.entry.index == from && t.sequence <= flushed_through);
            from > self.settled.index && !said
        })
    }

    fn terms_upto_settled(&self) -> Vec<crate::TermStart> {
        let upto = self
            .terms
            .partition_point(|t| t.index <= self.settled.index);
        self.terms[..upto].to_vec()
    }
}

impl<F: Clone> Core<F> {
    /// A frame is flushed that says something of a group of which placed entries were cut off:
    /// settling may have waited for it. True if the group is due now.
    pub(crate) fn cut_is_said(&mut self, group: GroupId) -> bool {
        let flushed_through = self.journal.flushed_through;
        let state = self.groups.get_mut(&group);
        let Some(state) = state.filter(|g| !g.needs_cut_off(flushed_through)) else {
            return false;
        };
        state.segments.cut_placed = None;
        self.ask(group);
        true
    }

    /// The next cycle of a group that no other job works on.
    pub(crate) fn plan(&self, group: GroupId, now: TimestampMs) -> Option<Cycle> {
        let state = self.groups.get(&group).filter(|g| !g.removed)?;
        if state.needs_cut_off(self.journal.flushed_through) {
            return None;
        }
        state.cycle(group, &self.options.dir, now)
    }

    /// An empty segment behind the newest one, which is sealed and lies below the log start.
    pub(crate) fn plan_successor(&self, group: GroupId, now: TimestampMs) -> Option<Cycle> {
        let state = self.groups.get(&group)?;
        let newest = state.segments.newest.as_ref()?;
        if !newest.sealed || newest.whole == 0 || !state.is_below_start(newest.settled) {
            return None;
        }
        let terms = state.terms_upto_settled();
        Some(Cycle {
            group,
            folder: folder(&self.options.dir, state.topic, state.partition),
            map: SegmentMap::begin(group, state.settled, terms, now),
            is_new: true,
            is_first: false,
            entries: Vec::new(),
            end: 0,
            seals: false,
            placed: false,
            sums: None,
        })
    }

    /// A cycle is durable.
    pub(crate) fn apply_cycle(&mut self, group: GroupId, map: SegmentMap) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        let meta = SegmentMeta::of(&map);
        let list = &mut state.segments.list;
        match list.last_mut() {
            Some(last) if last.base_offset == map.base_offset => *last = meta,
            _ => list.push(meta),
        }
        if map.sealed {
            state.segments.seal_due = false;
        }
        assert!(!state.segments.unsure, "made sure before the cycle");
        let settled = map.settled;
        state.segments.newest = Some(Arc::new(map));
        self.settled(group, settled);
        // The next frame says so: what a start need not make sure of again.
        self.queue_record(group);
    }
}
