//! ShareGroupHeartbeat and ShareGroupDescribe (KIP-932).

use corelog_coordinator::groups::{
    DescribedShare, DescribedShareMember, Reply as Answer, Request, ShareHeartbeat,
};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DescribedShareGroup, ErrorCode, ShareGroupDescribeAssignment, ShareGroupDescribeMember,
    ShareGroupDescribeRequest, ShareGroupDescribeResponse, ShareGroupDescribeTopicPartitions,
    ShareGroupHeartbeatAssignment, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
    ShareGroupHeartbeatTopicPartitions,
};

use super::super::call::{Call, Malformed};
use super::groups::{ask, client};
use super::operations;
use crate::connection::Reply;

/// Kafka's own share groups beat as often.
const HEARTBEAT_MS: i32 = 5_000;

pub(in super::super) async fn heartbeat<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ShareGroupHeartbeatRequest::decode(call.version, call.body())?;
    let topics = request.subscribed_topic_names.as_ref();
    let beat = ShareHeartbeat {
        group: request.group_id.to_owned(),
        client: client(call),
        member: request.member_id.to_owned(),
        epoch: request.member_epoch,
        rack: request.rack_id.map(str::to_owned),
        topics: topics.map(|topics| topics.iter().map(str::to_owned).collect()),
    };
    let asked = Request::ShareHeartbeat(Box::new(beat));
    let told = match ask(call, request.group_id, asked).await {
        Ok(Answer::Beat(told)) => told,
        Ok(_) => unreachable!("a heartbeat is answered by an epoch"),
        Err(error_code) => {
            return Ok(call.reply(&ShareGroupHeartbeatResponse {
                error_code,
                error_message: error_code.name(),
                ..Default::default()
            }));
        }
    };
    let assignment = told.assignment.as_ref().map(|topics| {
        let topics = topics.iter();
        ShareGroupHeartbeatAssignment {
            topic_partitions: topics
                .map(
                    |(topic_id, partitions)| ShareGroupHeartbeatTopicPartitions {
                        topic_id: *topic_id,
                        partitions: partitions.into(),
                    },
                )
                .collect(),
        }
    });
    Ok(call.reply(&ShareGroupHeartbeatResponse {
        member_id: Some(&told.member),
        member_epoch: told.epoch,
        heartbeat_interval_ms: HEARTBEAT_MS,
        assignment,
        ..Default::default()
    }))
}

pub(in super::super) async fn describe<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ShareGroupDescribeRequest::decode(call.version, call.body())?;
    let mut found = Vec::new();
    for group in request.group_ids.iter() {
        found.push((group, described(call, group).await));
    }
    let asked = request.include_authorized_operations;
    let groups = found.iter().map(|(group_id, found)| DescribedShareGroup {
        group_id,
        authorized_operations: operations::of_groups(asked),
        ..row(found)
    });
    Ok(call.reply(&ShareGroupDescribeResponse {
        groups: groups.collect(),
        ..Default::default()
    }))
}

pub(super) async fn described<R: Runtime>(
    call: &Call<R>,
    group: &str,
) -> Result<DescribedShare, ErrorCode> {
    match ask(call, group, Request::DescribeShare(group.to_owned())).await? {
        Answer::DescribedShare(described) => Ok(described),
        _ => unreachable!("a group is described"),
    }
}

fn row(found: &Result<DescribedShare, ErrorCode>) -> DescribedShareGroup<'_> {
    match found {
        Ok(described) => DescribedShareGroup {
            group_state: described.state,
            group_epoch: described.epoch,
            assignment_epoch: described.epoch,
            assignor_name: "simple",
            members: described.members.iter().map(member).collect(),
            ..Default::default()
        },
        Err(code) => DescribedShareGroup {
            error_code: *code,
            error_message: code.name(),
            group_state: match *code {
                ErrorCode::GROUP_ID_NOT_FOUND => "Dead",
                _ => "",
            },
            ..Default::default()
        },
    }
}

fn member(member: &DescribedShareMember) -> ShareGroupDescribeMember<'_> {
    let topics = member.assigned.iter();
    ShareGroupDescribeMember {
        member_id: &member.id,
        rack_id: member.rack.as_deref(),
        member_epoch: member.epoch,
        client_id: &member.client.id,
        client_host: &member.client.host,
        subscribed_topic_names: member.topics.iter().map(String::as_str).collect(),
        assignment: ShareGroupDescribeAssignment {
            topic_partitions: topics
                .map(
                    |(topic_id, name, partitions)| ShareGroupDescribeTopicPartitions {
                        topic_id: *topic_id,
                        topic_name: name,
                        partitions: partitions.into(),
                    },
                )
                .collect(),
        },
    }
}
