//! Reading a coordinator's state from its partition, in slices that never hold the core for long.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{GroupId, Offset};
use corelog_log::Read;
use corelog_record::batches;
use corelog_rt::Runtime;

use super::Shard;
use crate::effects::Effects;
use crate::handle::Inner;

/// How much is read at a time.
const READ_BYTES_MAX: u32 = 1 << 20;
/// How much is replayed before other tasks of the core have a turn.
const SLICE_BYTES: usize = 64 << 10;
/// About what a commit takes.
const COMMIT_WAIT: Duration = Duration::from_millis(10);
/// After a read that failed.
const RETRY: Duration = Duration::from_secs(1);

/// The state of one coordinator, from an offset on.
#[derive(Clone, Copy)]
pub(crate) struct LoadJob {
    pub(crate) group: GroupId,
    pub(crate) instance: u64,
    pub(crate) from: Offset,
    /// The end of the log when it began: an earlier instance may have left records that are still
    /// on their way to their commit.
    pub(crate) until: Offset,
}

/// What a load does next.
enum Next {
    /// It is over, or was overtaken by another leadership.
    Over,
    Read(Read),
    /// Records are on their way to their commit.
    Wait,
    Failed(String),
}

/// Until the coordinator is loaded or dropped.
pub(super) async fn run<R: Runtime>(inner: &Rc<Inner<R>>, mut job: LoadJob) {
    while !inner.stopping() {
        let found = match inner.run(|shard, fx| shard.load_next(&mut job, fx)) {
            Next::Over => return,
            Next::Read(Read::Ready(found)) => Ok(found),
            Next::Read(Read::Disk(plan)) => plan.run(&inner.log).await.map_err(|e| e.to_string()),
            Next::Wait => {
                inner.rt.sleep(COMMIT_WAIT).await;
                continue;
            }
            Next::Failed(why) => Err(why),
        };
        match found {
            Ok(found) if !found.is_empty() => replay(inner, &mut job, &found).await,
            Ok(_) => inner.rt.sleep(RETRY).await,
            Err(why) => {
                tracing::error!(group = job.group.0, "load a coordinator: {why}");
                inner.rt.sleep(RETRY).await;
            }
        }
    }
}

async fn replay<R: Runtime>(inner: &Rc<Inner<R>>, job: &mut LoadJob, found: &[Bytes]) {
    let mut bytes = 0;
    for chunk in found {
        for batch in batches(chunk) {
            let Ok((header, batch)) = batch else {
                break;
            };
            inner
                .shard
                .with(|shard| shard.replay_coordinated(job, &header, batch));
            job.from = header.next_offset();
            bytes += batch.len();
            if bytes >= SLICE_BYTES {
                bytes = 0;
                inner.rt.yield_now().await;
            }
        }
    }
}

impl<R: Runtime> Shard<R> {
    fn load_next(&mut self, job: &mut LoadJob, fx: &mut Effects) -> Next {
        let Some(from) = self.loads(job) else {
            return Next::Over;
        };
        job.from = from;
        let Some(group) = self.groups.get(&job.group) else {
            return Next::Over;
        };
        let end = group.partition.high_watermark();
        if from >= end && end < job.until {
            return Next::Wait;
        }
        if from >= end {
            self.loaded(job.group, fx);
            return Next::Over;
        }
        match self.log.read(job.group, from, end, READ_BYTES_MAX, true) {
            Ok(read) => Next::Read(read),
            Err(error) => Next::Failed(error.to_string()),
        }
    }
}
