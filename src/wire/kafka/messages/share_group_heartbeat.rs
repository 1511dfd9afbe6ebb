//! ShareGroupHeartbeat (KIP-932). Version 0 was a preview and is not known here.

use crate::kafka::table::{message, nullable_structure};
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request ShareGroupHeartbeat => ShareGroupHeartbeatResponse<'a>;

    ShareGroupHeartbeatRequest<'a> {
        group_id: &'a str [0..],
        /// Made by the member.
        member_id: &'a str [0..],
        /// 0 joins, -1 leaves.
        member_epoch: i32 [0..],
        rack_id: Option<&'a str> [0..] nullable [0..],
        /// Null if they have not changed.
        subscribed_topic_names: Option<Array<'a, &'a str>> [0..] nullable [0..],
    }
}

message! {
    response ShareGroupHeartbeat;

    ShareGroupHeartbeatResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        member_id: Option<&'a str> [0..] nullable [0..],
        member_epoch: i32 [0..],
        heartbeat_interval_ms: i32 [0..],
        /// Null if it has not changed.
        assignment: Option<ShareGroupHeartbeatAssignment<'a>> [0..] nullable [0..],
    }

    ShareGroupHeartbeatAssignment<'a> {
        topic_partitions: Array<'a, ShareGroupHeartbeatTopicPartitions<'a>> [0..],
    }

    ShareGroupHeartbeatTopicPartitions<'a> {
        topic_id: TopicId [0..],
        partitions: Array<'a, i32> [0..],
    }
}

nullable_structure!(ShareGroupHeartbeatAssignment<'a>);
