//! ListPartitionReassignments (KIP-455).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request ListPartitionReassignments => ListPartitionReassignmentsResponse<'a>;

    ListPartitionReassignmentsRequest<'a> {
        timeout_ms: i32 [0..] = 60000,
        /// Null asks for all.
        topics: Option<Array<'a, ListPartitionReassignmentsTopic<'a>>> [0..] nullable [0..],
    }

    ListPartitionReassignmentsTopic<'a> {
        name: &'a str [0..],
        partition_indexes: Array<'a, i32> [0..],
    }
}

message! {
    response ListPartitionReassignments;

    ListPartitionReassignmentsResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        topics: Array<'a, OngoingTopicReassignment<'a>> [0..],
    }

    OngoingTopicReassignment<'a> {
        name: &'a str [0..],
        partitions: Array<'a, OngoingPartitionReassignment<'a>> [0..],
    }

    OngoingPartitionReassignment<'a> {
        partition_index: i32 [0..],
        replicas: Array<'a, i32> [0..],
        adding_replicas: Array<'a, i32> [0..],
        removing_replicas: Array<'a, i32> [0..],
    }
}
