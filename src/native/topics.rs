//! What is known of topics.

use corelog_base::{CoreId, LeaderEpoch, NodeId, PartitionIndex, TopicId};
use corelog_wire::native::v1::ArchivedTopic;

use crate::error::check;
use crate::{Error, Kind};

/// A topic as the broker describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    pub name: String,
    pub id: TopicId,
    /// Ascending from 0.
    pub partitions: Vec<Partition>,
    error: i16,
}

/// Who has a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partition {
    pub index: PartitionIndex,
    /// None while one is elected.
    pub leader: Option<NodeId>,
    pub epoch: LeaderEpoch,
    /// The core that owns it on the leader.
    pub core: CoreId,
}

impl Topic {
    /// # Errors
    /// The broker's own about this topic; `Protocol` for one without partitions.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        check(self.error, "", || format!("topic '{}'", self.name))?;
        let numbered = (0..).zip(&self.partitions);
        let mut numbered = numbered.map(|(at, partition)| partition.index == PartitionIndex(at));
        if self.partitions.is_empty() || numbered.any(|right| !right) {
            let context = format!("topic '{}' has partitions that are not numbered", self.name);
            return Err(Error::new(Kind::Protocol, context));
        }
        Ok(self)
    }

    pub(crate) fn partition(&self, index: PartitionIndex) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index.0).ok()?)
    }
}

pub(crate) fn topics(archived: &[ArchivedTopic]) -> Vec<Topic> {
    let each = archived.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| Partition {
            index: PartitionIndex(partition.index.to_native()),
            leader: Some(NodeId(partition.leader.to_native())).filter(|node| node.0 >= 0),
            epoch: LeaderEpoch(partition.epoch.to_native()),
            core: CoreId(partition.core.to_native()),
        });
        let mut partitions: Vec<Partition> = partitions.collect();
        partitions.sort_by_key(|partition| partition.index);
        Topic {
            name: topic.name.as_str().to_owned(),
            id: TopicId(topic.id),
            error: topic.error.to_native(),
            partitions,
        }
    });
    each.collect()
}
