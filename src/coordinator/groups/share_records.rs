//! What a share group leaves in `__consumer_offsets`, and back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use corelog_base::TopicId;
use corelog_wire::kafka::Array;
use corelog_wire::kafka::internal::{
    MemberTopicPartitions, OffsetsKey, ShareGroupCurrentMemberAssignmentKey,
    ShareGroupCurrentMemberAssignmentValue, ShareGroupMemberMetadataKey,
    ShareGroupMemberMetadataValue, ShareGroupMetadataKey, ShareGroupMetadataValue,
    ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue,
    ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue,
    ShareGroupTopicPartitions,
};

use super::Client;
use super::consumer::Assignment;
use super::records::made;
use super::share::{Member, Share};
use crate::Stored;

fn stored(key: Bytes, value: Option<Bytes>) -> Stored {
    Stored { key, value }
}

/// The key of a group's record.
macro_rules! group_key {
    ($name:ident, $key:ident) => {
        fn $name(group_id: &str) -> Bytes {
            made($key { group_id }.encode())
        }
    };
}

/// The key of a member's record.
macro_rules! member_key {
    ($name:ident, $key:ident) => {
        fn $name(group_id: &str, member_id: &str) -> Bytes {
            let key = $key {
                group_id,
                member_id,
            };
            made(key.encode())
        }
    };
}

group_key!(epoch_key, ShareGroupMetadataKey);
group_key!(target_epoch_key, ShareGroupTargetAssignmentMetadataKey);
group_key!(begun_key, ShareGroupStatePartitionMetadataKey);
member_key!(member_key, ShareGroupMemberMetadataKey);
member_key!(target_key, ShareGroupTargetAssignmentMemberKey);
member_key!(current_key, ShareGroupCurrentMemberAssignmentKey);

fn partitions(assignment: &Assignment) -> Array<'static, MemberTopicPartitions<'static>> {
    let topics = assignment.topics();
    topics
        .map(|(topic_id, partitions)| MemberTopicPartitions {
            topic_id,
            partitions: partitions.iter().copied().collect(),
        })
        .collect()
}

fn assignment(topics: &Array<'_, MemberTopicPartitions<'_>>) -> Assignment {
    let mut all = Assignment::default();
    for topic in topics.iter() {
        for partition in topic.partitions.iter() {
            all.insert(topic.topic_id, partition);
        }
    }
    all
}

pub(super) fn epoch(group: &str, epoch: i32) -> Stored {
    let value = ShareGroupMetadataValue {
        epoch,
        metadata_hash: 0,
    };
    stored(epoch_key(group), Some(made(value.encode(0))))
}

pub(super) fn no_epoch(group: &str) -> Stored {
    stored(epoch_key(group), None)
}

pub(super) fn target_epoch(group: &str, assignment_epoch: i32) -> Stored {
    let value = ShareGroupTargetAssignmentMetadataValue { assignment_epoch };
    stored(target_epoch_key(group), Some(made(value.encode(0))))
}

pub(super) fn no_target_epoch(group: &str) -> Stored {
    stored(target_epoch_key(group), None)
}

pub(super) fn member(group: &str, id: &str, member: &Member) -> Stored {
    let value = ShareGroupMemberMetadataValue {
        rack_id: member.rack.as_deref(),
        client_id: &member.client.id,
        client_host: &member.client.host,
        subscribed_topic_names: member.topics.iter().map(String::as_str).collect(),
    };
    stored(member_key(group, id), Some(made(value.encode(0))))
}

pub(super) fn no_member(group: &str, id: &str) -> Stored {
    stored(member_key(group, id), None)
}

pub(super) fn target(group: &str, id: &str, assignment: &Assignment) -> Stored {
    let value = ShareGroupTargetAssignmentMemberValue {
        topic_partitions: partitions(assignment),
    };
    stored(target_key(group, id), Some(made(value.encode(0))))
}

pub(super) fn no_target(group: &str, id: &str) -> Stored {
    stored(target_key(group, id), None)
}

pub(super) fn current(group: &str, id: &str, member: &Member) -> Stored {
    let value = ShareGroupCurrentMemberAssignmentValue {
        member_epoch: member.epoch,
        previous_member_epoch: member.previous,
        state: 0,
        assigned_partitions: partitions(&member.assigned),
    };
    stored(current_key(group, id), Some(made(value.encode(0))))
}

pub(super) fn no_current(group: &str, id: &str) -> Stored {
    stored(current_key(group, id), None)
}

pub(super) fn begun(group: &str, begun: &BTreeMap<TopicId, (String, BTreeSet<i32>)>) -> Stored {
    let topics = begun.iter();
    let value = ShareGroupStatePartitionMetadataValue {
        initialized_topics: topics
            .map(
                |(topic_id, (topic_name, partitions))| ShareGroupTopicPartitions {
                    topic_id: *topic_id,
                    topic_name,
                    partitions: partitions.iter().copied().collect(),
                },
            )
            .collect(),
        ..Default::default()
    };
    stored(begun_key(group), Some(made(value.encode(0))))
}

pub(super) fn no_begun(group: &str) -> Stored {
    stored(begun_key(group), None)
}

/// The share group that a key is about.
pub(super) fn group_of<'k>(key: &OffsetsKey<'k>) -> Option<&'k str> {
    match key {
        OffsetsKey::ShareGroupMemberMetadata(key) => Some(key.group_id),
        OffsetsKey::ShareGroupMetadata(key) => Some(key.group_id),
        OffsetsKey::ShareGroupTargetAssignmentMetadata(key) => Some(key.group_id),
        OffsetsKey::ShareGroupTargetAssignmentMember(key) => Some(key.group_id),
        OffsetsKey::ShareGroupCurrentMemberAssignment(key) => Some(key.group_id),
        OffsetsKey::ShareGroupStatePartitionMetadata(key) => Some(key.group_id),
        _ => None,
    }
}

impl Share {
    /// Takes a record that is about this group.
    pub(super) fn replay(
        &mut self,
        key: &OffsetsKey<'_>,
        value: Option<&[u8]>,
    ) -> Result<(), corelog_wire::Error> {
        match (key, value) {
            (OffsetsKey::ShareGroupMetadata(_), Some(value)) => {
                self.epoch = ShareGroupMetadataValue::decode(value)?.epoch;
            }
            (OffsetsKey::ShareGroupMemberMetadata(key), Some(value)) => {
                let value = ShareGroupMemberMetadataValue::decode(value)?;
                let member = self.members.entry(key.member_id.to_owned()).or_default();
                member.rack = value.rack_id.map(str::to_owned);
                member.client = Client {
                    id: value.client_id.to_owned(),
                    host: value.client_host.to_owned(),
                };
                let topics = value.subscribed_topic_names.iter();
                member.topics = topics.map(str::to_owned).collect();
            }
            (OffsetsKey::ShareGroupMemberMetadata(key), None) => {
                self.members.remove(key.member_id);
            }
            (OffsetsKey::ShareGroupTargetAssignmentMember(key), Some(value)) => {
                let value = ShareGroupTargetAssignmentMemberValue::decode(value)?;
                let target = assignment(&value.topic_partitions);
                self.target.insert(key.member_id.to_owned(), target);
            }
            (OffsetsKey::ShareGroupTargetAssignmentMember(key), None) => {
                self.target.remove(key.member_id);
            }
            (OffsetsKey::ShareGroupCurrentMemberAssignment(key), Some(value)) => {
                let value = ShareGroupCurrentMemberAssignmentValue::decode(value)?;
                let member = self.members.entry(key.member_id.to_owned()).or_default();
                member.epoch = value.member_epoch;
                member.previous = value.previous_member_epoch;
                member.assigned = assignment(&value.assigned_partitions);
            }
            (OffsetsKey::ShareGroupStatePartitionMetadata(_), Some(value)) => {
                let value = ShareGroupStatePartitionMetadataValue::decode(value)?;
                let topics = value.initialized_topics.iter();
                self.begun = topics
                    .map(|topic| {
                        let partitions = topic.partitions.iter().collect();
                        (topic.topic_id, (topic.topic_name.to_owned(), partitions))
                    })
                    .collect();
            }
            _ => {}
        }
        Ok(())
    }
}
