//! Work of a shard that waits for the disk: an owned plan goes out, the result comes back by id.

use std::rc::Rc;

use corelog_base::{GroupId, LogIndex, Offset, TimestampMs};
use corelog_log::{Entries, ReadPlan};
use corelog_replica::In;
use corelog_rt::Runtime;

use super::Shard;
use super::load::{self, LoadJob};
use super::mark::{self, MarkJob};
use super::raise::RemoveJob;
use crate::api::{Fetched, Isolation, OffsetFound};
use crate::handle::Inner;
use crate::message::{FetchItem, FetchReply, Reply, ReplyTo};
use crate::{Error, Result};

pub(crate) enum Job {
    Fetch(FetchJob),
    Offsets(OffsetsJob),
    Remove(RemoveJob),
    Catchup(CatchupJob),
    Load(LoadJob),
    Mark(MarkJob),
}

/// A fetch of which some parts are on disk.
pub(crate) struct FetchJob {
    pub(crate) reply_to: ReplyTo,
    pub(crate) isolation: Isolation,
    /// As the parts.
    pub(crate) items: Vec<FetchItem>,
    pub(crate) parts: Vec<Part>,
    pub(crate) armed: bool,
}

pub(crate) enum Part {
    Done(Result<Fetched>),
    Disk { fetched: Fetched, plan: ReadPlan },
}

impl Part {
    /// What it brings, as far as is known before the disk is read.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Part::Done(Ok(fetched)) => fetched.bytes(),
            Part::Done(Err(_)) => 0,
            // At least one batch is there; how many, the disk will say.
            Part::Disk { plan, .. } => u64::from(plan.bytes_max.max(1)),
        }
    }

    /// # Panics
    /// If it is on disk.
    pub(crate) fn done(self) -> Result<Fetched> {
        match self {
            Part::Done(outcome) => outcome,
            Part::Disk { .. } => unreachable!("parts on disk go to a job"),
        }
    }
}

pub(crate) struct OffsetsJob {
    pub(crate) reply_to: ReplyTo,
    pub(crate) sought: Vec<Sought>,
}

/// Entries that a follower needs and that the replica no longer holds.
pub(crate) struct CatchupJob {
    pub(crate) group: GroupId,
    pub(crate) from: LogIndex,
    pub(crate) bytes_max: u32,
}

pub(crate) enum Sought {
    Known(Result<OffsetFound>),
    AtTime {
        group: GroupId,
        time: TimestampMs,
        end: Offset,
    },
    MaxTimestamp {
        group: GroupId,
        end: Offset,
    },
}

impl Sought {
    /// # Panics
    /// If it is still to be looked up.
    pub(crate) fn known(self) -> Result<OffsetFound> {
        match self {
            Sought::Known(outcome) => outcome,
            _ => unreachable!("lookups go to a job"),
        }
    }
}

/// How many clients' jobs of a core read from the disk at once: each takes a block, and what is read
/// ahead, before the memory of an answer is known. More wait for their turn, first in, first out.
pub(crate) const DISK_TURNS: u64 = 32;

/// Runs a job as a task of this core, inside the gate, so that shutdown waits for it.
pub(crate) fn spawn<R: Runtime>(inner: &Rc<Inner<R>>, job: Job) {
    let Some(pass) = inner.gate.enter() else {
        return;
    };
    let task = Rc::clone(inner);
    inner.rt.spawn(async move {
        match job {
            Job::Fetch(job) => fetch(&task, job).await,
            Job::Offsets(job) => offsets(&task, job).await,
            Job::Remove(job) => remove(&task, job).await,
            Job::Catchup(job) => catch_up(&task, job).await,
            Job::Load(job) => load::run(&task, job).await,
            Job::Mark(job) => mark::run(&task, job).await,
        }
        drop(pass);
    });
}

async fn fetch<R: Runtime>(inner: &Rc<Inner<R>>, job: FetchJob) {
    let _turn = inner.disk_turns.take(1).await;
    if inner.is_abandoned(job.reply_to) {
        inner.deliver(job.reply_to, Reply::Fetch(FetchReply::default()));
        return;
    }
    let mut outcomes = Vec::new();
    for (item, part) in job.items.iter().zip(job.parts) {
        outcomes.push(match part {
            Part::Done(outcome) => outcome,
            Part::Disk { fetched, plan } => match plan.run(&inner.log).await {
                Ok(batches) => {
                    let fetched = Fetched { batches, ..fetched };
                    let name =
                        |shard: &mut Shard<R>| shard.name_aborted(item, job.isolation, fetched);
                    inner.shard.with(name)
                }
                Err(error) => Err(Error::Storage(error.to_string())),
            },
        });
    }
    let armed = job.armed;
    inner.deliver(job.reply_to, Reply::Fetch(FetchReply { outcomes, armed }));
}

async fn offsets<R: Runtime>(inner: &Rc<Inner<R>>, job: OffsetsJob) {
    let _turn = inner.disk_turns.take(1).await;
    if inner.is_abandoned(job.reply_to) {
        inner.deliver(job.reply_to, Reply::Offsets(Vec::new()));
        return;
    }
    let mut outcomes = Vec::new();
    for sought in job.sought {
        let (group, found) = match sought {
            Sought::Known(outcome) => {
                outcomes.push(outcome);
                continue;
            }
            Sought::AtTime { group, time, end } => {
                (group, inner.log.offset_at_time(group, time, end).await)
            }
            Sought::MaxTimestamp { group, end } => {
                (group, inner.log.max_timestamp(group, end).await)
            }
        };
        outcomes.push(match found {
            Ok(None) => Ok(OffsetFound::NONE),
            Ok(Some((offset, timestamp))) => Ok(OffsetFound {
                offset,
                timestamp,
                epoch: inner.shard.with(|shard| shard.epoch_at(group, offset)),
            }),
            Err(error) => Err(Error::Storage(error.to_string())),
        });
    }
    inner.deliver(job.reply_to, Reply::Offsets(outcomes));
}

/// Unlinks a deleted group's files. If this fails, the next boot does it.
async fn remove<R: Runtime>(inner: &Rc<Inner<R>>, job: RemoveJob) {
    let RemoveJob { group, key } = job;
    let removed = inner
        .log
        .remove_group(group, key.topic, key.partition)
        .await;
    if let Err(error) = removed {
        tracing::warn!(
            group = group.0,
            "remove a deleted partition's files: {error}"
        );
    }
}

async fn catch_up<R: Runtime>(inner: &Rc<Inner<R>>, job: CatchupJob) {
    let CatchupJob {
        group,
        from,
        bytes_max,
    } = job;
    let last = inner.log.last(group).map_or(from, |last| last.index);
    let entries = match inner.log.entries(group, from, last.next(), bytes_max) {
        Ok(Entries::Ready(entries)) => entries,
        Ok(Entries::Disk(plan)) => plan.run(&inner.log).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    inner.run(|shard, fx| {
        let fetched = In::Fetched {
            group,
            from,
            entries,
        };
        shard.step(fetched, fx);
    });
}
