//! What the log of the metadata group consists of.

use std::collections::BTreeMap;

use corelog_base::{GroupId, NodeId, PartitionIndex, Replica, TopicId};

use crate::ClusterId;

/// One change of the metadata, or all of it. Applied by [`Image::apply`](crate::Image::apply).
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// The cluster's id. Written once, first.
    Cluster(ClusterId),
    /// A node has joined, or its addresses or cores have changed.
    Node(Node),
    TopicCreated(TopicCreated),
    /// New partitions of a topic; their indexes follow those that it has.
    PartitionsAdded {
        topic: TopicId,
        partitions: Vec<Partition>,
    },
    TopicDeleted(TopicId),
    ConfigsChanged(ConfigsChanged),
    /// Every producer id below has been given out.
    ProducerIds {
        next: i64,
    },
    /// A feature of the cluster is finalised at this level.
    Feature {
        name: String,
        level: u16,
    },
    /// The whole image; what was before does not count.
    Snapshot(Box<Snapshot>),
}

/// A broker as clients see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub id: NodeId,
    /// Where clients connect: what the node advertises.
    pub host: String,
    pub port: u16,
    /// How many cores serve on it.
    pub cores: u16,
    pub rack: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    pub index: PartitionIndex,
    pub group: GroupId,
    /// The preferred leader first.
    pub replicas: Vec<Replica>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicCreated {
    pub id: TopicId,
    pub name: String,
    /// In order of their indexes, from 0 without a gap.
    pub partitions: Vec<Partition>,
    pub configs: BTreeMap<String, String>,
}

/// Whose configurations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ConfigScope {
    Topic(TopicId),
    /// Every broker: Kafka's resource BROKER with an empty name.
    Brokers,
    Broker(NodeId),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigsChanged {
    pub scope: ConfigScope,
    /// None removes the configuration: the next layer below counts again.
    pub changes: BTreeMap<String, Option<String>>,
}

/// The image as one record, so that the log before it can go.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    pub cluster: Option<ClusterId>,
    pub nodes: Vec<Node>,
    pub topics: Vec<TopicCreated>,
    pub brokers: BTreeMap<String, String>,
    pub broker: BTreeMap<NodeId, BTreeMap<String, String>>,
    pub features: BTreeMap<String, u16>,
    pub next_group: GroupId,
    pub next_replica: u64,
    pub next_producer: i64,
}
