//! Heartbeat of a member of a classic group.

use corelog_coordinator::groups::{Heartbeat, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{HeartbeatRequest, HeartbeatResponse};

use super::super::call::{Call, Malformed};
use super::groups::{ask, code, membership};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = HeartbeatRequest::decode(call.version, call.body())?;
    let heartbeat = Heartbeat {
        group: request.group_id.to_owned(),
        membership: membership(
            request.generation_id,
            request.member_id,
            request.group_instance_id,
        ),
    };
    let answer = ask(call, request.group_id, Request::Heartbeat(heartbeat)).await;
    Ok(call.reply(&HeartbeatResponse {
        error_code: code(&answer),
        ..Default::default()
    }))
}
