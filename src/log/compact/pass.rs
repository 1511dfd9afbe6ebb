//! One pass: notes the last offset of each key, then writes what stays, segment after segment.

use corelog_base::Offset;
use corelog_rt::Runtime;

use super::batch::{Left, Sieve, Worker};
use super::key_hash::HashKey;
use super::key_table::KeyTable;
use super::plan::Plan;
use super::replace::replace;
use super::sink::Sink;
use super::source::Source;
use crate::group::{SegmentMeta, segment_path};
use crate::map::SegmentMap;
use crate::settler::open_or_create;
use crate::{Error, Kind, Log};

/// Runs a pass to its end, or up to where the table of keys was full.
pub(super) async fn run<R: Runtime>(log: &Log<R>, plan: &Plan) -> Result<(), Error> {
    let bytes_max = log.with(|c| c.options.compaction_bytes_max);
    let keys = plan.end.0.saturating_sub(plan.clean.0);
    let keys = u64::try_from(keys).unwrap_or(0);
    let hash_key = HashKey(log.rt.random(), log.rt.random());
    let table = KeyTable::new(keys, bytes_max, hash_key);
    let mut worker = Worker::new(log, plan, Sieve::new(plan, table));
    let outcome = both_steps(&mut worker, plan).await;
    let Worker {
        mut pace, sieve, ..
    } = worker;
    let removed = sieve.removed_records;
    log.with(|c| c.stats.compaction.removed_records += removed);
    // Giving so much memory back takes long, too. It is given back even if too much waits.
    let gone = pace.away(log.rt.compute(move || drop(sieve))).await;
    drop(gone);
    outcome
}

async fn both_steps<R: Runtime>(worker: &mut Worker<R>, plan: &Plan) -> Result<(), Error> {
    note_keys(worker, plan).await?;
    let parts = plan.parts(worker.sieve.mapped);
    let last = parts.len().saturating_sub(1);
    for (at, parts) in parts.iter().enumerate() {
        // Only when every key below has met the table.
        let clean = match at == last {
            true => worker.sieve.mapped,
            false => plan.clean,
        };
        rewrite(worker, plan, parts, clean).await?;
    }
    Ok(())
}

async fn open<R: Runtime>(
    worker: &mut Worker<R>,
    plan: &Plan,
    segment: &SegmentMeta,
) -> Result<Source<R>, Error> {
    let log = worker.log.clone();
    let opened = worker
        .pace
        .away(log.segment(plan.group, segment.base_offset))
        .await?;
    let map = &opened.map;
    if map.generation != segment.generation || !map.sealed {
        return Err(Error::new(Kind::OutOfRange, "compact").group(plan.group));
    }
    let (from, upto) = (map.base_offset, map.settled.next_offset);
    let aborted = log.checkpoints.with(|c| c.aborted(plan.group, from, upto));
    worker.sieve.set_aborted(aborted);
    Ok(Source::new(&log, opened))
}

async fn note_keys<R: Runtime>(worker: &mut Worker<R>, plan: &Plan) -> Result<(), Error> {
    let dirty = |s: &&SegmentMeta| s.end.is_some_and(|e| e.last.next_offset > plan.clean);
    for segment in plan.segments.iter().filter(dirty) {
        let mut source = open(worker, plan, segment).await?;
        source.skip_to(plan.clean);
        while let Some((header, batch)) = source.next(&mut worker.pace).await? {
            if !worker.note(&header, &batch).await {
                return Ok(());
            }
            if worker.pace.is_over() {
                worker.pace.rest().await;
            }
        }
        let end = source.segment.map.settled.next_offset;
        worker.sieve.mapped = worker.sieve.mapped.max(end);
    }
    Ok(())
}

/// Writes what stays of some neighbours, and puts it in their place.
async fn rewrite<R: Runtime>(
    worker: &mut Worker<R>,
    plan: &Plan,
    parts: &[SegmentMeta],
    clean: Offset,
) -> Result<(), Error> {
    let log = worker.log.clone();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return Ok(());
    };
    let first_map = open(worker, plan, first).await?.segment.map.clone();
    let last_map = open(worker, plan, last).await?.segment.map.clone();
    let generation = first.generation.checked_add(1);
    let generation = generation
        .ok_or_else(|| Error::new(Kind::OutOfRange, "count generations").group(plan.group))?;
    let map = SegmentMap::begin_compacted(&first_map, &last_map, generation, clean);
    let path = segment_path(&plan.folder, first.base_offset, generation);
    let file = create(worker, plan, &path).await?;
    let mut sink = Sink::new(&log, map, file, path.clone());
    let written = match fill(worker, plan, parts, &mut sink).await {
        Ok(()) => {
            let block = log.with(|c| c.block);
            sink.finish(block, &mut worker.pace).await
        }
        Err(error) => Err(error),
    };
    let replaced = match written {
        Ok(map) => replace(&log, plan, parts, map, &mut worker.pace).await,
        Err(error) => Err(error),
    };
    if let Err(error) = replaced {
        if log.with(|c| c.disk.fenced.is_none()) {
            worker.pace.away(log.unlink(&path)).await;
        }
        return Err(error);
    }
    Ok(())
}

/// Nobody removes the group's folder meanwhile.
async fn create<R: Runtime>(
    worker: &mut Worker<R>,
    plan: &Plan,
    path: &std::path::Path,
) -> Result<R::File, Error> {
    let log = worker.log.clone();
    let hold = worker.pace.away(log.hold(plan.group)).await;
    let known = log.with(|c| c.group(plan.group).map(|_| ()));
    let made = match known {
        Ok(()) => worker
            .pace
            .away(open_or_create(&log.rt, path, true))
            .await
            .map_err(|e| Error::io("create compacted segment", path, e)),
        Err(error) => Err(error),
    };
    log.release_hold(hold);
    made
}

async fn fill<R: Runtime>(
    worker: &mut Worker<R>,
    plan: &Plan,
    parts: &[SegmentMeta],
    sink: &mut Sink<R>,
) -> Result<(), Error> {
    for segment in parts {
        let mut source = open(worker, plan, segment).await?;
        while let Some((header, batch)) = source.next(&mut worker.pace).await? {
            match worker.left_of(&header, &batch).await {
                Left::Nothing => {}
                Left::Whole => sink.put(&batch, &mut worker.pace).await?,
                Left::Batch(left) => sink.put(&left, &mut worker.pace).await?,
            }
            if worker.pace.is_over() {
                worker.pace.rest().await;
            }
        }
    }
    Ok(())
}
