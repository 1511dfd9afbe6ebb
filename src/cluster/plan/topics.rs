//! Topics come and go.

use std::collections::BTreeSet;

use corelog_base::{GroupId, NodeId, PartitionIndex, Replica, TopicId};

use super::configs::topic_config;
use crate::names::check_topic_name;
use crate::place::place;
use crate::record::{Partition, Record, TopicCreated};
use crate::{Error, Image, Kind};

/// Of one topic.
pub const PARTITIONS_PER_TOPIC_MAX: u32 = 50_000;
/// Of the cluster: a group costs memory on every core that knows of it.
pub const PARTITIONS_MAX: u64 = 500_000;

/// A topic that is to be created.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TopicSpec {
    pub name: String,
    /// -1 takes the default, and is needed where `assignments` are given.
    pub partitions: i32,
    /// -1 takes the default, and is needed where `assignments` are given.
    pub replication: i16,
    /// The nodes of each partition's replicas, by index; empty lets the cluster place them.
    pub assignments: Vec<(PartitionIndex, Vec<NodeId>)>,
    /// As sent: a name without a value is refused.
    pub configs: Vec<(String, Option<String>)>,
}

/// The names that occur more than once: Kafka refuses all of them in one request.
pub fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).collect()
}

/// The record that creates a topic under a fresh random id.
///
/// # Errors
/// `InvalidTopic`, `TopicExists`, `InvalidPartitions`, `InvalidReplicationFactor`,
/// `InvalidReplicaAssignment`, `InvalidConfig`, `InvalidRequest`, `PolicyViolation`.
pub fn plan_create_topic(
    image: &Image,
    spec: &TopicSpec,
    id: TopicId,
) -> Result<Vec<Record>, Error> {
    assert!(image.topic(id).is_none(), "ids are fresh");
    check_topic_name(&spec.name)?;
    let name = &spec.name;
    if image.topic_named(name).is_some() {
        let why = format!("topic {name} exists already");
        return Err(Error::new(Kind::TopicExists, why));
    }
    if let Some(other) = image.colliding(name) {
        let why = format!(
            "topic {name} collides with the existing topic {}",
            other.name
        );
        return Err(Error::new(Kind::InvalidTopic, why));
    }
    let replicas = match spec.assignments.is_empty() {
        true => placed(image, spec)?,
        false => assigned(image, spec)?,
    };
    let count = u32::try_from(replicas.len()).unwrap_or(u32::MAX);
    check_count(image, name, 0, count)?;
    let mut configs = std::collections::BTreeMap::new();
    for (name, value) in &spec.configs {
        let (definition, value) = topic_config(name, value.as_deref())?;
        if configs.insert(definition.name.to_string(), value).is_some() {
            let why = format!("configuration {name} is given twice");
            return Err(Error::new(Kind::InvalidRequest, why));
        }
    }
    Ok(vec![Record::TopicCreated(TopicCreated {
        id,
        name: name.clone(),
        partitions: partitions(image, 0, replicas),
        configs,
    })])
}

/// Within the bounds of a topic and of the cluster.
pub(super) fn check_count(image: &Image, name: &str, have: u32, more: u32) -> Result<(), Error> {
    if have.saturating_add(more) > PARTITIONS_PER_TOPIC_MAX {
        let why = format!("topic {name} would exceed {PARTITIONS_PER_TOPIC_MAX} partitions");
        return Err(Error::new(Kind::InvalidPartitions, why));
    }
    if image.partition_count() + u64::from(more) > PARTITIONS_MAX {
        let why = format!("the cluster would exceed {PARTITIONS_MAX} partitions");
        return Err(Error::new(Kind::PolicyViolation, why));
    }
    Ok(())
}

/// Gives partitions their groups and replicas their ids.
pub(super) fn partitions(image: &Image, first: u32, replicas: Vec<Vec<NodeId>>) -> Vec<Partition> {
    let mut replica = image.next_replica();
    let with_id = |node: NodeId| {
        replica += 1;
        Replica {
            node,
            id: replica - 1,
        }
    };
    let mut with_id = with_id;
    replicas
        .into_iter()
        .zip(image.next_group().0..)
        .zip(first..)
        .map(|((nodes, group), index)| Partition {
            index: PartitionIndex(i32::try_from(index).expect("counts are bounded")),
            group: GroupId(group),
            replicas: nodes.into_iter().map(&mut with_id).collect(),
        })
        .collect()
}

fn placed(image: &Image, spec: &TopicSpec) -> Result<Vec<Vec<NodeId>>, Error> {
    let count = match spec.partitions {
        -1 => image.broker_settings().partitions_default,
        count => u32::try_from(count).unwrap_or(0),
    };
    if count == 0 {
        let why = "the number of partitions must be positive, or -1 for the default";
        return Err(Error::new(Kind::InvalidPartitions, why));
    }
    check_count(image, &spec.name, 0, count)?;
    let replication = match spec.replication {
        -1 => usize::from(image.broker_settings().replication_default),
        count => usize::try_from(count).unwrap_or(0),
    };
    if replication == 0 {
        let why = "the replication factor must be positive, or -1 for the default";
        return Err(Error::new(Kind::InvalidReplicationFactor, why));
    }
    place_on_nodes(image, 0..count, replication)
}

/// Round-robin from where the cluster's newest partition ends, so that many topics of one
/// partition spread too.
pub(super) fn place_on_nodes(
    image: &Image,
    indexes: std::ops::Range<u32>,
    replication: usize,
) -> Result<Vec<Vec<NodeId>>, Error> {
    let nodes: Vec<NodeId> = image.nodes().map(|node| node.id).collect();
    if replication > nodes.len() {
        let have = nodes.len();
        let why = format!("{replication} replicas need as many brokers, and there are {have}");
        return Err(Error::new(Kind::InvalidReplicationFactor, why));
    }
    Ok(place(&nodes, image.next_group().0, indexes, replication))
}

fn assigned(image: &Image, spec: &TopicSpec) -> Result<Vec<Vec<NodeId>>, Error> {
    if spec.partitions != -1 || spec.replication != -1 {
        let why = "with assignments, the number of partitions and the replication factor are -1";
        return Err(Error::new(Kind::InvalidRequest, why));
    }
    let mut assignments = spec.assignments.clone();
    assignments.sort_by_key(|(index, _)| *index);
    for ((index, _), expected) in assignments.iter().zip(0..) {
        if index.0 != expected {
            let why = "assignments must name each partition once, from 0 on without a gap";
            return Err(Error::new(Kind::InvalidReplicaAssignment, why));
        }
    }
    let replicas: Vec<Vec<NodeId>> = assignments.into_iter().map(|(_, nodes)| nodes).collect();
    let replication = replicas.first().map_or(0, Vec::len);
    check_assignments(image, &replicas, replication)?;
    Ok(replicas)
}

/// Every partition has `replication` distinct replicas on nodes that exist.
pub(super) fn check_assignments(
    image: &Image,
    replicas: &[Vec<NodeId>],
    replication: usize,
) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::new(Kind::InvalidReplicaAssignment, why));
    for nodes in replicas {
        if nodes.is_empty() {
            return refuse("an assignment has no replicas".into());
        }
        if nodes.len() != replication {
            let have = nodes.len();
            return refuse(format!("{replication} replicas are expected, not {have}"));
        }
        let mut seen = BTreeSet::new();
        for node in nodes {
            if image.node(*node).is_none() {
                return refuse(format!("broker {node} is not registered"));
            }
            if !seen.insert(*node) {
                return refuse(format!("broker {node} is assigned twice to one partition"));
            }
        }
    }
    Ok(())
}

/// The record that deletes a topic.
///
/// # Errors
/// `UnknownTopicId`, `DeletionDisabled`.
pub fn plan_delete_topic(image: &Image, id: TopicId) -> Result<Vec<Record>, Error> {
    if !image.broker_settings().delete_topics {
        let why = "deleting topics is switched off (delete.topic.enable)";
        return Err(Error::new(Kind::DeletionDisabled, why));
    }
    if image.topic(id).is_none() {
        return Err(Error::new(
            Kind::UnknownTopicId,
            format!("no topic has the id {id}"),
        ));
    }
    Ok(vec![Record::TopicDeleted(id)])
}
