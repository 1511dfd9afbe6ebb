//! Records back into a group of KIP-848.

use corelog_wire::kafka::Array;
use corelog_wire::kafka::internal::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataValue, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataValue,
    MemberTopicPartitions, OffsetsKey,
};

use super::Assignment;
use super::group::Consumer;
use super::member::{ClassicWishes, Phase, Standing, Wishes};
use crate::groups::Client;
use bytes::Bytes;

/// The group that a key of KIP-848 is about.
pub(in super::super) fn group_of<'k>(key: &OffsetsKey<'k>) -> Option<&'k str> {
    match key {
        OffsetsKey::ConsumerGroupMetadata(key) => Some(key.group_id),
        OffsetsKey::ConsumerGroupMemberMetadata(key) => Some(key.group_id),
        OffsetsKey::ConsumerGroupTargetAssignmentMetadata(key) => Some(key.group_id),
        OffsetsKey::ConsumerGroupTargetAssignmentMember(key) => Some(key.group_id),
        OffsetsKey::ConsumerGroupCurrentMemberAssignment(key) => Some(key.group_id),
        OffsetsKey::ConsumerGroupRegularExpression(key) => Some(key.group_id),
        _ => None,
    }
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

impl Consumer {
    /// Takes a record that is about this group.
    pub(in super::super) fn replay(
        &mut self,
        key: &OffsetsKey<'_>,
        value: Option<&[u8]>,
    ) -> Result<(), corelog_wire::Error> {
        match key {
            OffsetsKey::ConsumerGroupMetadata(_) => {
                if let Some(value) = value {
                    let value = ConsumerGroupMetadataValue::decode(value)?;
                    self.epoch = value.epoch;
                    self.hash = value.metadata_hash;
                }
            }
            OffsetsKey::ConsumerGroupMemberMetadata(key) => {
                self.replay_wishes(key.member_id, value)?;
            }
            OffsetsKey::ConsumerGroupTargetAssignmentMetadata(_) => {
                if let Some(value) = value {
                    let value = ConsumerGroupTargetAssignmentMetadataValue::decode(value)?;
                    self.target_epoch = value.assignment_epoch;
                }
            }
            OffsetsKey::ConsumerGroupTargetAssignmentMember(key) => match value {
                Some(value) => {
                    let value = ConsumerGroupTargetAssignmentMemberValue::decode(value)?;
                    let target = assignment(&value.topic_partitions);
                    self.target.insert(key.member_id.to_owned(), target);
                }
                None => drop(self.target.remove(key.member_id)),
            },
            OffsetsKey::ConsumerGroupCurrentMemberAssignment(key) => {
                self.replay_standing(key.member_id, value)?;
            }
            OffsetsKey::ConsumerGroupRegularExpression(key) => match value {
                Some(value) => {
                    let value = ConsumerGroupRegularExpressionValue::decode(value)?;
                    let topics = value.topics.iter().map(str::to_owned).collect();
                    let pattern = key.regular_expression.to_owned();
                    self.patterns.insert(pattern, topics);
                }
                None => drop(self.patterns.remove(key.regular_expression)),
            },
            _ => {}
        }
        Ok(())
    }

    fn replay_wishes(&mut self, id: &str, value: Option<&[u8]>) -> Result<(), corelog_wire::Error> {
        let Some(value) = value else {
            self.release(id);
            if let Some(instance) = self.members.remove(id).and_then(|m| m.wishes.instance)
                && self
                    .statics
                    .get(&instance)
                    .is_some_and(|holder| holder == id)
            {
                self.statics.remove(&instance);
            }
            return Ok(());
        };
        let value = ConsumerGroupMemberMetadataValue::decode(value)?;
        let classic = value.classic_member_metadata.as_ref();
        let wishes = Wishes {
            instance: value.instance_id.map(str::to_owned),
            rack: value.rack_id.map(str::to_owned),
            client: Client {
                id: value.client_id.to_owned(),
                host: value.client_host.to_owned(),
            },
            topics: value
                .subscribed_topic_names
                .iter()
                .map(str::to_owned)
                .collect(),
            pattern: value.subscribed_topic_regex.map(str::to_owned),
            rebalance_ms: value.rebalance_timeout_ms,
            assignor: value.server_assignor.map(str::to_owned),
            classic: classic.map(|classic| ClassicWishes {
                session_ms: classic.session_timeout_ms,
                protocols: classic
                    .supported_protocols
                    .iter()
                    .map(|p| (p.name.to_owned(), Bytes::copy_from_slice(p.metadata)))
                    .collect(),
            }),
        };
        if let Some(instance) = &wishes.instance {
            self.statics.insert(instance.clone(), id.to_owned());
        }
        self.members.entry(id.to_owned()).or_default().wishes = wishes;
        Ok(())
    }

    fn replay_standing(
        &mut self,
        id: &str,
        value: Option<&[u8]>,
    ) -> Result<(), corelog_wire::Error> {
        let standing = match value {
            Some(value) => {
                let value = ConsumerGroupCurrentMemberAssignmentValue::decode(value)?;
                Standing {
                    epoch: value.member_epoch,
                    previous: value.previous_member_epoch,
                    phase: Phase::of(value.state),
                    assigned: assignment(&value.assigned_partitions),
                    revoking: assignment(&value.partitions_pending_revocation),
                }
            }
            None => Standing::default(),
        };
        self.place(id, standing);
        Ok(())
    }
}
