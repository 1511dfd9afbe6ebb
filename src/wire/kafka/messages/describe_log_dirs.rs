//! DescribeLogDirs.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DescribeLogDirs => DescribeLogDirsResponse<'a>;

    DescribeLogDirsRequest<'a> {
        /// Null asks for all.
        topics: Option<Array<'a, DescribableLogDirTopic<'a>>> [0..] nullable [0..],
    }

    DescribableLogDirTopic<'a> {
        topic: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }
}

message! {
    response DescribeLogDirs;

    DescribeLogDirsResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [3..],
        results: Array<'a, DescribeLogDirsResult<'a>> [0..],
    }

    DescribeLogDirsResult<'a> {
        error_code: ErrorCode [0..],
        log_dir: &'a str [0..],
        topics: Array<'a, DescribeLogDirsTopic<'a>> [0..],
        total_bytes: i64 [4..] = -1,
        usable_bytes: i64 [4..] = -1,
    }

    DescribeLogDirsTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, DescribeLogDirsPartition> [0..],
    }

    DescribeLogDirsPartition {
        partition_index: i32 [0..],
        partition_size: i64 [0..],
        offset_lag: i64 [0..],
        is_future_key: bool [0..],
    }
}
