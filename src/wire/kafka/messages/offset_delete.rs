//! OffsetDelete.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request OffsetDelete => OffsetDeleteResponse<'a>;

    OffsetDeleteRequest<'a> {
        group_id: &'a str [0..],
        topics: Array<'a, OffsetDeleteRequestTopic<'a>> [0..],
    }

    OffsetDeleteRequestTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, OffsetDeleteRequestPartition> [0..],
    }

    OffsetDeleteRequestPartition {
        partition_index: i32 [0..],
    }
}

message! {
    response OffsetDelete;

    OffsetDeleteResponse<'a> {
        error_code: ErrorCode [0..],
        throttle_time_ms: i32 [0..],
        topics: Array<'a, OffsetDeleteResponseTopic<'a>> [0..],
    }

    OffsetDeleteResponseTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, OffsetDeleteResponsePartition> [0..],
    }

    OffsetDeleteResponsePartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
