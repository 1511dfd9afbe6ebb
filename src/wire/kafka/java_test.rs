//! Bytes that Apache Kafka's Java client, 4.2.0, writes: versions that the oracle lacks.

use std::fmt::Debug;

use corelog_base::TopicId;

use super::testing::encode;
use super::*;

const ID: TopicId = TopicId([1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]);

#[track_caller]
fn check<'a, M: Message<'a> + PartialEq + Debug>(version: i16, message: &M, java: &'a [u8]) {
    assert_eq!(encode(message, version), java);
    assert_eq!(&M::decode(version, java).expect("Java wrote it"), message);
}

#[test]
fn offset_commit_10() {
    let request = OffsetCommitRequest {
        group_id: "g",
        generation_id_or_member_epoch: 5,
        member_id: "m",
        group_instance_id: Some("i"),
        topics: vec![OffsetCommitRequestTopic {
            topic_id: ID,
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: 1,
                committed_offset: 2,
                committed_leader_epoch: 3,
                committed_metadata: Some("x"),
            }]
            .into(),
            ..Default::default()
        }]
        .into(),
        ..Default::default()
    };
    let java =
        b"\x02g\x00\x00\x00\x05\x02m\x02i\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\
            \x02\x02\x02\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x03\x02x\
            \x00\x00\x00";
    check(10, &request, java);
    let response = OffsetCommitResponse {
        throttle_time_ms: 4,
        topics: vec![OffsetCommitResponseTopic {
            topic_id: ID,
            partitions: vec![OffsetCommitResponsePartition {
                partition_index: 1,
                error_code: ErrorCode::STALE_MEMBER_EPOCH,
            }]
            .into(),
            ..Default::default()
        }]
        .into(),
    };
    let java =
        b"\x00\x00\x00\x04\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\x02\
            \x02\x00\x00\x00\x01\x00q\x00\x00\x00";
    check(10, &response, java);
}

#[test]
fn offset_fetch_10() {
    let one = OffsetFetchRequestGroup {
        group_id: "g",
        member_id: Some("m"),
        member_epoch: 5,
        topics: Some(
            vec![OffsetFetchRequestTopics {
                topic_id: ID,
                partition_indexes: vec![1, 2].into(),
                ..Default::default()
            }]
            .into(),
        ),
    };
    let all = OffsetFetchRequestGroup {
        group_id: "h",
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        require_stable: true,
        groups: vec![one, all].into(),
        ..Default::default()
    };
    let java =
        b"\x03\x02g\x02m\x00\x00\x00\x05\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\
            \x02\x02\x02\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x02h\x00\xff\xff\xff\xff\x00\
            \x00\x01\x00";
    check(10, &request, java);
    let response = OffsetFetchResponse {
        throttle_time_ms: 4,
        groups: vec![OffsetFetchResponseGroup {
            group_id: "g",
            topics: vec![OffsetFetchResponseTopics {
                topic_id: ID,
                partitions: vec![OffsetFetchResponsePartitions {
                    partition_index: 1,
                    committed_offset: 2,
                    committed_leader_epoch: 3,
                    metadata: None,
                    error_code: ErrorCode::UNKNOWN_TOPIC_ID,
                }]
                .into(),
                ..Default::default()
            }]
            .into(),
            error_code: ErrorCode::NOT_COORDINATOR,
        }]
        .into(),
        ..Default::default()
    };
    let java =
        b"\x00\x00\x00\x04\x02\x02g\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\
            \x02\x02\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00d\
            \x00\x00\x00\x10\x00\x00";
    check(10, &response, java);
}

#[test]
fn write_txn_markers_2() {
    let request = WriteTxnMarkersRequest {
        markers: vec![WritableTxnMarker {
            producer_id: 1,
            producer_epoch: 2,
            transaction_result: true,
            topics: vec![WritableTxnMarkerTopic {
                name: "t",
                partition_indexes: vec![3].into(),
            }]
            .into(),
            coordinator_epoch: 4,
            transaction_version: 2,
        }]
        .into(),
    };
    let java =
        b"\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02\x01\x02\x02t\x02\x00\x00\x00\x03\x00\x00\
            \x00\x00\x04\x02\x00\x00";
    check(2, &request, java);
    let response = WriteTxnMarkersResponse {
        markers: vec![WritableTxnMarkerResult {
            producer_id: 1,
            topics: vec![WritableTxnMarkerTopicResult {
                name: "t",
                partitions: vec![WritableTxnMarkerPartitionResult {
                    partition_index: 3,
                    error_code: ErrorCode::INVALID_PRODUCER_EPOCH,
                }]
                .into(),
            }]
            .into(),
        }]
        .into(),
    };
    let java =
        b"\x02\x00\x00\x00\x00\x00\x00\x00\x01\x02\x02t\x02\x00\x00\x00\x03\x00/\x00\x00\x00\x00";
    check(2, &response, java);
}

fn acknowledged(types: Vec<i8>) -> Array<'static, AcknowledgementBatch<'static>> {
    vec![AcknowledgementBatch {
        first_offset: 10,
        last_offset: 11,
        acknowledge_types: types.into(),
    }]
    .into()
}

const LEADER: LeaderIdAndEpoch = LeaderIdAndEpoch {
    leader_id: 2,
    leader_epoch: 3,
};

#[test]
fn share_fetch_2_request() {
    let request = ShareFetchRequest {
        group_id: Some("g"),
        member_id: Some("m"),
        share_session_epoch: 5,
        max_wait_ms: 6,
        min_bytes: 7,
        max_bytes: 8,
        max_records: 9,
        batch_size: 3,
        share_acquire_mode: 1,
        is_renew_ack: true,
        topics: vec![ShareFetchTopic {
            topic_id: ID,
            partitions: vec![ShareFetchPartition {
                partition_index: 1,
                acknowledgement_batches: acknowledged(vec![1, 4]),
            }]
            .into(),
        }]
        .into(),
        forgotten_topics_data: vec![ShareFetchForgottenTopic {
            topic_id: ID,
            partitions: vec![2].into(),
        }]
        .into(),
    };
    let java =
        b"\x02g\x02m\x00\x00\x00\x05\x00\x00\x00\x06\x00\x00\x00\x07\x00\x00\x00\x08\x00\x00\x00\
            \x09\x00\x00\x00\x03\x01\x01\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\
            \x02\x02\x02\x02\x00\x00\x00\x01\x02\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\
            \x00\x00\x00\x0b\x03\x01\x04\x00\x00\x00\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\
            \x02\x02\x02\x02\x02\x02\x02\x00\x00\x00\x02\x00\x00";
    check(2, &request, java);
}

#[test]
fn share_fetch_2_response() {
    let response = ShareFetchResponse {
        throttle_time_ms: 4,
        acquisition_lock_timeout_ms: 30_000,
        responses: vec![ShareFetchableTopicResponse {
            topic_id: ID,
            partitions: vec![ShareFetchPartitionData {
                partition_index: 1,
                error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER,
                error_message: Some("e"),
                acknowledge_error_code: ErrorCode::INVALID_RECORD_STATE,
                acknowledge_error_message: None,
                current_leader: LEADER,
                records: Records::EMPTY,
                acquired_records: vec![AcquiredRecords {
                    first_offset: 10,
                    last_offset: 11,
                    delivery_count: 2,
                }]
                .into(),
            }]
            .into(),
        }]
        .into(),
        node_endpoints: vec![NodeEndpoint {
            node_id: 2,
            host: "h",
            port: 9092,
            rack: None,
        }]
        .into(),
        ..Default::default()
    };
    let java =
        b"\x00\x00\x00\x04\x00\x00\x00\x00\x00u0\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\
            \x02\x02\x02\x02\x02\x02\x00\x00\x00\x01\x00\x06\x02e\x00y\x00\x00\x00\x00\x02\x00\x00\
            \x00\x03\x00\x01\x02\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x0b\
            \x00\x02\x00\x00\x00\x02\x00\x00\x00\x02\x02h\x00\x00#\x84\x00\x00\x00";
    check(2, &response, java);
}

#[test]
fn share_acknowledge_2() {
    let request = ShareAcknowledgeRequest {
        group_id: Some("g"),
        member_id: Some("m"),
        share_session_epoch: -1,
        is_renew_ack: true,
        topics: vec![ShareAcknowledgeTopic {
            topic_id: ID,
            partitions: vec![ShareAcknowledgePartition {
                partition_index: 1,
                acknowledgement_batches: acknowledged(vec![2]),
            }]
            .into(),
        }]
        .into(),
    };
    let java =
        b"\x02g\x02m\xff\xff\xff\xff\x01\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\
            \x02\x02\x02\x02\x00\x00\x00\x01\x02\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\
            \x00\x00\x00\x0b\x02\x02\x00\x00\x00\x00";
    check(2, &request, java);
    let response = ShareAcknowledgeResponse {
        throttle_time_ms: 4,
        error_code: ErrorCode::SHARE_SESSION_NOT_FOUND,
        error_message: Some("e"),
        acquisition_lock_timeout_ms: 30_000,
        responses: vec![ShareAcknowledgeTopicResponse {
            topic_id: ID,
            partitions: vec![ShareAcknowledgePartitionData {
                partition_index: 1,
                error_code: ErrorCode::INVALID_RECORD_STATE,
                error_message: None,
                current_leader: LEADER,
            }]
            .into(),
        }]
        .into(),
        ..Default::default()
    };
    let java =
        b"\x00\x00\x00\x04\x00z\x02e\x00\x00u0\x02\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\
            \x02\x02\x02\x02\x02\x02\x00\x00\x00\x01\x00y\x00\x00\x00\x00\x02\x00\x00\x00\x03\x00\
            \x00\x00\x01\x00";
    check(2, &response, java);
}

#[test]
fn describe_share_group_offsets_1() {
    let some = DescribeShareGroupOffsetsRequestGroup {
        group_id: "g",
        topics: Some(
            vec![DescribeShareGroupOffsetsRequestTopic {
                topic_name: "t",
                partitions: vec![1].into(),
            }]
            .into(),
        ),
    };
    let all = DescribeShareGroupOffsetsRequestGroup {
        group_id: "h",
        topics: None,
    };
    let request = DescribeShareGroupOffsetsRequest {
        groups: vec![some, all].into(),
    };
    let java = b"\x03\x02g\x02\x02t\x02\x00\x00\x00\x01\x00\x00\x02h\x00\x00\x00";
    check(1, &request, java);
    let response = DescribeShareGroupOffsetsResponse {
        throttle_time_ms: 4,
        groups: vec![DescribeShareGroupOffsetsResponseGroup {
            group_id: "g",
            topics: vec![DescribeShareGroupOffsetsResponseTopic {
                topic_name: "t",
                topic_id: ID,
                partitions: vec![DescribeShareGroupOffsetsResponsePartition {
                    partition_index: 1,
                    start_offset: 2,
                    leader_epoch: 3,
                    lag: 7,
                    ..Default::default()
                }]
                .into(),
            }]
            .into(),
            error_code: ErrorCode::GROUP_ID_NOT_FOUND,
            error_message: Some("e"),
        }]
        .into(),
    };
    let java =
        b"\x00\x00\x00\x04\x02\x02g\x02\x02t\x01\x01\x01\x01\x01\x01\x01\x01\x02\x02\x02\x02\x02\
            \x02\x02\x02\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x03\x00\
            \x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00E\x02e\x00\x00";
    check(1, &response, java);
}
