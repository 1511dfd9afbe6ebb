//! AlterShareGroupOffsets.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request AlterShareGroupOffsets => AlterShareGroupOffsetsResponse<'a>;

    AlterShareGroupOffsetsRequest<'a> {
        group_id: &'a str [0..],
        topics: Array<'a, AlterShareGroupOffsetsRequestTopic<'a>> [0..],
    }

    AlterShareGroupOffsetsRequestTopic<'a> {
        topic_name: &'a str [0..],
        partitions: Array<'a, AlterShareGroupOffsetsRequestPartition> [0..],
    }

    AlterShareGroupOffsetsRequestPartition {
        partition_index: i32 [0..],
        start_offset: i64 [0..],
    }
}

message! {
    response AlterShareGroupOffsets;

    AlterShareGroupOffsetsResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        responses: Array<'a, AlterShareGroupOffsetsResponseTopic<'a>> [0..],
    }

    AlterShareGroupOffsetsResponseTopic<'a> {
        topic_name: &'a str [0..],
        topic_id: TopicId [0..],
        partitions: Array<'a, AlterShareGroupOffsetsResponsePartition<'a>> [0..],
    }

    AlterShareGroupOffsetsResponsePartition<'a> {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
    }
}
