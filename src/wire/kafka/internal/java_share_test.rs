//! Bytes that Apache Kafka 4.2.0 writes of share groups.

use super::java_test::{ID, check};
use super::*;

#[test]
fn share_group_member_metadata() {
    check(
        10,
        &ShareGroupMemberMetadataKey {
            group_id: "a",
            member_id: "b",
        },
        b"\x00\x0a\x00\x01a\x00\x01b",
    );
    check(
        0,
        &ShareGroupMemberMetadataValue {
            rack_id: Some("a"),
            client_id: "b",
            client_host: "c",
            subscribed_topic_names: vec!["d"].into(),
        },
        b"\x00\x00\x02a\x02b\x02c\x02\x02d\x00",
    );
}

#[test]
fn share_group_metadata() {
    check(
        11,
        &ShareGroupMetadataKey { group_id: "a" },
        b"\x00\x0b\x00\x01a",
    );
    check(
        0,
        &ShareGroupMetadataValue {
            epoch: 1,
            metadata_hash: 2,
        },
        b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00",
    );
}

#[test]
fn share_group_target_assignment_metadata() {
    check(
        12,
        &ShareGroupTargetAssignmentMetadataKey { group_id: "a" },
        b"\x00\x0c\x00\x01a",
    );
    check(
        0,
        &ShareGroupTargetAssignmentMetadataValue {
            assignment_epoch: 1,
        },
        b"\x00\x00\x00\x00\x00\x01\x00",
    );
}

#[test]
fn share_group_target_assignment_member() {
    check(
        13,
        &ShareGroupTargetAssignmentMemberKey {
            group_id: "a",
            member_id: "b",
        },
        b"\x00\x0d\x00\x01a\x00\x01b",
    );
    check(
        0,
        &ShareGroupTargetAssignmentMemberValue {
            topic_partitions: vec![MemberTopicPartitions {
                topic_id: ID,
                partitions: vec![2, 3].into(),
            }]
            .into(),
        },
        b"\x00\x00\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\x02\x03\
              \x00\x00\x00\x02\x00\x00\x00\x03\x00\x00",
    );
}

#[test]
fn share_group_current_member_assignment() {
    check(
        14,
        &ShareGroupCurrentMemberAssignmentKey {
            group_id: "a",
            member_id: "b",
        },
        b"\x00\x0e\x00\x01a\x00\x01b",
    );
    check(
        0,
        &ShareGroupCurrentMemberAssignmentValue {
            member_epoch: 1,
            previous_member_epoch: 2,
            state: 3,
            assigned_partitions: vec![MemberTopicPartitions {
                topic_id: ID,
                partitions: vec![5, 6].into(),
            }]
            .into(),
        },
        b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x03\x02\x01\x01\x01\x01\x01\x01\x01\x01\
              \x02\x02\x02\x02\x02\x02\x02\x02\x03\x00\x00\x00\x05\x00\x00\x00\x06\x00\x00",
    );
}

#[test]
fn share_group_state_partition_metadata() {
    check(
        15,
        &ShareGroupStatePartitionMetadataKey { group_id: "a" },
        b"\x00\x0f\x00\x01a",
    );
    check(
        0,
        &ShareGroupStatePartitionMetadataValue {
            initializing_topics: vec![ShareGroupTopicPartitions {
                topic_id: ID,
                topic_name: "b",
                partitions: vec![3, 4].into(),
            }]
            .into(),
            initialized_topics: vec![ShareGroupTopicPartitions {
                topic_id: ID,
                topic_name: "f",
                partitions: vec![7, 8].into(),
            }]
            .into(),
            deleting_topics: vec![ShareGroupTopic {
                topic_id: ID,
                topic_name: "j",
            }]
            .into(),
        },
        b"\x00\x00\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\x02\x02\
              b\x03\x00\x00\x00\x03\x00\x00\x00\x04\x00\x02\x01\x01\x01\x01\x01\x01\x01\x01\
              \x02\x02\x02\x02\x02\x02\x02\x02\x02f\x03\x00\x00\x00\x07\x00\x00\x00\x08\x00\
              \x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\x02\x02j\x00\
              \x00",
    );
}

#[test]
fn share_snapshot() {
    check(
        0,
        &ShareSnapshotKey {
            group_id: "a",
            topic_id: ID,
            partition: 3,
        },
        b"\x00\x00\x00\x01a\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\
              \x02\x00\x00\x00\x03",
    );
    check(
        0,
        &ShareSnapshotValue {
            snapshot_epoch: 1,
            state_epoch: 2,
            leader_epoch: 3,
            start_offset: 4,
            delivery_complete_count: 5,
            create_timestamp: 6,
            write_timestamp: 7,
            state_batches: vec![ShareStateBatch {
                first_offset: 8,
                last_offset: 9,
                delivery_state: 10,
                delivery_count: 11,
            }]
            .into(),
        },
        b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\
              \x00\x04\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\x07\x02\x00\
              \x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x09\x0a\x00\x0b\x00\x01\
              \x00\x04\x00\x00\x00\x05",
    );
}

#[test]
fn share_update() {
    check(
        1,
        &ShareUpdateKey {
            group_id: "a",
            topic_id: ID,
            partition: 3,
        },
        b"\x00\x01\x00\x01a\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\
              \x02\x00\x00\x00\x03",
    );
    check(
        0,
        &ShareUpdateValue {
            snapshot_epoch: 1,
            leader_epoch: 2,
            start_offset: 3,
            delivery_complete_count: 4,
            state_batches: vec![ShareStateBatch {
                first_offset: 5,
                last_offset: 6,
                delivery_state: 7,
                delivery_count: 8,
            }]
            .into(),
        },
        b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x02\x00\
              \x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x06\x07\x00\x08\x00\x01\
              \x00\x04\x00\x00\x00\x04",
    );
}
