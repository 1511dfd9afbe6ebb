//! LeaveGroup.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request LeaveGroup => LeaveGroupResponse<'a>;

    LeaveGroupRequest<'a> {
        group_id: &'a str [0..],
        /// The one that leaves; later versions name many.
        member_id: &'a str [0..=2],
        members: Array<'a, MemberIdentity<'a>> [3..],
    }

    MemberIdentity<'a> {
        /// Empty if a static member is named by its instance.
        member_id: &'a str [3..],
        group_instance_id: Option<&'a str> [3..] nullable [3..],
        reason: Option<&'a str> [5..] nullable [5..],
    }
}

message! {
    response LeaveGroup;

    LeaveGroupResponse<'a> {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..],
        members: Array<'a, LeaveGroupMemberResponse<'a>> [3..],
    }

    LeaveGroupMemberResponse<'a> {
        member_id: &'a str [3..],
        group_instance_id: Option<&'a str> [3..] nullable [3..],
        error_code: ErrorCode [3..],
    }
}
