//! Bytes that Apache Kafka 4.2.0 writes of KIP-848's groups.

use super::java_test::{ID, check};
use super::*;

#[test]
fn consumer_group_metadata() {
    check(
        3,
        &ConsumerGroupMetadataKey { group_id: "a" },
        b"\x00\x03\x00\x01a",
    );
    check(
        0,
        &ConsumerGroupMetadataValue {
            epoch: 1,
            metadata_hash: 2,
        },
        b"\x00\x00\x00\x00\x00\x01\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x02",
    );
}

#[test]
fn consumer_group_partition_metadata() {
    check(
        4,
        &ConsumerGroupPartitionMetadataKey { group_id: "a" },
        b"\x00\x04\x00\x01a",
    );
    check(
        0,
        &ConsumerGroupPartitionMetadataValue {
            topics: vec![ConsumerGroupTopicMetadata {
                topic_id: ID,
                topic_name: "b",
                num_partitions: 3,
                partition_metadata: vec![ConsumerGroupPartitionRacks {
                    partition: 4,
                    racks: vec!["e"].into(),
                }]
                .into(),
            }]
            .into(),
        },
        b"\x00\x00\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\x02\x02\
              b\x00\x00\x00\x03\x02\x00\x00\x00\x04\x02\x02e\x00\x00\x00",
    );
}

#[test]
fn consumer_group_member_metadata() {
    check(
        5,
        &ConsumerGroupMemberMetadataKey {
            group_id: "a",
            member_id: "b",
        },
        b"\x00\x05\x00\x01a\x00\x01b",
    );
    check(
        0,
        &ConsumerGroupMemberMetadataValue {
            instance_id: Some("a"),
            rack_id: Some("b"),
            client_id: "c",
            client_host: "d",
            subscribed_topic_names: vec!["e"].into(),
            subscribed_topic_regex: Some("f"),
            rebalance_timeout_ms: 7,
            server_assignor: Some("h"),
            classic_member_metadata: Some(ClassicMemberMetadata {
                session_timeout_ms: 9,
                supported_protocols: vec![ClassicProtocol {
                    name: "j",
                    metadata: b"11!",
                }]
                .into(),
            }),
        },
        b"\x00\x00\x02a\x02b\x02c\x02d\x02\x02e\x02f\x00\x00\x00\x07\x02h\x01\x00\x0e\x01\
              \x00\x00\x00\x09\x02\x02j\x0411!\x00\x00",
    );
}

#[test]
fn consumer_group_target_assignment_metadata() {
    check(
        6,
        &ConsumerGroupTargetAssignmentMetadataKey { group_id: "a" },
        b"\x00\x06\x00\x01a",
    );
    check(
        0,
        &ConsumerGroupTargetAssignmentMetadataValue {
            assignment_epoch: 1,
        },
        b"\x00\x00\x00\x00\x00\x01\x00",
    );
}

#[test]
fn consumer_group_target_assignment_member() {
    check(
        7,
        &ConsumerGroupTargetAssignmentMemberKey {
            group_id: "a",
            member_id: "b",
        },
        b"\x00\x07\x00\x01a\x00\x01b",
    );
    check(
        0,
        &ConsumerGroupTargetAssignmentMemberValue {
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
fn consumer_group_current_member_assignment() {
    check(
        8,
        &ConsumerGroupCurrentMemberAssignmentKey {
            group_id: "a",
            member_id: "b",
        },
        b"\x00\x08\x00\x01a\x00\x01b",
    );
    check(
        0,
        &ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: 1,
            previous_member_epoch: 2,
            state: 3,
            assigned_partitions: vec![MemberTopicPartitions {
                topic_id: ID,
                partitions: vec![5, 6].into(),
            }]
            .into(),
            partitions_pending_revocation: vec![MemberTopicPartitions {
                topic_id: ID,
                partitions: vec![8, 9].into(),
            }]
            .into(),
        },
        b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x03\x02\x01\x01\x01\x01\x01\x01\x01\x01\
              \x02\x02\x02\x02\x02\x02\x02\x02\x03\x00\x00\x00\x05\x00\x00\x00\x06\x00\x02\x01\
              \x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\x02\x03\x00\x00\x00\x08\
              \x00\x00\x00\x09\x00\x00",
    );
}

#[test]
fn consumer_group_regular_expression() {
    check(
        16,
        &ConsumerGroupRegularExpressionKey {
            group_id: "a",
            regular_expression: "b",
        },
        b"\x00\x10\x00\x01a\x00\x01b",
    );
    check(
        0,
        &ConsumerGroupRegularExpressionValue {
            topics: vec!["a"].into(),
            version: 2,
            timestamp: 3,
        },
        b"\x00\x00\x02\x02a\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\
              \x03\x00",
    );
}
