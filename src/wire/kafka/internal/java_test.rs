//! Bytes that Apache Kafka 4.2.0 writes, with the i16 that its coordinators put in front.

use std::fmt::Debug;

use corelog_base::TopicId;

use super::stored::{decode, encode};
use super::*;
use crate::ErrorKind;

pub(super) const ID: TopicId = TopicId([1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]);

#[track_caller]
pub(super) fn check<'a, T: Stored<'a> + PartialEq + Debug>(first: i16, value: &T, java: &'a [u8]) {
    assert_eq!(encode(value, first).expect("it can be said"), java);
    assert_eq!(&decode::<T>(java).expect("Java wrote it"), value);
}

#[test]
fn offset_commit() {
    check(
        1,
        &OffsetCommitKey {
            group: "a",
            topic: "b",
            partition: 3,
        },
        b"\x00\x01\x00\x01a\x00\x01b\x00\x00\x00\x03",
    );
    check(
        1,
        &OffsetCommitValue {
            offset: 1,
            metadata: "b",
            commit_timestamp: 3,
            expire_timestamp: 4,
            ..Default::default()
        },
        b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01b\x00\x00\x00\x00\x00\x00\x00\
              \x03\x00\x00\x00\x00\x00\x00\x00\x04",
    );
    check(
        3,
        &OffsetCommitValue {
            offset: 1,
            leader_epoch: 2,
            metadata: "c",
            commit_timestamp: 4,
            ..Default::default()
        },
        b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x01c\x00\x00\x00\
              \x00\x00\x00\x00\x04",
    );
    check(
        4,
        &OffsetCommitValue {
            offset: 1,
            leader_epoch: 2,
            metadata: "c",
            commit_timestamp: 4,
            topic_id: ID,
            ..Default::default()
        },
        b"\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02\x02c\x00\x00\x00\x00\
              \x00\x00\x00\x04\x01\x00\x10\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\
              \x02\x02\x02",
    );
}

#[test]
fn group_metadata_1() {
    check(2, &GroupMetadataKey { group: "a" }, b"\x00\x02\x00\x01a");
    check(
        1,
        &GroupMetadataValue {
            protocol_type: "a",
            generation: 2,
            protocol: Some("c"),
            leader: Some("d"),
            members: vec![GroupMetadataMember {
                member_id: "e",
                client_id: "f",
                client_host: "g",
                rebalance_timeout: 8,
                session_timeout: 9,
                subscription: b"10!",
                assignment: b"11!",
                ..Default::default()
            }]
            .into(),
            ..Default::default()
        },
        b"\x00\x01\x00\x01a\x00\x00\x00\x02\x00\x01c\x00\x01d\x00\x00\x00\x01\x00\x01e\x00\
              \x01f\x00\x01g\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00\x0310!\x00\x00\x00\
              \x0311!",
    );
}

#[test]
fn group_metadata_3_and_4() {
    let value = GroupMetadataValue {
        protocol_type: "a",
        generation: 2,
        protocol: Some("c"),
        leader: Some("d"),
        current_state_timestamp: 5,
        members: vec![GroupMetadataMember {
            member_id: "f",
            group_instance_id: Some("g"),
            client_id: "h",
            client_host: "i",
            rebalance_timeout: 10,
            session_timeout: 11,
            subscription: b"12!",
            assignment: b"13!",
        }]
        .into(),
    };
    check(
        3,
        &value,
        b"\x00\x03\x00\x01a\x00\x00\x00\x02\x00\x01c\x00\x01d\x00\x00\x00\x00\x00\x00\x00\
              \x05\x00\x00\x00\x01\x00\x01f\x00\x01g\x00\x01h\x00\x01i\x00\x00\x00\x0a\x00\x00\
              \x00\x0b\x00\x00\x00\x0312!\x00\x00\x00\x0313!",
    );
    check(
        4,
        &value,
        b"\x00\x04\x02a\x00\x00\x00\x02\x02c\x02d\x00\x00\x00\x00\x00\x00\x00\x05\x02\x02f\
              \x02g\x02h\x02i\x00\x00\x00\x0a\x00\x00\x00\x0b\x0412!\x0413!\x00\x00",
    );
}

#[test]
fn transaction_log() {
    check(
        0,
        &TransactionLogKey {
            transactional_id: "a",
        },
        b"\x00\x00\x00\x01a",
    );
    check(
        0,
        &TransactionLogValue {
            producer_id: 1,
            producer_epoch: 2,
            transaction_timeout_ms: 3,
            transaction_status: 4,
            transaction_partitions: Some(
                vec![TransactionLogPartitions {
                    topic: "e",
                    partition_ids: vec![6, 7].into(),
                }]
                .into(),
            ),
            transaction_last_update_timestamp_ms: 8,
            transaction_start_timestamp_ms: 9,
            ..Default::default()
        },
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02\x00\x00\x00\x03\x04\x00\x00\x00\
              \x01\x00\x01e\x00\x00\x00\x02\x00\x00\x00\x06\x00\x00\x00\x07\x00\x00\x00\x00\
              \x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x09",
    );
    check(
        1,
        &TransactionLogValue {
            producer_id: 1,
            previous_producer_id: 2,
            next_producer_id: 3,
            producer_epoch: 4,
            next_producer_epoch: 5,
            transaction_timeout_ms: 6,
            transaction_status: 7,
            transaction_partitions: Some(
                vec![TransactionLogPartitions {
                    topic: "h",
                    partition_ids: vec![9, 10].into(),
                }]
                .into(),
            ),
            transaction_last_update_timestamp_ms: 11,
            transaction_start_timestamp_ms: 12,
            client_transaction_version: 13,
        },
        b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x04\x00\x00\x00\x06\x07\x02\x02h\
              \x03\x00\x00\x00\x09\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x0b\x00\x00\
              \x00\x00\x00\x00\x00\x0c\x04\x00\x08\x00\x00\x00\x00\x00\x00\x00\x02\x01\x08\x00\
              \x00\x00\x00\x00\x00\x00\x03\x02\x02\x00\x0d\x03\x02\x00\x05",
    );
}

#[test]
fn keys_by_their_type() {
    let key = OffsetCommitKey {
        group: "a",
        topic: "b",
        partition: 3,
    };
    // Type 0 is what old brokers wrote, in the same layout.
    for first in [0, 1] {
        let bytes = [&[0, first][..], b"\x00\x01a\x00\x01b\x00\x00\x00\x03"].concat();
        let read = OffsetsKey::decode(&bytes).expect("it is a key");
        assert_eq!(read, OffsetsKey::OffsetCommit(key.clone()));
    }
    assert_eq!(key.encode().expect("it can be said")[..2], [0, 1]);
    assert_eq!(
        OffsetsKey::decode(b"\x00\x02\x00\x01g"),
        Ok(OffsetsKey::GroupMetadata(GroupMetadataKey { group: "g" }))
    );
    assert_eq!(
        OffsetsKey::decode(b"\x00\x11\x00\x01g"),
        Ok(OffsetsKey::Unknown(17))
    );
    let error = |bytes| OffsetsKey::decode(bytes).expect_err("it is refused");
    assert_eq!(error(b"\x00").kind, ErrorKind::Truncated);
    let truncated = error(b"\x00\x02\x00\x02g");
    assert_eq!(
        (truncated.kind, truncated.message),
        (ErrorKind::Truncated, "GroupMetadataKey")
    );
}

#[test]
fn versions() {
    let newer = OffsetCommitValue::decode(b"\x00\x05").expect_err("it is refused");
    assert_eq!(
        (newer.kind, newer.message),
        (ErrorKind::Version, "OffsetCommitValue")
    );
    let value = OffsetCommitValue::default();
    assert!(value.encode(4).is_ok());
    assert_eq!(
        value.encode(5).expect_err("it is refused").kind,
        ErrorKind::Version
    );
    // What members say may be newer, and is read as far as it is known.
    let said = b"\x00\x07\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\x00\x00\x00\x00\
        \x00\x00\x00\x05\xff\xff and more";
    let subscription = ConsumerProtocolSubscription::decode(said).expect("it is read");
    assert_eq!(subscription.generation_id, 5);
    assert!(subscription.topics.iter().eq(["t"]));
    assert!(subscription.encode(7).is_err());
    assert!(ConsumerProtocolSubscription::decode(b"\xff\xff").is_err());
}
