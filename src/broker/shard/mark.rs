//! Markers at the end of a transaction: to every partition, again and again until all have them.

use std::rc::Rc;
use std::time::Duration;

use corelog_base::{GroupId, PartitionIndex};
use corelog_cluster::Image;
use corelog_coordinator::Event;
use corelog_coordinator::transactions::{Mark, Marked, Protocol};
use corelog_record::EndMarker;
use corelog_rt::Runtime;

use super::Shard;
use crate::api::{MarkerEpoch, MarkerPart, PartitionKey};
use crate::effects::Effects;
use crate::handle::Inner;
use crate::{Broker, Error};

/// Before markers are written again; twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// The markers of one transaction, for one instance of its coordinator.
pub(crate) struct MarkJob {
    pub(crate) group: GroupId,
    pub(crate) instance: u64,
    /// The coordinator's: a partition takes no marker of an older one.
    pub(crate) epoch: i32,
    pub(crate) mark: Mark,
}

/// Until all partitions have it, or another coordinator sees to it.
pub(super) async fn run<R: Runtime>(inner: &Rc<Inner<R>>, job: MarkJob) {
    let broker = Broker(Rc::clone(inner));
    let current = || {
        let is = |shard: &mut Shard<R>| shard.coordinators.is_current(job.group, job.instance);
        inner.shard.with(is)
    };
    let mut wait = RETRY_MIN;
    let mut parts = broker.image(|image| parts(image, &job));
    loop {
        let outcomes = broker.write_markers(parts.clone()).await;
        if !current() || inner.stopping() {
            return;
        }
        let mut outcomes = outcomes.into_iter();
        let mut stale = false;
        parts.retain(|part| match outcomes.next() {
            Some(Err(Error::CoordinatorFenced)) => {
                stale = true;
                false
            }
            Some(outcome) => is_missing(&job, part.key, outcome),
            None => true,
        });
        if stale {
            tracing::warn!(
                id = job.mark.id,
                "another coordinator ends this transaction"
            );
            return;
        }
        if parts.is_empty() {
            break;
        }
        inner.rt.sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
    inner.run(|shard, fx| shard.marked(job, fx));
}

/// Whether the marker has still to be written.
fn is_missing(job: &MarkJob, key: PartitionKey, outcome: Result<(), Error>) -> bool {
    let Err(error) = outcome else {
        return false;
    };
    match error {
        // It was deleted, and its records with it.
        Error::UnknownPartition | Error::UnknownTopicId => false,
        // The producer has been given a newer epoch there, which ended this transaction.
        Error::ProducerFenced => {
            let id = &job.mark.id;
            tracing::warn!(id, ?key, "a newer epoch has ended this transaction already");
            false
        }
        _ => true,
    }
}

fn parts(image: &Image, job: &MarkJob) -> Vec<MarkerPart> {
    let mark = &job.mark;
    let mut parts = Vec::new();
    for (name, indexes) in &mark.partitions {
        let Some(topic) = image.topic_named(name) else {
            continue;
        };
        parts.extend(indexes.iter().map(|index| MarkerPart {
            key: PartitionKey {
                topic: topic.id,
                partition: PartitionIndex(*index),
            },
            producer: mark.producer.id,
            epoch: mark.producer.epoch,
            marker: EndMarker {
                committed: mark.committed,
                coordinator_epoch: job.epoch,
            },
            rule: match mark.protocol {
                Protocol::Classic => MarkerEpoch::AtLeast,
                Protocol::Epochs => MarkerEpoch::Above,
            },
        }));
    }
    parts
}

impl<R: Runtime> Shard<R> {
    fn marked(&mut self, job: MarkJob, fx: &mut Effects) {
        if self.coordinators.is_current(job.group, job.instance) {
            let marked = Marked {
                id: job.mark.id,
                producer: job.mark.producer,
            };
            self.step_coordinator(job.group, Event::Marked(marked), fx);
        }
    }
}
