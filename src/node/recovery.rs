//! What a node says while it recovers: to clients, to `/ready`, and in its log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use corelog_front::http::Board;
use corelog_front::{kafka, listen, native};
use tokio::task::{JoinHandle, JoinSet};

use crate::cores::Plan;

/// How often `/ready` changes its words.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// A start that takes longer answers clients meanwhile.
const ANSWER_AFTER: Duration = Duration::from_secs(3);
/// A start that takes longer says so in the log, again and again.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// Tells until it is ended or dropped.
pub(crate) struct Recovery {
    door: JoinHandle<()>,
    progress: JoinHandle<()>,
}

impl Recovery {
    pub(crate) fn start(plan: Arc<Plan>, board: Arc<Board>) -> Self {
        Self {
            door: tokio::spawn(answer(Arc::clone(&plan))),
            progress: tokio::spawn(tell(plan, board)),
        }
    }

    /// The cores listen themselves. Once this returns, `/ready` is not touched any more.
    pub(crate) fn end(&self) {
        self.door.abort();
        self.progress.abort();
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        self.end();
    }
}

/// After a while: whoever waits for a port that opens means a broker that serves, and a connection
/// of this time is closed when the cores take over.
async fn answer(plan: Arc<Plan>) {
    tokio::time::sleep(ANSWER_AFTER).await;
    let wait = plan.door.frame_wait;
    let kafka = async {
        let recovering = kafka::recovering::Recovering {
            cluster: plan.cluster,
            node: plan.node.clone(),
            wait,
        };
        match listen(plan.listen) {
            Ok(listener) => recovering.answer(listener).await,
            // The cores will say so too, and end the start.
            Err(e) => tracing::warn!("listen on {}: {e}", plan.listen),
        }
    };
    let mut others = JoinSet::new();
    if let Some((listens, address)) = &plan.native {
        let recovering = native::Recovering {
            cluster: plan.cluster,
            node: plan.node.id,
            cores: plan.node.cores,
            address: address.clone(),
            wait,
        };
        for (core, at) in (0u16..).zip(listens) {
            match listen(*at) {
                Ok(listener) => drop(others.spawn(recovering.clone().answer(core, listener))),
                Err(e) => tracing::warn!("listen on {at}: {e}"),
            }
        }
    }
    kafka.await;
    // Dropped with this task, which ends all of them.
    while others.join_next().await.is_some() {}
}

async fn tell(plan: Arc<Plan>, board: Arc<Board>) {
    let all = journal_bytes(&plan.dir.join("journal"));
    let mut said = Instant::now();
    loop {
        let read = plan.recovered_bytes.load(Ordering::Relaxed).min(all);
        let words = format!(
            "recovering: {} of {} MiB of journals read",
            read >> 20,
            all >> 20
        );
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            tracing::info!("{words}");
        }
        board.set_unready(Some(words));
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// 0 where nothing can be read: the start itself will say why.
fn journal_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => journal_bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
