//! JoinGroup.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request JoinGroup => JoinGroupResponse<'a>;

    JoinGroupRequest<'a> {
        group_id: &'a str [0..],
        session_timeout_ms: i32 [0..],
        /// -1, at version 0, is the session timeout.
        rebalance_timeout_ms: i32 [1..] = -1,
        /// Empty for a first request.
        member_id: &'a str [0..],
        /// Null for a member that is not static.
        group_instance_id: Option<&'a str> [5..] nullable [5..],
        /// `consumer`, `connect` or any other: its meaning is between members.
        protocol_type: &'a str [0..],
        /// The most wanted first.
        protocols: Array<'a, JoinGroupRequestProtocol<'a>> [0..],
        reason: Option<&'a str> [8..] nullable [8..],
    }

    JoinGroupRequestProtocol<'a> {
        name: &'a str [0..],
        metadata: &'a [u8] [0..],
    }
}

message! {
    response JoinGroup;

    JoinGroupResponse<'a> {
        throttle_time_ms: i32 [2..],
        error_code: ErrorCode [0..],
        generation_id: i32 [0..] = -1,
        protocol_type: Option<&'a str> [7..] nullable [7..],
        /// Null, and before version 7 empty, if none was chosen.
        protocol_name: Option<&'a str> [0..] nullable [7..] = Some(""),
        leader: &'a str [0..],
        /// The leader keeps the assignment that there is (KIP-814).
        skip_assignment: bool [9..],
        member_id: &'a str [0..],
        /// For the leader only; others get none.
        members: Array<'a, JoinGroupResponseMember<'a>> [0..],
    }

    JoinGroupResponseMember<'a> {
        member_id: &'a str [0..],
        group_instance_id: Option<&'a str> [5..] nullable [5..],
        metadata: &'a [u8] [0..],
    }
}
