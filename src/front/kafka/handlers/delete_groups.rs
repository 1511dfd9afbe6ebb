//! DeleteGroups: groups without members, and all their offsets.

use corelog_coordinator::groups::Request;
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse, ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::groups::{ask, code};
use super::share_group::described;
use super::share_offsets::forget;
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DeleteGroupsRequest::decode(call.version, call.body())?;
    let mut results = Vec::new();
    for group_id in request.groups_names.iter() {
        let error_code = match forget_places(call, group_id).await {
            Ok(()) => code(&ask(call, group_id, Request::Delete(group_id.to_owned())).await),
            Err(code) => code,
        };
        results.push(DeletableGroupResult {
            group_id,
            error_code,
        });
    }
    Ok(call.reply(&DeleteGroupsResponse {
        results: results.into(),
        ..Default::default()
    }))
}

/// Of a share group without members, its places in partitions.
async fn forget_places<R: Runtime>(call: &Call<R>, group: &str) -> Result<(), ErrorCode> {
    let Ok(described) = described(call, group).await else {
        // Another group, or none: deleting it will say.
        return Ok(());
    };
    if !described.members.is_empty() {
        return Err(ErrorCode::NON_EMPTY_GROUP);
    }
    for (topic, _, partitions) in &described.begun {
        forget(call, group, *topic, partitions).await?;
    }
    Ok(())
}
