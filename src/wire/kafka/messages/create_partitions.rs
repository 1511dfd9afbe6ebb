//! CreatePartitions.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request CreatePartitions => CreatePartitionsResponse<'a>;

    CreatePartitionsRequest<'a> {
        topics: Array<'a, CreatePartitionsTopic<'a>> [0..],
        timeout_ms: i32 [0..],
        validate_only: bool [0..],
    }

    CreatePartitionsTopic<'a> {
        name: &'a str [0..],
        /// How many the topic has afterwards.
        count: i32 [0..],
        /// Null lets the broker choose.
        assignments: Option<Array<'a, CreatePartitionsAssignment<'a>>> [0..] nullable [0..],
    }

    CreatePartitionsAssignment<'a> {
        broker_ids: Array<'a, i32> [0..],
    }
}

message! {
    response CreatePartitions;

    CreatePartitionsResponse<'a> {
        throttle_time_ms: i32 [0..],
        results: Array<'a, CreatePartitionsTopicResult<'a>> [0..],
    }

    CreatePartitionsTopicResult<'a> {
        name: &'a str [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
    }
}
