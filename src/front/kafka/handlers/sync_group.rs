//! SyncGroup.

use bytes::Bytes;
use corelog_coordinator::groups::{Reply as Answer, Request, Sync};
use corelog_rt::Runtime;
use corelog_wire::kafka::{ErrorCode, SyncGroupRequest, SyncGroupResponse};

use super::super::call::{Call, Malformed};
use super::groups::{ask, membership};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = SyncGroupRequest::decode(call.version, call.body())?;
    let named = request.protocol_type.is_some() && request.protocol_name.is_some();
    if call.version >= 5 && !named {
        return Ok(call.reply(&SyncGroupResponse {
            error_code: ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            ..Default::default()
        }));
    }
    let assignments = request.assignments.iter();
    let assignments =
        assignments.map(|a| (a.member_id.to_owned(), Bytes::copy_from_slice(a.assignment)));
    let sync = Sync {
        group: request.group_id.to_owned(),
        membership: membership(
            request.generation_id,
            request.member_id,
            request.group_instance_id,
        ),
        protocol_type: request.protocol_type.map(str::to_owned),
        protocol: request.protocol_name.map(str::to_owned),
        assignments: assignments.collect(),
    };
    Ok(
        match ask(call, request.group_id, Request::Sync(sync)).await {
            Ok(Answer::Synced(synced)) => call.reply(&SyncGroupResponse {
                protocol_type: Some(&synced.protocol_type),
                protocol_name: Some(&synced.protocol),
                assignment: &synced.assignment,
                ..Default::default()
            }),
            Ok(_) => unreachable!("who syncs is told its assignment"),
            Err(error_code) => call.reply(&SyncGroupResponse {
                error_code,
                ..Default::default()
            }),
        },
    )
}
