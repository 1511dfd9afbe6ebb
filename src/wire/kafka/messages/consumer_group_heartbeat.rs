//! ConsumerGroupHeartbeat (KIP-848): joins, stays in and leaves a group, and gets an assignment.

use crate::kafka::table::{message, nullable_structure};
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request ConsumerGroupHeartbeat => ConsumerGroupHeartbeatResponse<'a>;

    ConsumerGroupHeartbeatRequest<'a> {
        group_id: &'a str [0..],
        /// Made by the member; at version 0 empty in the first request.
        member_id: &'a str [0..],
        /// 0 joins, -1 leaves, -2 leaves as a static member that comes back.
        member_epoch: i32 [0..],
        instance_id: Option<&'a str> [0..] nullable [0..],
        rack_id: Option<&'a str> [0..] nullable [0..],
        /// -1 if it has not changed since the last heartbeat.
        rebalance_timeout_ms: i32 [0..] = -1,
        /// Null if they have not changed.
        subscribed_topic_names: Option<Array<'a, &'a str>> [0..] nullable [0..],
        /// Null if it has not changed, empty for none.
        subscribed_topic_regex: Option<&'a str> [1..] nullable [1..],
        /// Null if it has not changed, or if the broker may choose.
        server_assignor: Option<&'a str> [0..] nullable [0..],
        /// What the member owns; null if that has not changed.
        topic_partitions: Option<Array<'a, ConsumerGroupHeartbeatTopicPartitions<'a>>> [0..]
            nullable [0..],
    }

    ConsumerGroupHeartbeatTopicPartitions<'a> {
        topic_id: TopicId [0..],
        partitions: Array<'a, i32> [0..],
    }
}

message! {
    response ConsumerGroupHeartbeat;

    ConsumerGroupHeartbeatResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        member_id: Option<&'a str> [0..] nullable [0..],
        member_epoch: i32 [0..],
        heartbeat_interval_ms: i32 [0..],
        /// Null if it has not changed.
        assignment: Option<ConsumerGroupHeartbeatAssignment<'a>> [0..] nullable [0..],
    }

    ConsumerGroupHeartbeatAssignment<'a> {
        topic_partitions: Array<'a, ConsumerGroupHeartbeatTopicPartitions<'a>> [0..],
    }
}

nullable_structure!(ConsumerGroupHeartbeatAssignment<'a>);
