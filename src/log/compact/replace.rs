//! Puts a compacted segment in the place of those that it was made of.

use corelog_base::GroupId;
use corelog_rt::Runtime;

use super::pace::Pace;
use super::plan::Plan;
use crate::core::Core;
use crate::group::{SegmentMeta, map_path, segment_path};
use crate::map::SegmentMap;
use crate::settler::{put_in_place, write_beside};
use crate::{Error, Kind, Log};

/// The new segment's file is durable; `map` says what it holds. On an error the old ones count,
/// unless the log is fenced: then nobody knows what a power loss would leave.
pub(super) async fn replace<R: Runtime>(
    log: &Log<R>,
    plan: &Plan,
    parts: &[SegmentMeta],
    map: SegmentMap,
    pace: &mut Pace<R>,
) -> Result<(), Error> {
    let hold = pace.away(log.hold(plan.group)).await;
    let replaced = replace_held(log, plan, parts, map, pace).await;
    log.release_hold(hold);
    replaced
}

async fn replace_held<R: Runtime>(
    log: &Log<R>,
    plan: &Plan,
    parts: &[SegmentMeta],
    mut map: SegmentMap,
    pace: &mut Pace<R>,
) -> Result<(), Error> {
    log.with(|c| c.still_there(plan.group, parts))?;
    let path = map_path(&plan.folder, map.base_offset);
    let folder = pace.away(log.rt.sync_dir(&plan.folder)).await;
    folder.map_err(|e| Error::io("flush folder", &plan.folder, e))?;
    let block = log.with(|c| c.block);
    let beside = pace
        .away(write_beside(&log.rt, &mut map, &path, block))
        .await;
    beside.map_err(|e| Error::io("write compacted map", &path, e))?;
    if let Err(error) = pace.away(put_in_place(&log.rt, &path)).await {
        let error = Error::io("replace segments", &path, error);
        log.with(|c| c.fence(error.to_string()));
        log.wake.events.notify();
        return Err(error);
    }
    log.with(|c| c.apply_compacted(plan.group, parts, map));
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            let map = map_path(&plan.folder, part.base_offset);
            pace.away(log.unlink(&map)).await;
        }
        let segment = segment_path(&plan.folder, part.base_offset, part.generation);
        pace.away(log.unlink(&segment)).await;
    }
    Ok(())
}

impl<F: Clone> Core<F> {
    /// Whether these are neighbours in the group's list, as they were.
    fn still_there(&self, group: GroupId, parts: &[SegmentMeta]) -> Result<(), Error> {
        let state = self.group(group)?;
        let list = &state.segments.list;
        let first = parts.first().map(|p| p.base_offset);
        let at = list.iter().position(|s| Some(s.base_offset) == first);
        let same = |(a, b): (&SegmentMeta, &SegmentMeta)| {
            a.base_offset == b.base_offset && a.generation == b.generation
        };
        // The newest is never among them.
        let there = at.is_some_and(|at| {
            let found = list.get(at..at + parts.len()).unwrap_or_default();
            at + parts.len() < list.len() && found.iter().zip(parts).all(same)
        });
        match there {
            true => Ok(()),
            false => Err(Error::new(Kind::OutOfRange, "replace segments").group(group)),
        }
    }

    /// The new one counts from now on. Who reads an old one meanwhile reads again.
    fn apply_compacted(&mut self, group: GroupId, parts: &[SegmentMeta], map: SegmentMap) {
        for part in parts {
            self.cache.forget(part.id(group));
        }
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        let segments = &mut state.segments;
        let (first, end) = (map.base_offset, map.settled);
        segments.list.retain(|s| {
            let is_part = s.base_offset > first && s.base_offset < end.next_offset;
            !is_part
        });
        if let Some(meta) = segments.find_mut(first) {
            *meta = SegmentMeta::of(&map);
        }
        segments.clean = segments.clean.max(map.clean);
        segments.replaced += 1;
        // What was removed must not be served from memory: the transactions that were aborted
        // are forgotten with their records.
        self.memory.cached_bytes -= state.evict(end.index);
        self.cache.put_map(map.id(), std::sync::Arc::new(map));
    }
}
