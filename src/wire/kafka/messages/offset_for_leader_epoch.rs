//! OffsetForLeaderEpoch (KIP-320): where an epoch ended.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request OffsetForLeaderEpoch => OffsetForLeaderEpochResponse<'a>;

    OffsetForLeaderEpochRequest<'a> {
        /// -1 for a consumer; -2 for a tool that may see all.
        replica_id: i32 [3..] = -2,
        topics: Array<'a, OffsetForLeaderTopic<'a>> [0..],
    }

    OffsetForLeaderTopic<'a> {
        topic: &'a str [0..],
        partitions: Array<'a, OffsetForLeaderPartition> [0..],
    }

    OffsetForLeaderPartition {
        partition: i32 [0..],
        current_leader_epoch: i32 [2..] = -1,
        leader_epoch: i32 [0..],
    }
}

message! {
    response OffsetForLeaderEpoch;

    OffsetForLeaderEpochResponse<'a> {
        throttle_time_ms: i32 [2..],
        topics: Array<'a, OffsetForLeaderTopicResult<'a>> [0..],
    }

    OffsetForLeaderTopicResult<'a> {
        topic: &'a str [0..],
        partitions: Array<'a, EpochEndOffset> [0..],
    }

    EpochEndOffset {
        error_code: ErrorCode [0..],
        partition: i32 [0..],
        leader_epoch: i32 [1..] = -1,
        end_offset: i64 [0..] = -1,
    }
}
