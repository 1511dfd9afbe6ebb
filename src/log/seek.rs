//! Finding records by time, over segments and memory.

use bytes::Bytes;
use corelog_base::{GroupId, Offset, TimestampMs};
use corelog_record::first_at_or_after;
use corelog_rt::Runtime;

use crate::group::{Group, SegmentEnd};
use crate::segment::nothing;
use crate::unit::{Framing, is_bare, max_timestamp};
use crate::{Error, Log};

/// What one batch may take when it is decompressed to look at its records.
const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;
/// Read at once while looking.
const STEP_BYTES: u64 = 256 << 10;

/// A record's offset and timestamp.
type Found = (Offset, TimestampMs);

/// What is looked for.
struct Sought {
    group: GroupId,
    time: TimestampMs,
    /// Inclusive: the log start.
    from: Offset,
    /// Exclusive.
    upto: Offset,
}

impl Sought {
    /// Segments that may have it, among those with something behind an offset; and how far they
    /// go.
    fn bases(&self, group: &Group, behind: Offset) -> (Vec<Offset>, Offset) {
        let list = &group.segments.list;
        let behind = behind.max(self.from);
        // The last one that begins there or before may hold it.
        let first = list.partition_point(|s| s.base_offset <= behind);
        let fits = list[first.saturating_sub(1)..].iter().filter(|s| {
            let may = |end: SegmentEnd| end.max_timestamp >= self.time;
            s.base_offset < self.upto && s.end.is_none_or(may)
        });
        (
            fits.map(|s| s.base_offset).collect(),
            group.settled.next_offset,
        )
    }

    /// The first fitting record of a batch.
    fn in_batch(&self, batch: &[u8], base_offset: Offset) -> Result<Option<Found>, Error> {
        let found = first_at_or_after(batch, self.time, DECOMPRESSED_BYTES_MAX).map_err(|_| {
            let range = base_offset..Offset(base_offset.0 + 1);
            Error::damaged("look into batch", self.group, range)
        })?;
        // Of a batch that the start cuts, the first record that is still there is the answer.
        Ok(found
            .map(|(offset, timestamp)| (offset.max(self.from), timestamp))
            .filter(|(offset, _)| *offset < self.upto))
    }
}

impl<R: Runtime> Log<R> {
    /// The first record below `upto` whose timestamp is at least `time`, and that timestamp.
    ///
    /// # Errors
    /// `NoSuchGroup`, `Damaged`, `Io`.
    pub async fn offset_at_time(
        &self,
        group: GroupId,
        time: TimestampMs,
        upto: Offset,
    ) -> Result<Option<(Offset, TimestampMs)>, Error> {
        loop {
            let from = self.with(|c| c.group(group).map(|g| g.start.offset))?;
            let sought = Sought {
                group,
                time,
                from,
                upto,
            };
            let found = self.settled_read(group, async || self.seek(&sought).await);
            let found = found.await;
            // A file that went with a moved start is no error.
            let start = self.with(|c| c.group(group).map(|g| g.start.offset))?;
            if found.is_ok() || start == from {
                return found;
            }
        }
    }

    async fn seek(&self, sought: &Sought) -> Result<Option<Found>, Error> {
        let mut behind = sought.from;
        loop {
            let (bases, settled) = self.with(|c| {
                let state = c.group(sought.group)?;
                Ok(sought.bases(state, behind))
            })?;
            for base in bases {
                let found = self.seek_segment(sought, base).await;
                if !self.has_segment(sought.group, base) {
                    continue;
                }
                if let Some(found) = found? {
                    return Ok(Some(found));
                }
            }
            // Meanwhile more may have been settled, and dropped from memory.
            match self.seek_tail(sought, settled)? {
                Some(found) => return Ok(found),
                None => behind = settled,
            }
        }
    }

    async fn seek_segment(&self, sought: &Sought, base: Offset) -> Result<Option<Found>, Error> {
        let segment = self.segment(sought.group, base).await?;
        let Some(mark) = segment.map.mark_for_time(sought.time) else {
            return Ok(None);
        };
        let mut position = mark.position;
        let mut held = nothing();
        while let Some(unit) = segment
            .unit_at(position, &mut held, STEP_BYTES, false)
            .await?
        {
            let at = position;
            position += unit.bytes;
            if unit.base_offset >= sought.upto {
                return Ok(None);
            }
            if unit.max_timestamp < sought.time || unit.next_offset <= sought.from {
                continue;
            }
            let Some(batch) = held.slice(at, position) else {
                return Err(segment.damaged(at));
            };
            if let Some(found) = sought.in_batch(&batch, unit.base_offset)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Among the entries in memory from `behind` on; None if they do not begin there.
    fn seek_tail(&self, sought: &Sought, behind: Offset) -> Result<Option<Option<Found>>, Error> {
        let framing = Framing::of(sought.group);
        let batches: Option<Vec<(Offset, Bytes)>> = self.with(|c| {
            let state = c.group(sought.group)?;
            let front = state.tail.front().map(|t| t.entry.base_offset);
            if front.unwrap_or(state.settled.next_offset) > behind {
                return Ok(None);
            }
            let from = state
                .tail
                .partition_point(|t| t.entry.next_offset <= behind);
            let fits = state
                .tail
                .range(from..)
                .map(|t| &t.entry)
                .filter(|e| e.base_offset < sought.upto && e.next_offset > sought.from)
                .filter(|e| !is_bare(e) && max_timestamp(framing, e) >= sought.time);
            Ok(Some(
                fits.map(|e| (e.base_offset, e.data.clone())).collect(),
            ))
        })?;
        let Some(batches) = batches else {
            return Ok(None);
        };
        for (base_offset, batch) in batches {
            if let Some(found) = sought.in_batch(&batch, base_offset)? {
                return Ok(Some(Some(found)));
            }
        }
        Ok(Some(None))
    }

    /// The first record below `upto` with the largest timestamp.
    ///
    /// # Errors
    /// `NoSuchGroup`, `Damaged`, `Io`.
    pub async fn max_timestamp(
        &self,
        group: GroupId,
        upto: Offset,
    ) -> Result<Option<(Offset, TimestampMs)>, Error> {
        // Compaction may take the record between the two steps.
        let found = self.settled_read(group, async || {
            let largest = self.largest(group, upto).await?;
            if largest == TimestampMs::NONE {
                return Ok(None);
            }
            self.offset_at_time(group, largest, upto).await
        });
        found.await
    }

    /// The largest timestamp of the records from the start up to `upto`.
    async fn largest(&self, group: GroupId, upto: Offset) -> Result<TimestampMs, Error> {
        self.load_ends(group).await?;
        let (whole, parts) = self.with(|c| {
            let state = c.group(group)?;
            let framing = Framing::of(group);
            let start = state.start.offset;
            let mut largest = TimestampMs::NONE;
            let mut parts = Vec::new();
            for segment in &state.segments.list {
                let Some(end) = segment.end else { continue };
                let below = end.last.next_offset <= start || segment.base_offset >= upto;
                if below {
                    continue;
                }
                if segment.base_offset >= start && end.last.next_offset <= upto {
                    largest = largest.max(end.max_timestamp);
                } else {
                    parts.push(segment.base_offset);
                }
            }
            let from = state.place(state.settled.index.next());
            for t in state.tail.range(from..) {
                let entry = &t.entry;
                if entry.next_offset > start && entry.next_offset <= upto {
                    largest = largest.max(max_timestamp(framing, entry));
                }
            }
            Ok((largest, (parts, start)))
        })?;
        let (parts, start) = parts;
        let mut largest = whole;
        for base in parts {
            let found = self.largest_in(group, base, start, upto).await;
            if self.has_segment(group, base) {
                largest = largest.max(found?);
            }
        }
        Ok(largest)
    }

    /// Of a segment that a border cuts.
    async fn largest_in(
        &self,
        group: GroupId,
        base: Offset,
        from: Offset,
        upto: Offset,
    ) -> Result<TimestampMs, Error> {
        let segment = self.segment(group, base).await?;
        let mark = segment.map.mark_for_offset(from);
        let mut position = mark.map_or(0, |m| m.position);
        let mut held = nothing();
        let mut largest = TimestampMs::NONE;
        while let Some(unit) = segment
            .unit_at(position, &mut held, STEP_BYTES, false)
            .await?
        {
            position += unit.bytes;
            if unit.next_offset > upto {
                break;
            }
            if unit.next_offset > from {
                largest = largest.max(unit.max_timestamp);
            }
        }
        Ok(largest)
    }
}
