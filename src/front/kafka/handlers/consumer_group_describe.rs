//! ConsumerGroupDescribe (KIP-848).

use corelog_coordinator::groups::{
    DescribedConsumer, DescribedConsumerMember, Reply as Answer, Request, TopicPartitions,
};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ConsumerGroupDescribeAssignment, ConsumerGroupDescribeMember, ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse, ConsumerGroupDescribeTopicPartitions, DescribedConsumerGroup,
    ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::groups::ask;
use super::operations;
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ConsumerGroupDescribeRequest::decode(call.version, call.body())?;
    let mut found = Vec::new();
    for group in request.group_ids.iter() {
        let answer = ask(call, group, Request::DescribeConsumer(group.to_owned())).await;
        found.push((
            group,
            answer.map(|answer| match answer {
                Answer::DescribedConsumer(described) => described,
                _ => unreachable!("a group is described"),
            }),
        ));
    }
    let asked = request.include_authorized_operations;
    let groups = found
        .iter()
        .map(|(group_id, found)| DescribedConsumerGroup {
            group_id,
            authorized_operations: operations::of_groups(asked),
            ..row(found)
        });
    Ok(call.reply(&ConsumerGroupDescribeResponse {
        groups: groups.collect(),
        ..Default::default()
    }))
}

fn row(found: &Result<DescribedConsumer, ErrorCode>) -> DescribedConsumerGroup<'_> {
    match found {
        Ok(described) => DescribedConsumerGroup {
            group_state: described.state,
            group_epoch: described.epoch,
            assignment_epoch: described.assignment_epoch,
            assignor_name: described.assignor,
            members: described.members.iter().map(member).collect(),
            ..Default::default()
        },
        Err(ErrorCode::GROUP_ID_NOT_FOUND) => DescribedConsumerGroup {
            error_code: ErrorCode::GROUP_ID_NOT_FOUND,
            error_message: Some("there is no such group of the consumer protocol"),
            group_state: "Dead",
            ..Default::default()
        },
        Err(code) => DescribedConsumerGroup {
            error_code: *code,
            ..Default::default()
        },
    }
}

fn member(member: &DescribedConsumerMember) -> ConsumerGroupDescribeMember<'_> {
    ConsumerGroupDescribeMember {
        member_id: &member.id,
        instance_id: member.instance.as_deref(),
        rack_id: member.rack.as_deref(),
        member_epoch: member.epoch,
        client_id: &member.client.id,
        client_host: &member.client.host,
        subscribed_topic_names: member.topics.iter().map(String::as_str).collect(),
        subscribed_topic_regex: member.pattern.as_deref(),
        assignment: assignment(&member.assigned),
        target_assignment: assignment(&member.target),
        member_type: match member.classic {
            true => 0,
            false => 1,
        },
    }
}

fn assignment(topics: &[TopicPartitions]) -> ConsumerGroupDescribeAssignment<'_> {
    let topics = topics.iter();
    ConsumerGroupDescribeAssignment {
        topic_partitions: topics
            .map(
                |(topic_id, name, partitions)| ConsumerGroupDescribeTopicPartitions {
                    topic_id: *topic_id,
                    topic_name: name,
                    partitions: partitions.into(),
                },
            )
            .collect(),
    }
}
