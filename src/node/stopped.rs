//! What can be done with the data directory of a stopped node, on a core of its own.

use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc;

use corelog_base::CoreId;
use corelog_log::{Finding, Salvaged};
use corelog_rt::any::{self, AnyRuntime};
use corelog_rt::{CorePlan, Options, RuntimeKind};

use crate::inspect::inspect;

type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// Checks the node's own files, every journal, map and segment, and names each flaw. Changes
/// nothing.
///
/// # Errors
/// What could not be read, in words.
pub fn verify(dir: &Path) -> Result<Vec<Finding>, String> {
    let path = dir.to_path_buf();
    let found = on_core(move |rt| {
        let path = path.clone();
        Box::pin(async move {
            let found = corelog_log::verify(&rt, &path).await;
            found.map_err(|e| e.to_string())
        })
    })?;
    let flaws = inspect(dir).map_err(|e| format!("list {}: {e}", dir.display()))?;
    let own = flaws.into_iter().map(|flaw| Finding {
        path: flaw.path,
        bytes: 0..0,
        group: None,
        offsets: None,
        what: flaw.what,
    });
    Ok(own.chain(found?).collect())
}

/// One line a journal frame and a segment.
///
/// # Errors
/// What could not be read, in words.
pub fn dump(dir: &Path) -> Result<Vec<String>, String> {
    let dir = dir.to_path_buf();
    on_core(move |rt| {
        let dir = dir.clone();
        Box::pin(async move {
            let mut lines = Vec::new();
            let dumped = corelog_log::dump(&rt, &dir, &mut |line| lines.push(line)).await;
            dumped.map(|()| lines).map_err(|e| e.to_string())
        })
    })?
}

/// Copies every sound batch to plain Kafka segments in `out`, and tells what is lost. Of `dir` it
/// only reads.
///
/// # Errors
/// What could not be read or written, in words.
pub fn salvage(dir: &Path, out: &Path) -> Result<Vec<Salvaged>, String> {
    let (dir, out) = (dir.to_path_buf(), out.to_path_buf());
    on_core(move |rt| {
        let (dir, out) = (dir.clone(), out.clone());
        Box::pin(async move {
            let saved = corelog_log::salvage(&rt, &dir, &out).await;
            saved.map_err(|e| e.to_string())
        })
    })?
}

fn on_core<T: Send + 'static>(
    work: impl Fn(AnyRuntime) -> Work<T> + Send + Sync + 'static,
) -> Result<T, String> {
    let (sender, receiver) = mpsc::channel();
    let plan = CorePlan {
        core: CoreId(0),
        cpu: None,
    };
    let cores = any::start(
        RuntimeKind::Ring,
        vec![plan],
        Options::default(),
        move |rt| {
            let (work, sender) = (work(rt), sender.clone());
            async move {
                // The receiver waits for it.
                let _ = sender.send(work.await);
            }
        },
    );
    cores.map_err(|e| format!("start io_uring: {e}"))?.join();
    let done = receiver.recv();
    done.map_err(|_| "the work ended early".to_owned())
}
