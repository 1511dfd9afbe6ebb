//! CreateTopics.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request CreateTopics => CreateTopicsResponse<'a>;

    CreateTopicsRequest<'a> {
        topics: Array<'a, CreatableTopic<'a>> [0..],
        timeout_ms: i32 [0..] = 60_000,
        validate_only: bool [1..],
    }

    CreatableTopic<'a> {
        name: &'a str [0..],
        /// -1 if assignments are given, or (v4) for the broker's default.
        num_partitions: i32 [0..],
        replication_factor: i16 [0..],
        assignments: Array<'a, CreatableReplicaAssignment<'a>> [0..],
        configs: Array<'a, CreatableTopicConfig<'a>> [0..],
    }

    CreatableReplicaAssignment<'a> {
        partition_index: i32 [0..],
        broker_ids: Array<'a, i32> [0..],
    }

    CreatableTopicConfig<'a> {
        name: &'a str [0..],
        value: Option<&'a str> [0..] nullable [0..],
    }
}

message! {
    response CreateTopics;

    CreateTopicsResponse<'a> {
        throttle_time_ms: i32 [2..],
        topics: Array<'a, CreatableTopicResult<'a>> [0..],
    }

    CreatableTopicResult<'a> {
        name: &'a str [0..],
        topic_id: TopicId [7..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [1..] nullable [0..],
        num_partitions: i32 [5..] = -1,
        replication_factor: i16 [5..] = -1,
        /// Null if the caller may not see them; then `topic_config_error_code` says why.
        configs: Option<Array<'a, CreatableTopicConfigs<'a>>> [5..] nullable [5..]
            = Some(Array::EMPTY),
        @tagged {
            0: topic_config_error_code: ErrorCode [5..],
        }
    }

    CreatableTopicConfigs<'a> {
        name: &'a str [5..],
        value: Option<&'a str> [5..] nullable [5..],
        read_only: bool [5..],
        config_source: i8 [5..] = -1,
        is_sensitive: bool [5..],
    }
}
