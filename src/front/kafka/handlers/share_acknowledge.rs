//! ShareAcknowledge: verdicts of a share consumer on what it was given.

use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, ShareAcknowledgePartitionData, ShareAcknowledgeRequest, ShareAcknowledgeResponse,
    ShareAcknowledgeTopicResponse,
};

use super::super::call::{Call, Malformed};
use super::super::share_sessions::{CLOSE, OPEN, Place};
use super::shares::{acknowledge, by_topic, lock_ms, release, verdicts};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ShareAcknowledgeRequest::decode(call.version, call.body())?;
    let refused = |error_code: ErrorCode| ShareAcknowledgeResponse {
        error_code,
        error_message: error_code.name(),
        ..Default::default()
    };
    let (Some(group), Some(member)) = (request.group_id, request.member_id) else {
        return Ok(call.reply(&refused(ErrorCode::INVALID_REQUEST)));
    };
    let member = (group.to_owned(), member.to_owned());
    let epoch = request.share_session_epoch;
    let entered = match epoch {
        // Only a fetch opens a session.
        OPEN => Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH),
        _ => call
            .context
            .shares
            .with(|shares| shares.enter(&member, epoch, &[], &[])),
    };
    if let Err(code) = entered {
        return Ok(call.reply(&refused(code)));
    }
    let mut rows: Vec<(Place, ErrorCode)> = Vec::new();
    for topic in request.topics.iter() {
        for partition in topic.partitions.iter() {
            let place = (topic.topic_id, partition.partition_index);
            let batches = verdicts(&partition.acknowledgement_batches);
            rows.push((place, acknowledge(call, &member, place, batches).await));
        }
    }
    if epoch == CLOSE {
        let places = call.context.shares.with(|shares| shares.close(&member));
        release(call, &member, &places).await;
    }
    let topics = by_topic(rows);
    let responses = topics
        .iter()
        .map(|(topic_id, partitions)| ShareAcknowledgeTopicResponse {
            topic_id: *topic_id,
            partitions: partitions
                .iter()
                .map(|(index, code)| ShareAcknowledgePartitionData {
                    partition_index: *index,
                    error_code: *code,
                    ..Default::default()
                })
                .collect(),
        });
    Ok(call.reply(&ShareAcknowledgeResponse {
        acquisition_lock_timeout_ms: lock_ms(),
        responses: responses.collect(),
        ..Default::default()
    }))
}
