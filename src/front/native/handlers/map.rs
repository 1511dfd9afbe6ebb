//! Topics with the core that owns each partition.

use corelog_base::{NodeId, PartitionIndex, TopicId};
use corelog_broker::{Leadership, PartitionKey};
use corelog_cluster::{Image, core_of};
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::{Partition, Topic};

use super::super::context::Context;

/// What the archive of all topics of one answer may take: less than any archive may, because a name
/// is beside it in the answer.
const MAP_BYTES_MAX: usize = 768 << 10;
/// What a topic and a partition take of it, at most.
const TOPIC_BYTES: usize = 48;
const PARTITION_BYTES: usize = 16;

/// Topics for one answer, as many as fit.
#[derive(Default)]
pub(super) struct Map {
    pub(super) topics: Vec<Topic>,
    bytes: usize,
    /// A topic did not fit.
    pub(super) is_cut: bool,
}

impl Map {
    /// Adds a topic that is there.
    pub(super) fn add<R: Runtime>(&mut self, context: &Context<R>, id: TopicId) {
        let found = topic(context, id);
        match found {
            Some(topic) => self.push(topic),
            // It was deleted a moment ago.
            None => self.add_failed("", ErrorCode::UNKNOWN_TOPIC_ID),
        }
    }

    pub(super) fn add_failed(&mut self, name: &str, code: ErrorCode) {
        self.push(Topic {
            name: name.to_owned(),
            id: TopicId::ZERO.0,
            error: code.0,
            partitions: Vec::new(),
        });
    }

    fn push(&mut self, topic: Topic) {
        let bytes = TOPIC_BYTES + topic.name.len() + topic.partitions.len() * PARTITION_BYTES;
        if self.is_cut || self.bytes + bytes > MAP_BYTES_MAX {
            self.is_cut = true;
            return;
        }
        self.bytes += bytes;
        self.topics.push(topic);
    }
}

fn topic<R: Runtime>(context: &Context<R>, id: TopicId) -> Option<Topic> {
    let broker = &context.broker;
    let mut found = broker.image(|image| {
        let topic = image.topic(id)?;
        let partition = |p: &corelog_cluster::Partition| Partition {
            index: p.index.0,
            leader: -1,
            epoch: -1,
            // For the node that leads it, once that is known.
            core: core_of(p.group, broker.cores()).0,
        };
        Some(Topic {
            name: topic.name.clone(),
            id: id.0,
            error: 0,
            partitions: topic.partitions().iter().map(partition).collect(),
        })
    })?;
    for partition in &mut found.partitions {
        let key = PartitionKey {
            topic: id,
            partition: PartitionIndex(partition.index),
        };
        let Leadership { leader, epoch } = broker.leadership(key);
        partition.leader = leader.map_or(-1, |node| node.0);
        partition.epoch = epoch.0;
        if let Some(node) = leader.filter(|node| *node != broker.node()) {
            partition.core = broker.image(|image| core_on(image, node, key)).unwrap_or(0);
        }
    }
    Some(found)
}

/// The core that owns a partition on another node.
fn core_on(image: &Image, node: NodeId, key: PartitionKey) -> Option<u16> {
    let cores = image.node(node)?.cores.max(1);
    let partition = image.topic(key.topic)?.partition(key.partition)?;
    Some(core_of(partition.group, cores).0)
}
