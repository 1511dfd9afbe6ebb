//! ListOffsets. Version 0 answers with lists of offsets and is not known here.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request ListOffsets => ListOffsetsResponse<'a>;

    ListOffsetsRequest<'a> {
        /// -1 for a consumer.
        replica_id: i32 [0..] = -1,
        /// 0 read uncommitted, 1 read committed.
        isolation_level: i8 [2..],
        topics: Array<'a, ListOffsetsTopic<'a>> [0..],
        timeout_ms: i32 [10..],
    }

    ListOffsetsTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, ListOffsetsPartition> [0..],
    }

    ListOffsetsPartition {
        partition_index: i32 [0..],
        current_leader_epoch: i32 [4..] = -1,
        /// Milliseconds, or -1 latest, -2 earliest, -3 (v7) of the largest timestamp, -4 (v8)
        /// earliest local, -5 (v9) latest tiered, -6 (v11) earliest not yet tiered.
        timestamp: i64 [0..],
    }
}

message! {
    response ListOffsets;

    ListOffsetsResponse<'a> {
        throttle_time_ms: i32 [2..],
        topics: Array<'a, ListOffsetsTopicResponse<'a>> [0..],
    }

    ListOffsetsTopicResponse<'a> {
        name: &'a str [0..],
        partitions: Array<'a, ListOffsetsPartitionResponse> [0..],
    }

    ListOffsetsPartitionResponse {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        timestamp: i64 [1..] = -1,
        offset: i64 [1..] = -1,
        leader_epoch: i32 [4..] = -1,
    }
}
