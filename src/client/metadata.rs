//! What the cluster says about its brokers and topics.

use std::collections::BTreeMap;

use corelog_base::{LeaderEpoch, NodeId, PartitionIndex, TopicId};
use corelog_wire::kafka::{ErrorCode, MetadataResponse, MetadataResponseTopic};

/// Which topics to ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicFilter<'a> {
    /// Only the brokers.
    None,
    All,
    Named(&'a [&'a str]),
    /// The named topics; a broker that may, creates those that do not exist.
    OrCreate(&'a [&'a str]),
}

/// One answer to a Metadata request, owned.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Metadata {
    pub cluster_id: Option<String>,
    /// Where administrative requests go; any broker passes them on where Kafka runs on KRaft.
    pub controller: Option<NodeId>,
    pub brokers: BTreeMap<NodeId, Broker>,
    pub topics: BTreeMap<String, TopicMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    pub node: NodeId,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

impl Broker {
    /// `HOST:PORT`, with brackets around an IPv6 address.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicMetadata {
    /// `TopicId::ZERO` from brokers before 2.8.
    pub id: TopicId,
    pub error: ErrorCode,
    pub internal: bool,
    pub partitions: BTreeMap<PartitionIndex, PartitionMetadata>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionMetadata {
    pub error: ErrorCode,
    /// None while there is none.
    pub leader: Option<NodeId>,
    pub leader_epoch: LeaderEpoch,
    pub replicas: Vec<NodeId>,
    pub in_sync: Vec<NodeId>,
    pub offline: Vec<NodeId>,
}

impl Metadata {
    pub(crate) fn of(response: &MetadataResponse<'_>) -> Self {
        let brokers = response.brokers.iter().map(|broker| Broker {
            node: NodeId(broker.node_id),
            host: broker.host.to_string(),
            port: broker.port,
            rack: broker.rack.map(str::to_string),
        });
        let topics = response.topics.iter().filter_map(|topic| {
            let name = topic.name.filter(|name| !name.is_empty())?;
            Some((name.to_string(), topic_of(&topic)))
        });
        Self {
            cluster_id: response.cluster_id.map(str::to_string),
            controller: Some(NodeId(response.controller_id)).filter(|node| node.0 >= 0),
            brokers: brokers.map(|broker| (broker.node, broker)).collect(),
            topics: topics.collect(),
        }
    }

    /// Takes what is newer: brokers and controller whole, topics one by one. A topic that the answer
    /// says does not exist is forgotten.
    pub(crate) fn absorb(&mut self, newer: &Metadata) {
        self.cluster_id.clone_from(&newer.cluster_id);
        self.controller = newer.controller;
        self.brokers.clone_from(&newer.brokers);
        for (name, topic) in &newer.topics {
            if topic.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
                self.topics.remove(name);
            } else {
                self.topics.insert(name.clone(), topic.clone());
            }
        }
    }
}

fn topic_of(topic: &MetadataResponseTopic<'_>) -> TopicMetadata {
    let nodes = |ids: &corelog_wire::kafka::Array<'_, i32>| ids.iter().map(NodeId).collect();
    let partitions = topic.partitions.iter().map(|partition| {
        let metadata = PartitionMetadata {
            error: partition.error_code,
            leader: Some(NodeId(partition.leader_id)).filter(|node| node.0 >= 0),
            leader_epoch: LeaderEpoch(partition.leader_epoch),
            replicas: nodes(&partition.replica_nodes),
            in_sync: nodes(&partition.isr_nodes),
            offline: nodes(&partition.offline_replicas),
        };
        (PartitionIndex(partition.partition_index), metadata)
    });
    TopicMetadata {
        id: topic.topic_id,
        error: topic.error_code,
        internal: topic.is_internal,
        partitions: partitions.collect(),
    }
}
