//! The task of a group that goes around the journal: see `bulk.rs`.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use corelog_base::{GroupId, Offset, crc32c};
use corelog_rt::{AlignedBuf, File, Notify, OpenMode, Runtime, Shared, timeout};

use crate::Log;
use crate::bulk::{ChainEnd, Next, Placed, Run, TakeOver};
use crate::cache::SegmentId;
use crate::codec::{count, index, round_down};
use crate::group::{folder, segment_path};
use crate::map::{CHUNK_BYTES, Summed};
use crate::reference::Place;

/// How long a group that has nothing to write keeps its way: taking over costs a wait.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Runs that are under way at the same time: one is laid out and summed while the disk has another.
const FLIGHTS_MAX: usize = 2;

type Written = (io::Result<()>, AlignedBuf);

/// Why no more runs are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The next entry is for the next segment.
    Full,
    Leaves,
}

/// A run on its way to the disk.
struct Flight {
    run: Run,
    placed: Vec<Placed>,
    /// What became of it, once the disk has answered.
    landed: Shared<Option<Written>>,
}

/// Writes a group's entries around the journal until it goes back.
pub(crate) async fn go_around<R: Runtime>(log: Log<R>, group: GroupId) {
    let notify = log.with(|c| c.bulk_notify(group));
    if let Some(notify) = notify {
        while take_over(&log, group, &notify).await
            && write_runs(&log, group, &notify).await == Ended::Full
        {
            log.with(|c| c.segment_full(group));
        }
    }
    log.with(|c| c.leave_bulk(group));
    log.wake.write.notify();
    log.wake.settle.notify();
    log.wake.events.notify();
}

/// Until the group goes back. Runs count in their order, whichever the disk has done first: nothing
/// refers to one behind a run that failed. When this returns nothing is under way, so that whoever
/// writes to the segment next is alone.
async fn write_runs<R: Runtime>(log: &Log<R>, group: GroupId, notify: &Notify) -> Ended {
    let mut file = None;
    let mut flights: VecDeque<Flight> = VecDeque::new();
    let (mut goes_on, mut failed) = (true, false);
    let mut ended = Ended::Leaves;
    loop {
        while let Some(written) = flights.front().and_then(|f| f.landed.with(Option::take)) {
            let Some(flight) = flights.pop_front() else {
                continue;
            };
            if !land(log, group, flight, written, !failed) {
                (goes_on, failed, ended) = (false, true, Ended::Leaves);
            }
        }
        if goes_on && flights.len() < FLIGHTS_MAX {
            let now = log.rt.wall();
            match log.with(|c| c.next_run(group, now)) {
                Next::Run(run) => {
                    let started = take_off(log, group, run, &mut file, notify).await;
                    goes_on = started.is_some();
                    flights.extend(started);
                    continue;
                }
                Next::End => goes_on = false,
                Next::Full => (goes_on, ended) = (false, Ended::Full),
                Next::Idle => {}
            }
        }
        match (flights.is_empty(), goes_on) {
            (true, false) => return ended,
            (true, true) => {
                let more = timeout(&log.rt, IDLE_MAX, notify.notified()).await;
                goes_on = more.is_ok();
            }
            (false, _) => notify.notified().await,
        }
    }
}

async fn take_over<R: Runtime>(log: &Log<R>, group: GroupId, notify: &Notify) -> bool {
    let due = log.rt.now() + log.with(|c| c.options.bulk.wait_max);
    loop {
        let now = log.rt.wall();
        match log.with(|c| c.take_over(group, now)) {
            TakeOver::Done => return true,
            TakeOver::No => return false,
            TakeOver::Wait => log.wake.settle.notify(),
        }
        let left = due.since(log.rt.now());
        if left.is_zero() || timeout(&log.rt, left, notify.notified()).await.is_err() {
            return false;
        }
    }
}

/// Starts to write a run. None if the group must go back.
async fn take_off<R: Runtime>(
    log: &Log<R>,
    group: GroupId,
    run: Run,
    file: &mut Option<R::File>,
    notify: &Notify,
) -> Option<Flight> {
    if file.is_none() {
        match open_segment(log, group, run.chain.base_offset).await {
            Ok(open) => *file = Some(open),
            Err(error) => {
                log.with(|c| c.run_failed(group, &error));
                return None;
            }
        }
    }
    let open = file.as_ref()?;
    let block = log.with(|c| u64::from(c.block));
    let data: usize = run.entries.iter().map(|e| e.data.len()).sum();
    let room = run.chain.end.tail.len() + data + index(block);
    let mut buf = log.with(|c| c.take_spare(room));
    let (placed, end) = lay_out(&run, &mut buf, block);
    log.with(|c| c.run_started(group, &run, end));
    #[cfg(feature = "planted")]
    if crate::planted::is_awake(crate::planted::Bug::RefersEarly) {
        log.with(|c| c.run_done(group, &run, placed.clone()));
        log.wake.write.notify();
    }
    let writing = open.commit(buf, round_down(run.chain.end.position, block));
    let landed = Shared::new(None);
    let (place, notify) = (landed.clone(), notify.clone());
    log.start(async move {
        let written = writing.await;
        place.with(|place| *place = Some(written));
        notify.notify();
    });
    Some(Flight {
        run,
        placed,
        landed,
    })
}

/// The disk has answered. False if the group must go back.
fn land<R: Runtime>(
    log: &Log<R>,
    group: GroupId,
    flight: Flight,
    (result, buf): Written,
    counts: bool,
) -> bool {
    let bytes = count(buf.len());
    log.with(|c| {
        c.give_spare(buf);
        match &result {
            Ok(()) => {
                c.stats.bulk_bytes_written += bytes;
                if counts {
                    c.run_done(group, &flight.run, flight.placed);
                }
            }
            Err(error) => c.run_failed(group, error),
        }
    });
    log.wake.write.notify();
    result.is_ok()
}

/// Fills the buffer with whole blocks, and says where each entry lies and where the next run begins.
/// What was copied is summed while the cache still has it.
fn lay_out(run: &Run, buf: &mut AlignedBuf, block: u64) -> (Vec<Placed>, ChainEnd) {
    let begin = &run.chain.end;
    buf.set_len(0);
    buf.extend_from_slice(&begin.tail);
    let start = round_down(begin.position, block);
    let mut summed = Summed {
        end: start,
        crc: begin.sum,
    };
    // What is behind the sums so far in the buffer, up to a position.
    let unsummed =
        |summed: &Summed, to: u64| index(summed.end - start)..index(to.max(summed.end) - start);
    let mut position = begin.position;
    let mut placed = Vec::new();
    for entry in &run.entries {
        let mut sums = Vec::new();
        for piece in entry.data.chunks(index(CHUNK_BYTES)) {
            buf.extend_from_slice(piece);
            let copied = round_down(start + count(buf.len()), CHUNK_BYTES);
            summed.advance(&buf[unsummed(&summed, copied)], &mut sums);
        }
        let place = Place {
            base_offset: run.chain.base_offset,
            position,
            written: 0,
            crc: crc32c(&entry.data),
        };
        position += count(entry.data.len());
        summed.advance(
            &buf[unsummed(&summed, round_down(position, block))],
            &mut sums,
        );
        placed.push(Placed {
            place,
            sums: sums.into(),
        });
    }
    for Placed { place, .. } in &mut placed {
        place.written = summed.end;
    }
    let whole = index(summed.end - start);
    let end = ChainEnd {
        position,
        tail: buf[whole..].to_vec(),
        sum: summed.crc,
    };
    buf.set_len(whole);
    (placed, end)
}

/// The group's newest segment. While the group goes around the journal nobody else opens it: the
/// cycles that settle what was placed write maps only.
async fn open_segment<R: Runtime>(
    log: &Log<R>,
    group: GroupId,
    base_offset: Offset,
) -> io::Result<R::File> {
    let (known, path) = log.with(|c| {
        // Only the newest segment grows, and only older ones are compacted.
        let id = SegmentId {
            group,
            base_offset,
            generation: 0,
        };
        let known = c.cache.written.segment(id);
        let state = c.groups.get(&group);
        let path = state.map(|g| folder(&c.options.dir, g.topic, g.partition));
        (
            known,
            path.map(|folder| segment_path(&folder, base_offset, 0)),
        )
    });
    match (known, path) {
        (Some(file), _) => Ok(file),
        (None, Some(path)) => log.rt.open(&path, OpenMode::ReadWrite).await,
        (None, None) => Err(io::ErrorKind::NotFound.into()),
    }
}
