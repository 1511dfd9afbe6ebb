//! ListGroups.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request ListGroups => ListGroupsResponse<'a>;

    ListGroupsRequest<'a> {
        /// Empty asks for all.
        states_filter: Array<'a, &'a str> [4..],
        /// Empty asks for all.
        types_filter: Array<'a, &'a str> [5..],
    }
}

message! {
    response ListGroups;

    ListGroupsResponse<'a> {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..],
        groups: Array<'a, ListedGroup<'a>> [0..],
    }

    ListedGroup<'a> {
        group_id: &'a str [0..],
        protocol_type: &'a str [0..],
        group_state: &'a str [4..],
        /// `classic`, `consumer`, `share` or `streams`.
        group_type: &'a str [5..],
    }
}
