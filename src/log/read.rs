//! Reads: from memory at once, or a plan that goes to disk.

use bytes::Bytes;
use corelog_base::{Entry, GroupId, LogIndex, Offset};
use corelog_rt::Runtime;

use crate::codec::count;
use crate::core::Core;
use crate::segment::{Cursor, Segment, nothing};
use crate::{Error, Kind, Log};

/// A read that has so much does not wait for the disk to bring more.
const ENOUGH_BYTES: u64 = 1 << 20;

/// What a read found.
pub enum Read {
    /// Whole batches, in order; each part holds one or more. Empty if nothing is in the range.
    Ready(Vec<Bytes>),
    /// The bytes are on disk: run the plan, hold no borrow meanwhile.
    Disk(ReadPlan),
}

/// A read that goes to disk. Owns what it needs; safe to drop at any time.
pub struct ReadPlan {
    pub group: GroupId,
    /// Inclusive.
    pub from: Offset,
    /// Exclusive.
    pub upto: Offset,
    pub bytes_max: u32,
    pub first_whole: bool,
}

impl ReadPlan {
    /// Whole batches; the first contains `from`, or is the next one if compaction has removed that.
    /// May return fewer than are there: read again from the offset after the last. None only if
    /// nothing is left below `upto`.
    ///
    /// # Errors
    /// `Damaged` with the range if the bytes are not what was written; `NoSuchGroup` if the group
    /// was removed meanwhile; `OutOfRange` if the start moved past `from`.
    pub async fn run<R: Runtime>(self, log: &Log<R>) -> Result<Vec<Bytes>, Error> {
        let found = log.settled_read(self.group, async || self.read(log).await);
        let found = found.await;
        let start = log.with(|c| c.group(self.group).map(|g| g.start.offset))?;
        if self.from < start {
            return Err(Error::new(Kind::OutOfRange, "read").group(self.group));
        }
        found
    }

    /// From the segment that has the offset, or the first behind it in which something is left.
    async fn read<R: Runtime>(&self, log: &Log<R>) -> Result<Vec<Bytes>, Error> {
        let mut from = self.from;
        loop {
            let (base, ahead) = log.with(|c| {
                let state = c.group(self.group)?;
                let base = state.segment_for(from).map(|s| s.base_offset);
                Ok((base, state.segments.read_end == from))
            })?;
            let Some(base) = base else {
                return Err(Error::new(Kind::OutOfRange, "find segment").group(self.group));
            };
            let segment = log.segment(self.group, base).await?;
            let found = self.read_segment(log, &segment, ahead).await?;
            from = segment.map.settled.next_offset;
            if !found.is_empty() || from >= self.upto {
                return Ok(found);
            }
            if let Some(found) = log.with(|c| self.read_behind(c, from))? {
                return Ok(found);
            }
        }
    }

    /// From memory, if no segment goes on at `from`, where one ends; None if one does.
    fn read_behind<F: Clone>(
        &self,
        core: &Core<F>,
        from: Offset,
    ) -> Result<Option<Vec<Bytes>>, Error> {
        let state = core.group(self.group)?;
        let bytes_max = u64::from(self.bytes_max);
        let found = state.read_tail(from, self.upto, bytes_max, self.first_whole);
        match found {
            // It may have been settled, and dropped from memory, since the map was looked at.
            None if state.settled.next_offset > from => Ok(None),
            found => Ok(Some(found.unwrap_or_default())),
        }
    }

    async fn read_segment<R: Runtime>(
        &self,
        log: &Log<R>,
        segment: &Segment<R>,
        ahead: bool,
    ) -> Result<Vec<Bytes>, Error> {
        let bytes_max = u64::from(self.bytes_max);
        let mut position = segment
            .map
            .mark_for_offset(self.from)
            .map_or(0, |mark| mark.position);
        let mut held = nothing();
        let mut found = Found::default();
        let mut block_bytes = 0;
        let enough = ENOUGH_BYTES.min(bytes_max / 2);
        loop {
            let left = bytes_max.saturating_sub(found.bytes);
            let begin = held.position;
            let unit = segment.unit_at(position, &mut held, left, ahead).await;
            if held.position != begin || block_bytes == 0 {
                block_bytes += count(held.bytes.len());
            }
            let unit = match unit {
                Ok(Some(unit)) => unit,
                Ok(None) => break,
                // What is sound before the damage is served.
                Err(error) if found.is_empty() => return Err(error),
                Err(_) => break,
            };
            let at = position;
            position += unit.bytes;
            if unit.next_offset <= self.from {
                continue;
            }
            if unit.base_offset >= self.upto {
                break;
            }
            let bytes = found.bytes + unit.bytes;
            if bytes > bytes_max && !(found.is_empty() && self.first_whole) {
                break;
            }
            let Some(data) = held.slice(at, position) else {
                return Err(segment.damaged(at));
            };
            found.add(data, unit.next_offset);
            if let Some(next) = held.missing(segment.map.framing, position)
                && found.bytes >= enough
                && !segment.is_at_hand(next)
            {
                break;
            }
        }
        log.with(|c| {
            if let Some(state) = c.groups.get_mut(&self.group) {
                state.segments.read_end = found.end;
            }
        });
        found.release(block_bytes);
        Ok(found.parts)
    }
}

/// Batches that were read.
#[derive(Default)]
struct Found {
    parts: Vec<Bytes>,
    bytes: u64,
    end: Offset,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    fn add(&mut self, data: Bytes, end: Offset) {
        self.bytes += count(data.len());
        self.end = end;
        self.parts.push(data);
    }

    /// Copies what is less than half of the blocks that it lies in: a client may hold it for long,
    /// and with it blocks of a hundred times its size that no cache counts any more.
    fn release(&mut self, block_bytes: u64) {
        if self.bytes * 2 < block_bytes && !self.is_empty() {
            self.parts = vec![Bytes::from(self.parts.concat())];
        }
    }
}

/// Entries for a follower, or for a restart.
pub enum Entries {
    /// Contiguous from the index that was asked for; at least one if there is one.
    Ready(Vec<Entry>),
    Disk(EntriesPlan),
}

/// A read of entries that goes to disk.
pub struct EntriesPlan {
    pub group: GroupId,
    /// Inclusive.
    pub from: LogIndex,
    /// Exclusive.
    pub to: LogIndex,
    pub bytes_max: u32,
}

impl EntriesPlan {
    /// Contiguous from `from`; may be fewer than asked, at least one.
    ///
    /// # Errors
    /// As [`ReadPlan::run`].
    pub async fn run<R: Runtime>(self, log: &Log<R>) -> Result<Vec<Entry>, Error> {
        let found = log.settled_read(self.group, async || self.read(log).await);
        let found = found.await;
        let start = log.with(|c| c.group(self.group).map(|g| g.start.index))?;
        if self.from < start {
            return Err(Error::new(Kind::OutOfRange, "read entries").group(self.group));
        }
        found
    }

    async fn read<R: Runtime>(&self, log: &Log<R>) -> Result<Vec<Entry>, Error> {
        let segment = self.find(log).await?;
        let map = &segment.map;
        let start = Cursor {
            position: 0,
            index: map.base_index,
        };
        let mut cursor = map.mark_for_index(self.from).map_or(start, Cursor::from);
        let bytes_max = u64::from(self.bytes_max);
        let ahead = log.with(|c| c.group(self.group).map(|g| g.segments.entries_end))? == self.from;
        let mut held = nothing();
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        loop {
            let left = bytes_max.saturating_sub(bytes);
            let next = segment.next_entry(&mut cursor, &mut held, left, ahead);
            let entry = match next.await {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) if entries.is_empty() => return Err(error),
                Err(_) => break,
            };
            if entry.index < self.from {
                continue;
            }
            bytes += count(entry.data.len());
            if entry.index >= self.to || bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        log.with(|c| {
            if let (Some(state), Some(last)) = (c.groups.get_mut(&self.group), entries.last()) {
                state.segments.entries_end = last.index.next();
            }
        });
        Ok(entries)
    }

    /// The segment that covers the first entry.
    async fn find<R: Runtime>(&self, log: &Log<R>) -> Result<Segment<R>, Error> {
        let bases = log.with(|c| {
            let state = c.group(self.group)?;
            let list = &state.segments.list;
            Ok(list.iter().map(|s| s.base_offset).collect::<Vec<_>>())
        })?;
        let (mut low, mut high) = (0, bases.len());
        while low < high {
            let middle = low.midpoint(high);
            let segment = log.segment(self.group, bases[middle]).await?;
            if self.from < segment.map.base_index {
                high = middle;
            } else if self.from > segment.map.settled.index {
                low = middle + 1;
            } else {
                return Ok(segment);
            }
        }
        Err(Error::new(Kind::OutOfRange, "find entry").group(self.group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: usize, is_kept: bool) {
        let block = Bytes::from(vec![7; 1000]);
        let mut found = Found::default();
        found.add(block.slice(100..100 + bytes / 2), Offset(1));
        found.add(block.slice(100 + bytes / 2..100 + bytes), Offset(2));
        found.release(1000);
        let parts = found.parts.concat();
        assert_eq!(parts, block.slice(100..100 + bytes));
        drop(found);
        let mut found = Found::default();
        found.add(block.slice(..bytes), Offset(1));
        drop(block);
        found.release(1000);
        let part = found.parts.remove(0);
        // Whoever is the only owner of the whole block may have it back.
        let is_whole = part
            .try_into_mut()
            .is_ok_and(|part| part.capacity() >= 1000);
        assert_eq!(is_whole, is_kept, "{bytes}");
    }

    #[test]
    fn a_small_part_of_a_block_does_not_hold_the_block() {
        check(100, false);
        check(498, false);
        check(500, true);
        check(900, true);
    }
}
