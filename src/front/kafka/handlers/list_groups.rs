//! ListGroups: the groups that this broker coordinates.

use corelog_coordinator::groups::{List, Listed, Reply as Answer, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use super::super::call::{Call, Malformed};
use super::groups::ask_all;
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ListGroupsRequest::decode(call.version, call.body())?;
    let list = List {
        states: request.states_filter.iter().map(str::to_owned).collect(),
        types: request.types_filter.iter().map(str::to_owned).collect(),
    };
    let (replies, error_code) = ask_all(call, &Request::List(list)).await;
    let listed: Vec<Listed> = replies
        .into_iter()
        .flat_map(|reply| match reply {
            Answer::Listed(listed) => listed,
            _ => unreachable!("a list is answered by groups"),
        })
        .collect();
    let groups = listed.iter().map(|group| ListedGroup {
        group_id: &group.group,
        protocol_type: &group.protocol_type,
        group_state: group.state,
        group_type: group.kind,
    });
    Ok(call.reply(&ListGroupsResponse {
        error_code,
        groups: groups.collect(),
        ..Default::default()
    }))
}
