//! The task of a group that goes around the journal: see `bulk.rs`.

use std::io;
use std::time::Duration;

use corelog_base::{GroupId, Offset, crc32c};
use corelog_rt::{AlignedBuf, File, OpenMode, Runtime, timeout};

use crate::Log;
use crate::bulk::{Next, Run, TakeOver};
use crate::codec::{count, index, round_down};
use crate::error::is_full;
use crate::group::{folder, segment_path};
use crate::reference::Place;

/// How long entries wait for the settling of those before them.
const TAKE_OVER_MAX: Duration = Duration::from_millis(50);
/// How long a group that has nothing to write keeps its way: taking over costs a wait.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Writes a group's entries around the journal until it goes back.
pub(crate) async fn go_around<R: Runtime>(log: Log<R>, group: GroupId) {
    if take_over(&log, group).await {
        let mut file = None;
        while let Some(run) = next_run(&log, group).await {
            if !write_run(&log, group, run, &mut file).await {
                break;
            }
            log.wake.write.notify();
        }
    }
    log.with(|c| c.leave_bulk(group));
    log.wake.write.notify();
    log.wake.settle.notify();
    log.wake.events.notify();
}

async fn take_over<R: Runtime>(log: &Log<R>, group: GroupId) -> bool {
    let Some(notify) = log.with(|c| c.bulk_notify(group)) else {
        return false;
    };
    let due = log.rt.now() + TAKE_OVER_MAX;
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

async fn next_run<R: Runtime>(log: &Log<R>, group: GroupId) -> Option<Run> {
    loop {
        let now = log.rt.wall();
        let notify = match log.with(|c| c.next_run(group, now)) {
            Next::Run(run) => return Some(run),
            Next::End => return None,
            Next::Idle(notify) => notify,
        };
        if timeout(&log.rt, IDLE_MAX, notify.notified()).await.is_err() {
            return None;
        }
    }
}

/// False if the group must go back.
async fn write_run<R: Runtime>(
    log: &Log<R>,
    group: GroupId,
    run: Run,
    file: &mut Option<R::File>,
) -> bool {
    let block = log.with(|c| u64::from(c.block));
    let data: usize = run.entries.iter().map(|e| e.data.len()).sum();
    let room = run.chain.tail.len() + data + index(block);
    let mut buf = log.with(|c| c.take_spare(room));
    let (places, tail) = lay_out(&run, &mut buf, block);
    #[cfg(feature = "planted")]
    if crate::planted::is_awake(crate::planted::Bug::RefersEarly) {
        log.with(|c| c.run_done(group, &run, &places));
        log.wake.write.notify();
    }
    let bytes = count(buf.len());
    let (result, buf) = write(log, group, &run, buf, block, file).await;
    log.with(|c| {
        c.give_spare(buf);
        match &result {
            Ok(()) => {
                c.stats.bulk_bytes_written += bytes;
                c.extend_chain(group, run.chain.end + count(data), tail);
                c.run_done(group, &run, &places);
            }
            // The journal waits for space.
            Err(error) if is_full(error) => c.disk.full = true,
            // Its files are gone with it.
            Err(_) if c.groups.get(&group).is_none_or(|g| g.removed) => {}
            Err(error) => c.fence(format!("write entries to a segment: {error}")),
        }
    });
    result.is_ok()
}

/// Fills the buffer with whole blocks, and says where each entry lies and what is left over.
fn lay_out(run: &Run, buf: &mut AlignedBuf, block: u64) -> (Vec<Place>, Vec<u8>) {
    buf.set_len(0);
    buf.extend_from_slice(&run.chain.tail);
    let mut end = run.chain.end;
    let mut places = Vec::new();
    for entry in &run.entries {
        buf.extend_from_slice(&entry.data);
        places.push(Place {
            base_offset: run.chain.base_offset,
            position: end,
            written: 0,
            crc: crc32c(&entry.data),
        });
        end += count(entry.data.len());
    }
    let written = round_down(end, block);
    for place in &mut places {
        place.written = written;
    }
    let whole = buf.len() - index(end - written);
    let tail = buf[whole..].to_vec();
    buf.set_len(whole);
    (places, tail)
}

async fn write<R: Runtime>(
    log: &Log<R>,
    group: GroupId,
    run: &Run,
    buf: AlignedBuf,
    block: u64,
    file: &mut Option<R::File>,
) -> (io::Result<()>, AlignedBuf) {
    let base_offset = run.chain.base_offset;
    let open = match file.take() {
        Some(file) => file,
        None => match open_segment(log, group, base_offset).await {
            Ok(file) => file,
            Err(error) => return (Err(error), buf),
        },
    };
    let position = round_down(run.chain.end, block);
    let written = open.commit(buf, position).await;
    *file = Some(open);
    written
}

/// The group's newest segment. While the group goes around the journal nobody else opens it: the
/// cycles that settle what was placed write maps only.
async fn open_segment<R: Runtime>(
    log: &Log<R>,
    group: GroupId,
    base_offset: Offset,
) -> io::Result<R::File> {
    let (known, path) = log.with(|c| {
        let known = c.cache.written.segment((group, base_offset));
        let state = c.groups.get(&group);
        let path = state.map(|g| folder(&c.options.dir, g.topic, g.partition));
        (known, path.map(|folder| segment_path(&folder, base_offset)))
    });
    match (known, path) {
        (Some(file), _) => Ok(file),
        (None, Some(path)) => log.rt.open(&path, OpenMode::ReadWrite).await,
        (None, None) => Err(io::ErrorKind::NotFound.into()),
    }
}
