//! FindCoordinator.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request FindCoordinator => FindCoordinatorResponse<'a>;

    FindCoordinatorRequest<'a> {
        key: &'a str [0..=3],
        /// 0 group, 1 transaction, 2 share.
        key_type: i8 [1..],
        coordinator_keys: Array<'a, &'a str> [4..],
    }
}

message! {
    response FindCoordinator;

    FindCoordinatorResponse<'a> {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..=3],
        error_message: Option<&'a str> [1..=3] nullable [1..=3],
        node_id: i32 [0..=3],
        host: &'a str [0..=3],
        port: i32 [0..=3],
        coordinators: Array<'a, Coordinator<'a>> [4..],
    }

    Coordinator<'a> {
        key: &'a str [4..],
        node_id: i32 [4..],
        host: &'a str [4..],
        port: i32 [4..],
        error_code: ErrorCode [4..],
        error_message: Option<&'a str> [4..] nullable [4..],
    }
}
