//! AlterPartitionReassignments (KIP-455).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request AlterPartitionReassignments => AlterPartitionReassignmentsResponse<'a>;

    AlterPartitionReassignmentsRequest<'a> {
        timeout_ms: i32 [0..] = 60000,
        allow_replication_factor_change: bool [1..] = true,
        topics: Array<'a, ReassignableTopic<'a>> [0..],
    }

    ReassignableTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, ReassignablePartition<'a>> [0..],
    }

    ReassignablePartition<'a> {
        partition_index: i32 [0..],
        /// Null cancels.
        replicas: Option<Array<'a, i32>> [0..] nullable [0..],
    }
}

message! {
    response AlterPartitionReassignments;

    AlterPartitionReassignmentsResponse<'a> {
        throttle_time_ms: i32 [0..],
        allow_replication_factor_change: bool [1..] = true,
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        responses: Array<'a, ReassignableTopicResponse<'a>> [0..],
    }

    ReassignableTopicResponse<'a> {
        name: &'a str [0..],
        partitions: Array<'a, ReassignablePartitionResponse<'a>> [0..],
    }

    ReassignablePartitionResponse<'a> {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
    }
}
