//! OffsetCommit. Versions 0 and 1 kept offsets elsewhere and are not known here.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request OffsetCommit => OffsetCommitResponse<'a>;

    OffsetCommitRequest<'a> {
        group_id: &'a str [0..],
        /// -1 commits from outside of the group's generations.
        generation_id_or_member_epoch: i32 [1..] = -1,
        member_id: &'a str [1..],
        group_instance_id: Option<&'a str> [7..] nullable [7..],
        /// -1 leaves it to the broker, which is all that later versions can say.
        retention_time_ms: i64 [2..=4] = -1,
        topics: Array<'a, OffsetCommitRequestTopic<'a>> [0..],
    }

    OffsetCommitRequestTopic<'a> {
        name: &'a str [0..=9],
        topic_id: TopicId [10..],
        partitions: Array<'a, OffsetCommitRequestPartition<'a>> [0..],
    }

    OffsetCommitRequestPartition<'a> {
        partition_index: i32 [0..],
        committed_offset: i64 [0..],
        /// -1 is unknown.
        committed_leader_epoch: i32 [6..] = -1,
        committed_metadata: Option<&'a str> [0..] nullable [0..],
    }
}

message! {
    response OffsetCommit;

    OffsetCommitResponse<'a> {
        throttle_time_ms: i32 [3..],
        topics: Array<'a, OffsetCommitResponseTopic<'a>> [0..],
    }

    OffsetCommitResponseTopic<'a> {
        name: &'a str [0..=9],
        topic_id: TopicId [10..],
        partitions: Array<'a, OffsetCommitResponsePartition> [0..],
    }

    OffsetCommitResponsePartition {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
