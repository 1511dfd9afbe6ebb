//! SyncGroup.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request SyncGroup => SyncGroupResponse<'a>;

    SyncGroupRequest<'a> {
        group_id: &'a str [0..],
        generation_id: i32 [0..],
        member_id: &'a str [0..],
        group_instance_id: Option<&'a str> [3..] nullable [3..],
        protocol_type: Option<&'a str> [5..] nullable [5..],
        protocol_name: Option<&'a str> [5..] nullable [5..],
        /// From the leader only; others send none.
        assignments: Array<'a, SyncGroupRequestAssignment<'a>> [0..],
    }

    SyncGroupRequestAssignment<'a> {
        member_id: &'a str [0..],
        assignment: &'a [u8] [0..],
    }
}

message! {
    response SyncGroup;

    SyncGroupResponse<'a> {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..],
        protocol_type: Option<&'a str> [5..] nullable [5..],
        protocol_name: Option<&'a str> [5..] nullable [5..],
        assignment: &'a [u8] [0..],
    }
}
