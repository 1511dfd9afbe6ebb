//! DeleteShareGroupOffsets.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request DeleteShareGroupOffsets => DeleteShareGroupOffsetsResponse<'a>;

    DeleteShareGroupOffsetsRequest<'a> {
        group_id: &'a str [0..],
        topics: Array<'a, DeleteShareGroupOffsetsRequestTopic<'a>> [0..],
    }

    DeleteShareGroupOffsetsRequestTopic<'a> {
        topic_name: &'a str [0..],
    }
}

message! {
    response DeleteShareGroupOffsets;

    DeleteShareGroupOffsetsResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        responses: Array<'a, DeleteShareGroupOffsetsResponseTopic<'a>> [0..],
    }

    DeleteShareGroupOffsetsResponseTopic<'a> {
        topic_name: &'a str [0..],
        topic_id: TopicId [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
    }
}
