//! When a group is due for a pass, and over what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use corelog_base::{GroupId, LogStart, Offset, TimestampMs};

use crate::CompactionConfig;
use crate::group::{Group, SegmentEnd, SegmentMeta, folder};
use crate::unit::{Framing, max_timestamp};

/// Offsets of one segment are within this of each other: Kafka counts them from the first.
const SPAN_MAX: i64 = i32::MAX as i64;

/// A pass over a group. Owns all that it needs.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub group: GroupId,
    pub folder: PathBuf,
    pub now: TimestampMs,
    pub config: CompactionConfig,
    pub segment_bytes_max: u64,
    /// Records below were deleted.
    pub start: Offset,
    /// Earlier passes have looked at every record below.
    pub clean: Offset,
    /// From the first on.
    pub segments: Vec<SegmentMeta>,
    /// Where the last of them ends.
    pub end: Offset,
}

/// What a group needs.
#[derive(Debug)]
pub(super) enum Due {
    Nothing,
    /// The maps of some segments were not read since the start.
    Ends,
    /// The log must begin here first: consensus could still ask for what is to be compacted.
    Start(LogStart),
    Pass(Plan),
}

impl Group {
    /// `upto`: records from there on may belong to open transactions.
    pub(super) fn compaction_due(
        &self,
        id: GroupId,
        dir: &Path,
        now: TimestampMs,
        upto: Offset,
    ) -> Due {
        let Some(config) = self.config.compaction else {
            return Due::Nothing;
        };
        let usable = Framing::of(id) == Framing::Kafka && self.damage.is_empty() && !self.removed;
        if !usable {
            return Due::Nothing;
        }
        let older = self.segments.list.len().saturating_sub(1);
        let older = self.segments.list.get(..older).unwrap_or_default();
        if older.iter().any(|s| s.end.is_none()) {
            return Due::Ends;
        }
        let segments = self.compactable(older, config, now, upto);
        if !self.is_worth_it(&segments, config, now) {
            return Due::Nothing;
        }
        let Some(SegmentEnd { last, .. }) = segments.last().and_then(|s| s.end) else {
            return Due::Nothing;
        };
        if last.index >= self.start.index {
            return Due::Start(LogStart {
                index: last.index.next(),
                term_before: last.term,
                offset: self.start.offset,
            });
        }
        if last.index >= self.flushed_start.index {
            return Due::Nothing;
        }
        Due::Pass(Plan {
            group: id,
            folder: folder(dir, self.topic, self.partition),
            now,
            config,
            segment_bytes_max: self.config.segment_bytes_max,
            start: self.flushed_start.offset,
            clean: self.segments.clean,
            segments,
            end: last.next_offset,
        })
    }

    fn compactable(
        &self,
        older: &[SegmentMeta],
        config: CompactionConfig,
        now: TimestampMs,
        upto: Offset,
    ) -> Vec<SegmentMeta> {
        let young = before(now, config.lag_min);
        let fits = |end: SegmentEnd| {
            let known = end.last.next_offset <= self.segments.clean;
            let rests = config.lag_min.is_zero() || known || end.max_timestamp <= young;
            end.last.next_offset <= upto && rests
        };
        let fit = older.iter().take_while(|s| s.end.is_some_and(fits));
        fit.copied().collect()
    }

    fn is_worth_it(
        &self,
        segments: &[SegmentMeta],
        config: CompactionConfig,
        now: TimestampMs,
    ) -> bool {
        let is_dirty = |s: &&SegmentMeta| {
            s.end
                .is_some_and(|e| e.last.next_offset > self.segments.clean)
        };
        let total: u64 = segments.iter().map(|s| s.bytes).sum();
        let dirty: u64 = segments.iter().filter(is_dirty).map(|s| s.bytes).sum();
        if dirty == 0 {
            return false;
        }
        let share = u128::from(dirty) * 1_000_000;
        let enough = share > u128::from(total) * u128::from(config.dirty_ppm_min);
        let oldest = segments.iter().find(is_dirty).and_then(|s| s.end);
        let late = match (config.lag_max, oldest) {
            (Some(lag), Some(end)) => end.begun <= before(now, lag),
            _ => false,
        };
        enough || late
    }

    /// Whether the newest segment should be sealed, or what is in memory settled, so that a pass
    /// may look at it in time.
    pub(super) fn is_late_for_compaction(&self, id: GroupId, now: TimestampMs) -> bool {
        let Some(config) = self.config.compaction else {
            return false;
        };
        let newest = self.segments.newest.as_ref();
        let aged = newest.is_some_and(|map| {
            let is_old = map.begun <= before(now, self.config.segment_age_max);
            !map.sealed && map.whole > 0 && is_old
        });
        let first = self.tail.get(self.place(self.settled.index.next()));
        let first = first.filter(|t| t.entry.index <= self.committed);
        let waits = first.is_some_and(|t| {
            let time = max_timestamp(Framing::of(id), &t.entry);
            let late = |lag| time != TimestampMs::NONE && time <= before(now, lag);
            t.entry.index > self.settled.index && config.lag_max.is_some_and(late)
        });
        aged || waits
    }

    /// The end of the segments that are compacted, from the first on.
    pub(crate) fn compacted_upto(&self) -> Offset {
        let compacted = self.segments.list.iter().take_while(|s| s.generation > 0);
        let ends = compacted.filter_map(|s| s.end);
        ends.last().map_or(Offset(0), |end| end.last.next_offset)
    }
}

fn before(now: TimestampMs, age: Duration) -> TimestampMs {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    TimestampMs(now.0.saturating_sub(age))
}

impl Plan {
    /// Neighbours that become one segment.
    pub(super) fn parts(&self, mapped: Offset) -> Vec<Vec<SegmentMeta>> {
        let mut all: Vec<Vec<SegmentMeta>> = Vec::new();
        let mut bytes = 0;
        let reached = self.segments.iter().take_while(|s| s.base_offset < mapped);
        for segment in reached {
            let first = all.last().and_then(|part| part.first());
            let fits = first.is_some_and(|first| {
                let end = segment.end.map_or(Offset(i64::MAX), |e| e.last.next_offset);
                let span = end.0.saturating_sub(first.base_offset.0);
                bytes + segment.bytes <= self.segment_bytes_max && span <= SPAN_MAX
            });
            match all.last_mut() {
                Some(part) if fits => {
                    bytes += segment.bytes;
                    part.push(*segment);
                }
                _ => {
                    bytes = segment.bytes;
                    all.push(vec![*segment]);
                }
            }
        }
        all
    }
}
