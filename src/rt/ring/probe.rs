//! Which way of making a write durable is faster on a disk.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use corelog_base::CoreId;

use super::file::RingFile;
use super::runtime::{RingRuntime, start};
use crate::{AlignedBuf, CommitMode, CorePlan, File, OpenMode, Options, Runtime};

/// How long it measures, without the making of its file.
const MEASURE: Duration = Duration::from_millis(20);
const FILE_BYTES: usize = 256 * 1024;
const NAME: &str = ".commit-probe";

/// Measures both ways of committing on a prewritten file in `dir`, for at most 20 ms, and names
/// the faster. A tie goes to the linked flush. The file is removed again.
///
/// Blocks the calling thread: for the boot and the command line, before the cores are started.
///
/// # Errors
/// No ring could be made, or no file in `dir` written.
pub fn probe_commit(dir: &Path) -> io::Result<CommitMode> {
    let verdict = Arc::new(Mutex::new(Err(io::ErrorKind::Interrupted.into())));
    let plan = CorePlan {
        core: CoreId(0),
        cpu: None,
    };
    let path = dir.join(NAME);
    let place = Arc::clone(&verdict);
    let cores = start(vec![plan], Options::default(), move |rt| {
        let (path, place) = (path.clone(), Arc::clone(&place));
        async move {
            let measured = measure(&rt, &path).await;
            // Nothing is left behind, whatever happened; a file that was never made is no news.
            let _ = rt.remove_file(&path).await;
            *place.lock().unwrap_or_else(PoisonError::into_inner) = measured;
        }
    })?;
    cores.join();
    let mut verdict = verdict.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut verdict, Err(io::ErrorKind::Interrupted.into()))
}

async fn measure(rt: &RingRuntime, path: &Path) -> io::Result<CommitMode> {
    // One may be left from a crash.
    let _ = rt.remove_file(path).await;
    let file = rt.open(path, OpenMode::CreateNew).await?;
    let mut zeros = AlignedBuf::with_capacity(FILE_BYTES);
    zeros.set_len(FILE_BYTES);
    file.write(zeros, 0).await.0?;
    file.sync_all().await?;
    let mut buf = AlignedBuf::with_capacity(file.alignment() as usize);
    buf.set_len(file.alignment() as usize);
    let mut linked = Vec::new();
    let mut dsync = Vec::new();
    let begin = rt.now();
    let mut position = 0;
    // Interleaved, so that what else the machine does hits both. Each is measured at least once.
    while linked.is_empty() || rt.now().since(begin) < MEASURE {
        for (mode, times) in [
            (CommitMode::LinkedFlush, &mut linked),
            (CommitMode::Dsync, &mut dsync),
        ] {
            let took;
            (took, buf) = one(rt, &file, mode, buf, position).await?;
            times.push(took);
        }
        position = (position + buf.len() as u64) % FILE_BYTES as u64;
    }
    let (linked, dsync) = (median(linked), median(dsync));
    tracing::debug!(?linked, ?dsync, "measured the ways to commit");
    Ok(if dsync < linked {
        CommitMode::Dsync
    } else {
        CommitMode::LinkedFlush
    })
}

async fn one(
    rt: &RingRuntime,
    file: &RingFile,
    mode: CommitMode,
    buf: AlignedBuf,
    position: u64,
) -> io::Result<(Duration, AlignedBuf)> {
    let begin = rt.now();
    let (result, buf) = file.commit_as(mode, buf, position).await;
    result?;
    Ok((rt.now().since(begin), buf))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_decides_and_leaves_nothing() {
        let dir = crate::real_host::scratch();
        probe_commit(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(probe_commit(&dir.path().join("missing")).is_err());
    }
}
