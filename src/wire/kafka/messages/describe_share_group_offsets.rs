//! DescribeShareGroupOffsets.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request DescribeShareGroupOffsets => DescribeShareGroupOffsetsResponse<'a>;

    DescribeShareGroupOffsetsRequest<'a> {
        groups: Array<'a, DescribeShareGroupOffsetsRequestGroup<'a>> [0..],
    }

    DescribeShareGroupOffsetsRequestGroup<'a> {
        group_id: &'a str [0..],
        /// Null asks for all.
        topics: Option<Array<'a, DescribeShareGroupOffsetsRequestTopic<'a>>> [0..] nullable [0..],
    }

    DescribeShareGroupOffsetsRequestTopic<'a> {
        topic_name: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }
}

message! {
    response DescribeShareGroupOffsets;

    DescribeShareGroupOffsetsResponse<'a> {
        throttle_time_ms: i32 [0..],
        groups: Array<'a, DescribeShareGroupOffsetsResponseGroup<'a>> [0..],
    }

    DescribeShareGroupOffsetsResponseGroup<'a> {
        group_id: &'a str [0..],
        topics: Array<'a, DescribeShareGroupOffsetsResponseTopic<'a>> [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
    }

    DescribeShareGroupOffsetsResponseTopic<'a> {
        topic_name: &'a str [0..],
        topic_id: TopicId [0..],
        partitions: Array<'a, DescribeShareGroupOffsetsResponsePartition<'a>> [0..],
    }

    DescribeShareGroupOffsetsResponsePartition<'a> {
        partition_index: i32 [0..],
        /// -1 if there is none.
        start_offset: i64 [0..],
        leader_epoch: i32 [0..],
        /// -1 is unknown.
        lag: i64 [1..] = -1,
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
    }
}
