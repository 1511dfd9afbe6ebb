//! ConsumerGroupHeartbeat (KIP-848).

use corelog_coordinator::groups::{ConsumerHeartbeat, Reply as Answer, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ConsumerGroupHeartbeatAssignment, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatTopicPartitions, ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::groups::{ask, client};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ConsumerGroupHeartbeatRequest::decode(call.version, call.body())?;
    let failed = |error_code: ErrorCode| ConsumerGroupHeartbeatResponse {
        error_code,
        error_message: error_code.name(),
        ..Default::default()
    };
    // From version 1 on, a member makes its own id.
    if call.version >= 1 && request.member_id.is_empty() {
        return Ok(call.reply(&failed(ErrorCode::INVALID_REQUEST)));
    }
    let owned = request.topic_partitions.as_ref().map(|topics| {
        let topics = topics.iter();
        topics
            .map(|topic| (topic.topic_id, topic.partitions.iter().collect()))
            .collect()
    });
    let topics = request.subscribed_topic_names.as_ref();
    let beat = ConsumerHeartbeat {
        group: request.group_id.to_owned(),
        client: client(call),
        member: request.member_id.to_owned(),
        epoch: request.member_epoch,
        instance: request.instance_id.map(str::to_owned),
        rack: request.rack_id.map(str::to_owned),
        rebalance_ms: (request.rebalance_timeout_ms >= 0).then_some(request.rebalance_timeout_ms),
        topics: topics.map(|topics| topics.iter().map(str::to_owned).collect()),
        pattern: request.subscribed_topic_regex.map(str::to_owned),
        assignor: request.server_assignor.map(str::to_owned),
        owned,
    };
    let asked = Request::ConsumerHeartbeat(Box::new(beat));
    let told = match ask(call, request.group_id, asked).await {
        Ok(Answer::Beat(told)) => told,
        Ok(_) => unreachable!("a heartbeat is answered by an epoch"),
        Err(code) => return Ok(call.reply(&failed(code))),
    };
    let settings = call
        .context
        .broker
        .image(|image| image.broker_settings().groups);
    let assignment = told.assignment.as_ref().map(|topics| {
        let topics = topics.iter();
        ConsumerGroupHeartbeatAssignment {
            topic_partitions: topics
                .map(
                    |(topic_id, partitions)| ConsumerGroupHeartbeatTopicPartitions {
                        topic_id: *topic_id,
                        partitions: partitions.into(),
                    },
                )
                .collect(),
        }
    });
    Ok(call.reply(&ConsumerGroupHeartbeatResponse {
        member_id: Some(&told.member),
        member_epoch: told.epoch,
        heartbeat_interval_ms: i32::try_from(settings.consumer_heartbeat.as_millis())
            .unwrap_or(i32::MAX),
        assignment,
        ..Default::default()
    }))
}
