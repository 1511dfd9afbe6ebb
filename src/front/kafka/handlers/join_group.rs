//! JoinGroup. It may wait for minutes, so it holds no memory that others need: what it asks for is
//! the coordinator's.

use bytes::Bytes;
use corelog_coordinator::groups::{Abilities, Join, Joined, Reply as Answer, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember,
};

use super::super::call::{Call, Malformed};
use super::groups::{ask, client};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = JoinGroupRequest::decode(call.version, call.body())?;
    let protocols = request.protocols.iter();
    let protocols = protocols.map(|p| (p.name.to_owned(), Bytes::copy_from_slice(p.metadata)));
    let join = Join {
        group: request.group_id.to_owned(),
        client: client(call),
        member: request.member_id.to_owned(),
        instance: request.group_instance_id.map(str::to_owned),
        session_ms: request.session_timeout_ms,
        rebalance_ms: match call.version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        protocol_type: request.protocol_type.to_owned(),
        protocols: protocols.collect(),
        abilities: Abilities {
            takes_id: call.version >= 4,
            skips_assignment: call.version >= 9,
        },
    };
    let refused = |error_code, member_id| JoinGroupResponse {
        error_code,
        member_id,
        ..Default::default()
    };
    Ok(
        match ask(call, request.group_id, Request::Join(join)).await {
            Ok(Answer::Joined(joined)) => call.reply(&response(&joined)),
            Ok(Answer::JoinAs(id)) => call.reply(&refused(ErrorCode::MEMBER_ID_REQUIRED, &id)),
            Ok(_) => unreachable!("who joins is told of a generation or an id"),
            Err(code) => call.reply(&refused(code, request.member_id)),
        },
    )
}

fn response(joined: &Joined) -> JoinGroupResponse<'_> {
    let members = joined.members.iter().map(|member| JoinGroupResponseMember {
        member_id: &member.id,
        group_instance_id: member.instance.as_deref(),
        metadata: &member.metadata,
    });
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: Some(&joined.protocol_type),
        protocol_name: Some(&joined.protocol),
        leader: &joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: &joined.member,
        members: members.collect(),
        ..Default::default()
    }
}
