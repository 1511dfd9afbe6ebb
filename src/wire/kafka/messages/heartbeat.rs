//! Heartbeat.

use crate::kafka::ErrorCode;
use crate::kafka::table::message;

message! {
    request Heartbeat => HeartbeatResponse;

    HeartbeatRequest<'a> {
        group_id: &'a str [0..],
        generation_id: i32 [0..],
        member_id: &'a str [0..],
        group_instance_id: Option<&'a str> [3..] nullable [3..],
    }
}

message! {
    response Heartbeat;

    HeartbeatResponse {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [0..],
    }
}
