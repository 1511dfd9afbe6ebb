//! OffsetFetch. Version 0 asked for offsets kept elsewhere and is not known here.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request OffsetFetch => OffsetFetchResponse<'a>;

    OffsetFetchRequest<'a> {
        group_id: &'a str [0..=7],
        /// Null asks for all; at version 1, which has no null, an empty list says none.
        topics: Option<Array<'a, OffsetFetchRequestTopic<'a>>> [0..=7] nullable [2..=7]
            = Some(Array::EMPTY),
        groups: Array<'a, OffsetFetchRequestGroup<'a>> [8..],
        /// Refuses a partition of whose offset a transaction has yet to decide.
        require_stable: bool [7..],
    }

    OffsetFetchRequestTopic<'a> {
        name: &'a str [0..=7],
        partition_indexes: Array<'a, i32> [0..=7],
    }

    OffsetFetchRequestGroup<'a> {
        group_id: &'a str [8..],
        member_id: Option<&'a str> [9..] nullable [9..],
        /// -1 asks without being a member.
        member_epoch: i32 [9..] = -1,
        /// Null asks for all.
        topics: Option<Array<'a, OffsetFetchRequestTopics<'a>>> [8..] nullable [8..],
    }

    OffsetFetchRequestTopics<'a> {
        name: &'a str [8..=9],
        topic_id: TopicId [10..],
        partition_indexes: Array<'a, i32> [8..],
    }
}

message! {
    response OffsetFetch;

    OffsetFetchResponse<'a> {
        throttle_time_ms: i32 [3..],
        topics: Array<'a, OffsetFetchResponseTopic<'a>> [0..=7],
        error_code: ErrorCode [2..=7],
        groups: Array<'a, OffsetFetchResponseGroup<'a>> [8..],
    }

    OffsetFetchResponseTopic<'a> {
        name: &'a str [0..=7],
        partitions: Array<'a, OffsetFetchResponsePartition<'a>> [0..=7],
    }

    OffsetFetchResponsePartition<'a> {
        partition_index: i32 [0..=7],
        /// -1 if there is none.
        committed_offset: i64 [0..=7],
        committed_leader_epoch: i32 [5..=7] = -1,
        metadata: Option<&'a str> [0..=7] nullable [0..=7],
        error_code: ErrorCode [0..=7],
    }

    OffsetFetchResponseGroup<'a> {
        group_id: &'a str [8..],
        topics: Array<'a, OffsetFetchResponseTopics<'a>> [8..],
        error_code: ErrorCode [8..],
    }

    OffsetFetchResponseTopics<'a> {
        name: &'a str [8..=9],
        topic_id: TopicId [10..],
        partitions: Array<'a, OffsetFetchResponsePartitions<'a>> [8..],
    }

    OffsetFetchResponsePartitions<'a> {
        partition_index: i32 [8..],
        /// -1 if there is none.
        committed_offset: i64 [8..],
        committed_leader_epoch: i32 [8..] = -1,
        metadata: Option<&'a str> [8..] nullable [8..],
        error_code: ErrorCode [8..],
    }
}
