//! DeleteGroups: groups without members, and all their offsets.

use corelog_coordinator::groups::Request;
use corelog_rt::Runtime;
use corelog_wire::kafka::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use super::super::call::{Call, Malformed};
use super::super::service::Reply;
use super::groups::{ask, code};

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DeleteGroupsRequest::decode(call.version, call.body())?;
    let mut results = Vec::new();
    for group_id in request.groups_names.iter() {
        let answer = ask(call, group_id, Request::Delete(group_id.to_owned())).await;
        results.push(DeletableGroupResult {
            group_id,
            error_code: code(&answer),
        });
    }
    Ok(call.reply(&DeleteGroupsResponse {
        results: results.into(),
        ..Default::default()
    }))
}
