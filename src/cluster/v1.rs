//! Version 1 of every record on disk. Frozen: a change is a new version beside it.

use rkyv::{Archive, Deserialize, Serialize};

use corelog_base::{GroupId, NodeId, PartitionIndex, Replica, TopicId};

use crate::record::{ConfigScope, ConfigsChanged, Node, Partition, Snapshot, TopicCreated};
use crate::{ClusterId, Error, Kind};

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct ClusterV1 {
    pub(crate) id: [u8; 16],
}

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct NodeV1 {
    id: i32,
    host: String,
    port: u16,
    cores: u16,
    rack: Option<String>,
}

#[derive(Archive, Serialize, Deserialize)]
struct ReplicaV1 {
    node: i32,
    id: u64,
}

#[derive(Archive, Serialize, Deserialize)]
struct PartitionV1 {
    index: i32,
    group: u64,
    replicas: Vec<ReplicaV1>,
}

#[derive(Archive, Serialize, Deserialize)]
struct ConfigV1 {
    name: String,
    value: String,
}

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct TopicCreatedV1 {
    id: [u8; 16],
    name: String,
    partitions: Vec<PartitionV1>,
    configs: Vec<ConfigV1>,
}

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct PartitionsAddedV1 {
    topic: [u8; 16],
    partitions: Vec<PartitionV1>,
}

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct TopicDeletedV1 {
    pub(crate) topic: [u8; 16],
}

#[derive(Archive, Serialize, Deserialize)]
struct ConfigChangeV1 {
    name: String,
    value: Option<String>,
}

/// `scope` 1: `topic`; 2: every broker; 3: `node`. What the scope does not use is zero.
#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct ConfigsChangedV1 {
    scope: u8,
    topic: [u8; 16],
    node: i32,
    changes: Vec<ConfigChangeV1>,
}

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct ProducerIdsV1 {
    pub(crate) next: i64,
}

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct FeatureV1 {
    pub(crate) name: String,
    pub(crate) level: u16,
}

#[derive(Archive, Serialize, Deserialize)]
struct BrokerConfigsV1 {
    node: i32,
    configs: Vec<ConfigV1>,
}

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct SnapshotV1 {
    cluster: Option<[u8; 16]>,
    nodes: Vec<NodeV1>,
    topics: Vec<TopicCreatedV1>,
    brokers: Vec<ConfigV1>,
    broker: Vec<BrokerConfigsV1>,
    features: Vec<FeatureV1>,
    next_group: u64,
    next_replica: u64,
    next_producer: i64,
}

type Configs = std::collections::BTreeMap<String, String>;

fn configs_out(configs: &Configs) -> Vec<ConfigV1> {
    let one = |(name, value): (&String, &String)| ConfigV1 {
        name: name.clone(),
        value: value.clone(),
    };
    configs.iter().map(one).collect()
}

fn configs_in(configs: Vec<ConfigV1>) -> Configs {
    configs.into_iter().map(|c| (c.name, c.value)).collect()
}

fn partitions_out(partitions: &[Partition]) -> Vec<PartitionV1> {
    let replica = |r: &Replica| ReplicaV1 {
        node: r.node.0,
        id: r.id,
    };
    let one = |p: &Partition| PartitionV1 {
        index: p.index.0,
        group: p.group.0,
        replicas: p.replicas.iter().map(replica).collect(),
    };
    partitions.iter().map(one).collect()
}

fn partitions_in(partitions: Vec<PartitionV1>) -> Vec<Partition> {
    let replica = |r: ReplicaV1| Replica {
        node: NodeId(r.node),
        id: r.id,
    };
    let one = |p: PartitionV1| Partition {
        index: PartitionIndex(p.index),
        group: GroupId(p.group),
        replicas: p.replicas.into_iter().map(replica).collect(),
    };
    partitions.into_iter().map(one).collect()
}

impl From<&Node> for NodeV1 {
    fn from(node: &Node) -> Self {
        Self {
            id: node.id.0,
            host: node.host.clone(),
            port: node.port,
            cores: node.cores,
            rack: node.rack.clone(),
        }
    }
}

impl From<NodeV1> for Node {
    fn from(node: NodeV1) -> Self {
        Self {
            id: NodeId(node.id),
            host: node.host,
            port: node.port,
            cores: node.cores,
            rack: node.rack,
        }
    }
}

impl From<&TopicCreated> for TopicCreatedV1 {
    fn from(topic: &TopicCreated) -> Self {
        Self {
            id: topic.id.0,
            name: topic.name.clone(),
            partitions: partitions_out(&topic.partitions),
            configs: configs_out(&topic.configs),
        }
    }
}

impl From<TopicCreatedV1> for TopicCreated {
    fn from(topic: TopicCreatedV1) -> Self {
        Self {
            id: TopicId(topic.id),
            name: topic.name,
            partitions: partitions_in(topic.partitions),
            configs: configs_in(topic.configs),
        }
    }
}

impl PartitionsAddedV1 {
    pub(crate) fn new(topic: TopicId, partitions: &[Partition]) -> Self {
        Self {
            topic: topic.0,
            partitions: partitions_out(partitions),
        }
    }

    pub(crate) fn into_parts(self) -> (TopicId, Vec<Partition>) {
        (TopicId(self.topic), partitions_in(self.partitions))
    }
}

impl From<&ConfigsChanged> for ConfigsChangedV1 {
    fn from(changed: &ConfigsChanged) -> Self {
        let (scope, topic, node) = match changed.scope {
            ConfigScope::Topic(topic) => (1, topic.0, 0),
            ConfigScope::Brokers => (2, [0; 16], 0),
            ConfigScope::Broker(node) => (3, [0; 16], node.0),
        };
        let one = |(name, value): (&String, &Option<String>)| ConfigChangeV1 {
            name: name.clone(),
            value: value.clone(),
        };
        Self {
            scope,
            topic,
            node,
            changes: changed.changes.iter().map(one).collect(),
        }
    }
}

impl TryFrom<ConfigsChangedV1> for ConfigsChanged {
    type Error = Error;

    fn try_from(changed: ConfigsChangedV1) -> Result<Self, Error> {
        let scope = match changed.scope {
            1 => ConfigScope::Topic(TopicId(changed.topic)),
            2 => ConfigScope::Brokers,
            3 => ConfigScope::Broker(NodeId(changed.node)),
            other => {
                let why = format!("a change of configurations of an unknown scope {other}");
                return Err(Error::new(Kind::Malformed, why));
            }
        };
        let changes = changed.changes.into_iter().map(|c| (c.name, c.value));
        Ok(Self {
            scope,
            changes: changes.collect(),
        })
    }
}

impl From<&Snapshot> for SnapshotV1 {
    fn from(image: &Snapshot) -> Self {
        let feature = |(name, level): (&String, &u16)| FeatureV1 {
            name: name.clone(),
            level: *level,
        };
        let broker = |(node, configs): (&NodeId, &Configs)| BrokerConfigsV1 {
            node: node.0,
            configs: configs_out(configs),
        };
        Self {
            cluster: image.cluster.map(|id| id.0),
            nodes: image.nodes.iter().map(NodeV1::from).collect(),
            topics: image.topics.iter().map(TopicCreatedV1::from).collect(),
            brokers: configs_out(&image.brokers),
            broker: image.broker.iter().map(broker).collect(),
            features: image.features.iter().map(feature).collect(),
            next_group: image.next_group.0,
            next_replica: image.next_replica,
            next_producer: image.next_producer,
        }
    }
}

impl From<SnapshotV1> for Snapshot {
    fn from(image: SnapshotV1) -> Self {
        let broker = |b: BrokerConfigsV1| (NodeId(b.node), configs_in(b.configs));
        Self {
            cluster: image.cluster.map(ClusterId),
            nodes: image.nodes.into_iter().map(Node::from).collect(),
            topics: image.topics.into_iter().map(TopicCreated::from).collect(),
            brokers: configs_in(image.brokers),
            broker: image.broker.into_iter().map(broker).collect(),
            features: image
                .features
                .into_iter()
                .map(|f| (f.name, f.level))
                .collect(),
            next_group: GroupId(image.next_group),
            next_replica: image.next_replica,
            next_producer: image.next_producer,
        }
    }
}
