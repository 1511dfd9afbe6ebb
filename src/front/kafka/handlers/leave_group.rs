//! LeaveGroup: one member, or since version 3 many.

use corelog_coordinator::groups::{Leave, Leaver, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, LeaveGroupMemberResponse, LeaveGroupRequest, LeaveGroupResponse, MemberIdentity,
};

use super::super::call::{Call, Malformed};
use super::groups::{ask, codes};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = LeaveGroupRequest::decode(call.version, call.body())?;
    let single = [MemberIdentity {
        member_id: request.member_id,
        ..Default::default()
    }];
    let leavers: Vec<MemberIdentity<'_>> = match call.version {
        0..=2 => single.to_vec(),
        _ => request.members.iter().collect(),
    };
    let members = leavers.iter().map(|leaver| Leaver {
        member: leaver.member_id.to_owned(),
        instance: leaver.group_instance_id.map(str::to_owned),
    });
    let leave = Leave {
        group: request.group_id.to_owned(),
        members: members.collect(),
    };
    let answer = ask(call, request.group_id, Request::Leave(leave)).await;
    // A group that is not there has none of the members; other errors are the request's.
    let whole = match &answer {
        Err(ErrorCode::UNKNOWN_MEMBER_ID) | Ok(_) => ErrorCode::NONE,
        Err(code) => *code,
    };
    let codes = codes(answer, leavers.len());
    let rows = leavers.iter().zip(&codes);
    let rows = rows.map(|(leaver, code)| LeaveGroupMemberResponse {
        member_id: leaver.member_id,
        group_instance_id: leaver.group_instance_id,
        error_code: *code,
    });
    Ok(call.reply(&LeaveGroupResponse {
        error_code: match call.version {
            0..=2 => codes.first().copied().unwrap_or_default(),
            _ => whole,
        },
        members: match whole.is_none() {
            true => rows.collect(),
            false => Default::default(),
        },
        ..Default::default()
    }))
}
