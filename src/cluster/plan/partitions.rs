//! A topic gets more partitions.

use corelog_base::NodeId;

use super::topics::{check_assignments, check_count, partitions, place_on_nodes};
use crate::record::Record;
use crate::{Error, Image, Kind};

/// More partitions for a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPartitions {
    pub topic: String,
    /// How many there shall be in all.
    pub total: i32,
    /// The nodes of each new partition's replicas; empty lets the cluster place them.
    pub assignments: Vec<Vec<NodeId>>,
}

/// The record that adds partitions; they have as many replicas as the topic's first one.
///
/// # Errors
/// `UnknownTopic`, `InvalidPartitions`, `InvalidReplicaAssignment`, `InvalidReplicationFactor`,
/// `PolicyViolation`.
pub fn plan_add_partitions(image: &Image, asked: &NewPartitions) -> Result<Vec<Record>, Error> {
    let name = &asked.topic;
    let Some(topic) = image.topic_named(name) else {
        return Err(Error::new(
            Kind::UnknownTopic,
            format!("there is no topic {name}"),
        ));
    };
    let have = topic.partition_count();
    let total = u32::try_from(asked.total).unwrap_or(0);
    if total <= have {
        let why = format!(
            "topic {name} has {have} partitions: {} is no increase",
            asked.total
        );
        return Err(Error::new(Kind::InvalidPartitions, why));
    }
    check_count(image, name, have, total - have)?;
    let replicas = if asked.assignments.is_empty() {
        place_on_nodes(image, have..total, topic.replication())?
    } else {
        let given = asked.assignments.len();
        if u32::try_from(given).ok() != Some(total - have) {
            let new = total - have;
            let why = format!("{new} new partitions need as many assignments, not {given}");
            return Err(Error::new(Kind::InvalidReplicaAssignment, why));
        }
        check_assignments(image, &asked.assignments, topic.replication())?;
        asked.assignments.clone()
    };
    Ok(vec![Record::PartitionsAdded {
        topic: topic.id,
        partitions: partitions(image, have, replicas),
    }])
}
