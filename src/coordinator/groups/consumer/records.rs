//! What a group of KIP-848 leaves in `__consumer_offsets`.

use bytes::Bytes;
use corelog_wire::kafka::Array;
use corelog_wire::kafka::internal::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey, ConsumerGroupMetadataValue,
    ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
    MemberTopicPartitions,
};

use super::Assignment;
use super::member::{Standing, Wishes};
use crate::Stored;
use crate::groups::records::made;

fn stored(key: Bytes, value: Option<Bytes>) -> Stored {
    Stored { key, value }
}

pub(super) fn partitions(
    assignment: &Assignment,
) -> Array<'static, MemberTopicPartitions<'static>> {
    let topics = assignment.topics();
    topics
        .map(|(topic_id, partitions)| MemberTopicPartitions {
            topic_id,
            partitions: partitions.iter().copied().collect(),
        })
        .collect()
}

fn group_key(group_id: &str) -> Bytes {
    made(ConsumerGroupMetadataKey { group_id }.encode())
}

pub(super) fn epoch(group: &str, epoch: i32, metadata_hash: i64) -> Stored {
    let value = ConsumerGroupMetadataValue {
        epoch,
        metadata_hash,
    };
    stored(group_key(group), Some(made(value.encode(0))))
}

pub(super) fn no_epoch(group: &str) -> Stored {
    stored(group_key(group), None)
}

fn member_key(group_id: &str, member_id: &str) -> Bytes {
    let key = ConsumerGroupMemberMetadataKey {
        group_id,
        member_id,
    };
    made(key.encode())
}

pub(super) fn wishes(group: &str, member: &str, wishes: &Wishes) -> Stored {
    let classic = wishes
        .classic
        .as_ref()
        .map(|classic| ClassicMemberMetadata {
            session_timeout_ms: classic.session_ms,
            supported_protocols: classic
                .protocols
                .iter()
                .map(|(name, metadata)| ClassicProtocol { name, metadata })
                .collect(),
        });
    let value = ConsumerGroupMemberMetadataValue {
        instance_id: wishes.instance.as_deref(),
        rack_id: wishes.rack.as_deref(),
        client_id: &wishes.client.id,
        client_host: &wishes.client.host,
        subscribed_topic_names: wishes.topics.iter().map(String::as_str).collect(),
        subscribed_topic_regex: wishes.pattern.as_deref(),
        rebalance_timeout_ms: wishes.rebalance_ms,
        server_assignor: wishes.assignor.as_deref(),
        classic_member_metadata: classic,
    };
    stored(member_key(group, member), Some(made(value.encode(0))))
}

pub(super) fn no_wishes(group: &str, member: &str) -> Stored {
    stored(member_key(group, member), None)
}

fn target_epoch_key(group_id: &str) -> Bytes {
    made(ConsumerGroupTargetAssignmentMetadataKey { group_id }.encode())
}

pub(super) fn target_epoch(group: &str, assignment_epoch: i32) -> Stored {
    let value = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch };
    stored(target_epoch_key(group), Some(made(value.encode(0))))
}

pub(super) fn no_target_epoch(group: &str) -> Stored {
    stored(target_epoch_key(group), None)
}

fn target_key(group_id: &str, member_id: &str) -> Bytes {
    let key = ConsumerGroupTargetAssignmentMemberKey {
        group_id,
        member_id,
    };
    made(key.encode())
}

pub(super) fn target(group: &str, member: &str, assignment: &Assignment) -> Stored {
    let value = ConsumerGroupTargetAssignmentMemberValue {
        topic_partitions: partitions(assignment),
    };
    stored(target_key(group, member), Some(made(value.encode(0))))
}

pub(super) fn no_target(group: &str, member: &str) -> Stored {
    stored(target_key(group, member), None)
}

fn standing_key(group_id: &str, member_id: &str) -> Bytes {
    let key = ConsumerGroupCurrentMemberAssignmentKey {
        group_id,
        member_id,
    };
    made(key.encode())
}

pub(super) fn standing(group: &str, member: &str, standing: &Standing) -> Stored {
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: standing.epoch,
        previous_member_epoch: standing.previous,
        state: standing.phase.number(),
        assigned_partitions: partitions(&standing.assigned),
        partitions_pending_revocation: partitions(&standing.revoking),
    };
    stored(standing_key(group, member), Some(made(value.encode(0))))
}

pub(super) fn no_standing(group: &str, member: &str) -> Stored {
    stored(standing_key(group, member), None)
}

fn pattern_key(group_id: &str, regular_expression: &str) -> Bytes {
    let key = ConsumerGroupRegularExpressionKey {
        group_id,
        regular_expression,
    };
    made(key.encode())
}

pub(super) fn pattern<'t>(
    group: &str,
    pattern: &str,
    topics: impl Iterator<Item = &'t String>,
    timestamp: i64,
) -> Stored {
    let value = ConsumerGroupRegularExpressionValue {
        topics: topics.map(String::as_str).collect(),
        version: 0,
        timestamp,
    };
    stored(pattern_key(group, pattern), Some(made(value.encode(0))))
}

pub(super) fn no_pattern(group: &str, pattern: &str) -> Stored {
    stored(pattern_key(group, pattern), None)
}
