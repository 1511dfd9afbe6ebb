//! TxnOffsetCommit.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request TxnOffsetCommit => TxnOffsetCommitResponse<'a>;

    TxnOffsetCommitRequest<'a> {
        transactional_id: &'a str [0..],
        group_id: &'a str [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        generation_id: i32 [3..] = -1,
        member_id: &'a str [3..],
        group_instance_id: Option<&'a str> [3..] nullable [3..],
        topics: Array<'a, TxnOffsetCommitRequestTopic<'a>> [0..],
    }

    TxnOffsetCommitRequestTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, TxnOffsetCommitRequestPartition<'a>> [0..],
    }

    TxnOffsetCommitRequestPartition<'a> {
        partition_index: i32 [0..],
        committed_offset: i64 [0..],
        committed_leader_epoch: i32 [2..] = -1,
        committed_metadata: Option<&'a str> [0..] nullable [0..],
    }
}

message! {
    response TxnOffsetCommit;

    TxnOffsetCommitResponse<'a> {
        throttle_time_ms: i32 [0..],
        topics: Array<'a, TxnOffsetCommitResponseTopic<'a>> [0..],
    }

    TxnOffsetCommitResponseTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, TxnOffsetCommitResponsePartition> [0..],
    }

    TxnOffsetCommitResponsePartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
