//! How far a consumer has read one partition.

use std::sync::Arc;

use corelog_base::{LeaderEpoch, NodeId, Offset, TopicId};
use corelog_wire::kafka::FetchableTopicResponse;

use crate::fetch::Wanted;
use crate::{Metadata, TopicPartition};

/// How far a partition was read, and how far it reaches.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) partition: Arc<TopicPartition>,
    /// The next offset for the caller.
    pub(crate) position: Offset,
    /// The next offset to fetch: `position`, or further by what is buffered.
    pub(crate) fetch_from: Offset,
    pub(crate) fetching: bool,
    pub(crate) topic_id: TopicId,
    pub(crate) leader: Option<(NodeId, LeaderEpoch)>,
    pub(crate) high_watermark: Option<Offset>,
    pub(crate) last_stable: Option<Offset>,
    pub(crate) log_start: Option<Offset>,
}

impl Cursor {
    pub(crate) fn new(partition: Arc<TopicPartition>, position: Offset) -> Self {
        Self {
            partition,
            position,
            fetch_from: position,
            fetching: false,
            topic_id: TopicId::ZERO,
            leader: None,
            high_watermark: None,
            last_stable: None,
            log_start: None,
        }
    }

    /// Whether an answer's topic is this one: by id where answers have ids, else by name.
    pub(crate) fn is_of(&self, topic: &FetchableTopicResponse<'_>) -> bool {
        if topic.topic_id == TopicId::ZERO {
            return self.partition.topic == topic.topic;
        }
        self.topic_id == topic.topic_id
    }

    pub(crate) fn lead(&mut self, metadata: &Metadata, node: NodeId) {
        let Some(topic) = metadata.topics.get(&self.partition.topic) else {
            return;
        };
        self.topic_id = topic.id;
        let epoch = topic.partitions.get(&self.partition.partition);
        let epoch = epoch.map_or(LeaderEpoch::UNKNOWN, |partition| partition.leader_epoch);
        self.leader = Some((node, epoch));
    }

    /// Marks the partition as being fetched.
    pub(crate) fn want(&mut self) -> Wanted {
        self.fetching = true;
        Wanted {
            partition: Arc::clone(&self.partition),
            topic_id: self.topic_id,
            from: self.fetch_from,
            epoch: self.leader.map_or(LeaderEpoch::UNKNOWN, |(_, epoch)| epoch),
        }
    }
}
