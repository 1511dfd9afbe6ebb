//! Changes of the metadata, as a door asks for them. They go to the core that owns the metadata
//! group; the answer comes once the change is committed and every core of this node serves it.

use std::collections::BTreeMap;

use corelog_base::{PartitionIndex, TopicId};
use corelog_cluster::{ClusterId, ConfigChange, ConfigResource, NewPartitions, Node, TopicSpec};

use crate::Result;

/// A request to the metadata's leader. Each part succeeds or fails on its own.
#[derive(Clone, Debug)]
pub enum AdminRequest {
    CreateTopics {
        topics: Vec<TopicSpec>,
        validate_only: bool,
    },
    DeleteTopics(Vec<TopicId>),
    AddPartitions {
        topics: Vec<NewPartitions>,
        validate_only: bool,
    },
    AlterConfigs {
        resources: Vec<(ConfigResource, Vec<ConfigChange>)>,
        /// Changes are all there is: what is not named goes back to its default.
        replace: bool,
        validate_only: bool,
    },
    /// This node starts: its addresses, and in a new cluster the cluster's id.
    RegisterNode {
        cluster: ClusterId,
        node: Node,
    },
    /// A block of producer ids that nobody else has.
    ReserveProducerIds,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdminReply {
    /// In the order of the request.
    Created(Vec<Result<CreatedTopic>>),
    /// Deleted topics, added partitions, altered configurations: in the order of the request.
    Done(Vec<Result<()>>),
    /// A block that nobody else has (end exclusive).
    ProducerIds(std::ops::Range<i64>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    /// Zero when only validated.
    pub id: TopicId,
    /// How many.
    pub partitions: PartitionIndex,
    pub replication: i16,
    /// What was set on the topic itself.
    pub configs: BTreeMap<String, String>,
}
