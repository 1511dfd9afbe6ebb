//! Requests for coordinators: to the core that leads the partition of the internal topic.

use std::rc::Rc;
use std::time::Duration;

use corelog_base::PartitionIndex;
use corelog_cluster::TopicSpec;
use corelog_coordinator::{Error, Kind, Reply as Answer, Request as Asked, Result};
use corelog_rt::Runtime;

use crate::admin::{AdminReply, AdminRequest};
use crate::api::{Leadership, PartitionKey};
use crate::handle::Inner;
use crate::message::{CoordinateVisit, Reply, ReplyTo, Request};
use crate::{Broker, Error as BrokerError};

/// How long the making of an internal topic may take; clients ask again.
const CREATE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Copies of an internal topic, where there are as many nodes.
const REPLICATION_MAX: usize = 3;

impl<R: Runtime> Broker<R> {
    /// Asks the coordinator of `key` on this node, and waits at most `limit`. Makes the internal
    /// topic if it is not there. Dropping the future abandons the answer, not the request.
    ///
    /// # Errors
    /// What the coordinator says, and `Loading`, `NotCoordinator`, `Unavailable` and `TimedOut`.
    pub async fn coordinate(
        &self,
        kind: Kind,
        key: &str,
        request: Asked,
        limit: Duration,
    ) -> Result<Answer> {
        let partition = self.coordinator_partition(kind, key).await?;
        self.coordinate_at(partition, request, limit).await
    }

    /// Asks the coordinator that lives in a partition of an internal topic.
    ///
    /// # Errors
    /// As [`Broker::coordinate`].
    pub async fn coordinate_at(
        &self,
        partition: PartitionKey,
        request: Asked,
        limit: Duration,
    ) -> Result<Answer> {
        let inner = &self.0;
        let (group, core) = inner.route(partition).map_err(|error| refusal(&error))?;
        let (answer, receiver) = inner.open_slot();
        let slot = OpenSlot { inner, answer };
        let visit = CoordinateVisit {
            group,
            answer,
            request,
        };
        let taken = inner.ask(core, Request::Coordinate(visit)).await;
        match taken.await {
            Some(Reply::Coordinating) => {}
            Some(_) => unreachable!("a coordinator takes a request before it answers"),
            None => return Err(Error::NotCoordinator),
        }
        let answered = corelog_rt::timeout(&inner.rt, limit, receiver).await;
        drop(slot);
        match answered {
            Ok(Some(Reply::Coordinated(answer))) => answer,
            Ok(Some(_)) => unreachable!("a coordinator's answer comes to its slot"),
            Ok(None) => Err(Error::NotCoordinator),
            Err(_) => Err(Error::TimedOut),
        }
    }

    /// The partitions of an internal topic; none if it is not there yet.
    pub fn coordinator_partitions(&self, kind: Kind) -> Vec<PartitionKey> {
        self.image(|image| {
            let topic = image.topic_named(kind.topic());
            topic.map_or_else(Vec::new, |topic| {
                let partitions = topic.partitions().iter();
                partitions
                    .map(|partition| PartitionKey {
                        topic: topic.id,
                        partition: partition.index,
                    })
                    .collect()
            })
        })
    }

    /// Who leads the partition that coordinates `key`. Makes the internal topic if it is not there.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be made.
    pub async fn coordinator(&self, kind: Kind, key: &str) -> Result<Leadership> {
        let partition = self.coordinator_partition(kind, key).await?;
        Ok(self.leadership(partition))
    }

    /// The partition of the internal topic that coordinates `key`. Makes the topic if it is not
    /// there.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be made.
    pub async fn coordinator_partition(&self, kind: Kind, key: &str) -> Result<PartitionKey> {
        if let Some(found) = self.find_coordinator_partition(kind, key) {
            return Ok(found);
        }
        self.make_internal_topic(kind).await?;
        self.find_coordinator_partition(kind, key)
            .ok_or(Error::Unavailable)
    }

    fn find_coordinator_partition(&self, kind: Kind, key: &str) -> Option<PartitionKey> {
        self.image(|image| {
            let topic = image.topic_named(kind.topic())?;
            let index = kind.partition_of(key, topic.partition_count())?;
            let index = i32::try_from(index).ok()?;
            Some(PartitionKey {
                topic: topic.id,
                partition: PartitionIndex(index),
            })
        })
    }

    /// Another connection may be quicker: then the topic is there, or about to be.
    async fn make_internal_topic(&self, kind: Kind) -> Result<()> {
        let nodes = self.image(|image| image.nodes().count());
        let partitions = self.image(|image| match kind {
            Kind::Transactions => image.broker_settings().transactions.state_partitions,
            Kind::Groups | Kind::ShareState => image.broker_settings().groups.offsets_partitions,
        });
        let configs = [
            ("cleanup.policy", "compact"),
            ("compression.type", "producer"),
            ("segment.bytes", "104857600"),
        ];
        let set = |(name, value): (&str, &str)| (name.to_owned(), Some(value.to_owned()));
        let topic = TopicSpec {
            name: kind.topic().to_owned(),
            partitions: i32::try_from(partitions).unwrap_or(1),
            replication: i16::try_from(nodes.clamp(1, REPLICATION_MAX)).unwrap_or(1),
            configs: configs.into_iter().map(set).collect(),
            ..TopicSpec::default()
        };
        let request = AdminRequest::CreateTopics {
            topics: vec![topic],
            validate_only: false,
        };
        match self.admin(request, CREATE_WAIT_MAX).await {
            Ok(AdminReply::Created(_)) => Ok(()),
            Ok(_) => unreachable!("created topics answer their creation"),
            Err(_) => Err(Error::Unavailable),
        }
    }
}

/// Closed when nobody waits for the answer any more.
struct OpenSlot<'a, R: Runtime> {
    inner: &'a Rc<Inner<R>>,
    answer: ReplyTo,
}

impl<R: Runtime> Drop for OpenSlot<'_, R> {
    fn drop(&mut self) {
        self.inner.close_slot(self.answer.slot);
    }
}

fn refusal(error: &BrokerError) -> Error {
    match error {
        BrokerError::Stopping | BrokerError::NotLeader { .. } => Error::NotCoordinator,
        _ => Error::Unavailable,
    }
}
