//! DescribeGroups: classic groups.

use corelog_coordinator::groups::{Described, Reply as Answer, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember, ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::groups::ask;
use super::operations;
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeGroupsRequest::decode(call.version, call.body())?;
    let mut found = Vec::new();
    for group in request.groups.iter() {
        let answer = ask(call, group, Request::Describe(group.to_owned())).await;
        found.push((
            group,
            answer.map(|answer| match answer {
                Answer::Described(described) => described,
                _ => unreachable!("a group is described"),
            }),
        ));
    }
    let asked = request.include_authorized_operations;
    let groups = found.iter().map(|(group, found)| DescribedGroup {
        group_id: group,
        authorized_operations: operations::of_groups(asked),
        ..row(found, call.version)
    });
    Ok(call.reply(&DescribeGroupsResponse {
        groups: groups.collect(),
        ..Default::default()
    }))
}

fn row(found: &Result<Described, ErrorCode>, version: i16) -> DescribedGroup<'_> {
    match found {
        Ok(described) => DescribedGroup {
            group_state: described.state,
            protocol_type: &described.protocol_type,
            protocol_data: &described.protocol,
            members: described
                .members
                .iter()
                .map(|member| DescribedGroupMember {
                    member_id: &member.id,
                    group_instance_id: member.instance.as_deref(),
                    client_id: &member.client.id,
                    client_host: &member.client.host,
                    member_metadata: &member.metadata,
                    member_assignment: &member.assignment,
                })
                .collect(),
            ..Default::default()
        },
        Err(ErrorCode::GROUP_ID_NOT_FOUND) => DescribedGroup {
            group_state: "Dead",
            error_code: match version {
                0..=5 => ErrorCode::NONE,
                _ => ErrorCode::GROUP_ID_NOT_FOUND,
            },
            error_message: Some("there is no such classic group"),
            ..Default::default()
        },
        Err(code) => DescribedGroup {
            error_code: *code,
            ..Default::default()
        },
    }
}
