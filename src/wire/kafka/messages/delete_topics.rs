//! DeleteTopics.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request DeleteTopics => DeleteTopicsResponse<'a>;

    DeleteTopicsRequest<'a> {
        topics: Array<'a, DeleteTopicState<'a>> [6..],
        topic_names: Array<'a, &'a str> [0..=5],
        timeout_ms: i32 [0..],
    }

    /// By name, or by id with a null name.
    DeleteTopicState<'a> {
        name: Option<&'a str> [6..] nullable [6..],
        topic_id: TopicId [6..],
    }
}

message! {
    response DeleteTopics;

    DeleteTopicsResponse<'a> {
        throttle_time_ms: i32 [1..],
        responses: Array<'a, DeletableTopicResult<'a>> [0..],
    }

    DeletableTopicResult<'a> {
        name: Option<&'a str> [0..] nullable [6..] = Some(""),
        topic_id: TopicId [6..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [5..] nullable [5..],
    }
}
