//! DeleteGroups.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DeleteGroups => DeleteGroupsResponse<'a>;

    DeleteGroupsRequest<'a> {
        groups_names: Array<'a, &'a str> [0..],
    }
}

message! {
    response DeleteGroups;

    DeleteGroupsResponse<'a> {
        throttle_time_ms: i32 [0..],
        results: Array<'a, DeletableGroupResult<'a>> [0..],
    }

    DeletableGroupResult<'a> {
        group_id: &'a str [0..],
        error_code: ErrorCode [0..],
    }
}
