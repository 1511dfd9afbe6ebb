//! DescribeGroups.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DescribeGroups => DescribeGroupsResponse<'a>;

    DescribeGroupsRequest<'a> {
        groups: Array<'a, &'a str> [0..],
        include_authorized_operations: bool [3..],
    }
}

message! {
    response DescribeGroups;

    DescribeGroupsResponse<'a> {
        throttle_time_ms: i32 [1..],
        groups: Array<'a, DescribedGroup<'a>> [0..],
    }

    DescribedGroup<'a> {
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [6..] nullable [6..],
        group_id: &'a str [0..],
        /// `Dead`, with no error before version 6, if there is no such group.
        group_state: &'a str [0..],
        protocol_type: &'a str [0..],
        /// The name of the chosen protocol.
        protocol_data: &'a str [0..],
        members: Array<'a, DescribedGroupMember<'a>> [0..],
        /// A bit set of operations; `i32::MIN` if not asked for.
        authorized_operations: i32 [3..] = i32::MIN,
    }

    DescribedGroupMember<'a> {
        member_id: &'a str [0..],
        group_instance_id: Option<&'a str> [4..] nullable [4..],
        client_id: &'a str [0..],
        client_host: &'a str [0..],
        member_metadata: &'a [u8] [0..],
        member_assignment: &'a [u8] [0..],
    }
}
