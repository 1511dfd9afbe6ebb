//! DeleteRecords: moves the start of partitions forward.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DeleteRecords => DeleteRecordsResponse<'a>;

    DeleteRecordsRequest<'a> {
        topics: Array<'a, DeleteRecordsTopic<'a>> [0..],
        timeout_ms: i32 [0..],
    }

    DeleteRecordsTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, DeleteRecordsPartition> [0..],
    }

    DeleteRecordsPartition {
        partition_index: i32 [0..],
        /// The first offset that stays; -1 is the high watermark.
        offset: i64 [0..],
    }
}

message! {
    response DeleteRecords;

    DeleteRecordsResponse<'a> {
        throttle_time_ms: i32 [0..],
        topics: Array<'a, DeleteRecordsTopicResult<'a>> [0..],
    }

    DeleteRecordsTopicResult<'a> {
        name: &'a str [0..],
        partitions: Array<'a, DeleteRecordsPartitionResult> [0..],
    }

    DeleteRecordsPartitionResult {
        partition_index: i32 [0..],
        /// The new start; -1 with an error.
        low_watermark: i64 [0..],
        error_code: ErrorCode [0..],
    }
}
