//! DeleteTopics, by name or by id.

use corelog_base::TopicId;
use corelog_broker::{AdminRequest, Error};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
};

use super::super::call::{Call, Fault, Malformed};
use super::admin::{admin, done, limit};
use super::parts::{good, merge};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DeleteTopicsRequest::decode(call.version, call.body())?;
    // Up to version 5 there are names alone.
    let topics: Vec<DeleteTopicState<'_>> = match call.version {
        ..=5 => request
            .topic_names
            .iter()
            .map(|name| DeleteTopicState {
                name: Some(name),
                ..Default::default()
            })
            .collect(),
        _ => request.topics.iter().collect(),
    };
    let mut parts: Vec<Result<TopicId, Fault>> = Vec::new();
    for topic in &topics {
        let found = find(call, topic);
        let is_repeated = found
            .as_ref()
            .is_ok_and(|id| parts.iter().flatten().any(|p| p == id));
        parts.push(match is_repeated {
            true => Err(Fault::new(
                ErrorCode::INVALID_REQUEST,
                "the topic is named twice",
            )),
            false => found,
        });
    }
    // Named for the answer, before they are gone.
    let names: Vec<Option<String>> = call.context.broker.image(|image| {
        let name = |id: &TopicId| image.topic(*id).map(|topic| topic.name.clone());
        parts
            .iter()
            .map(|part| part.as_ref().ok().and_then(name))
            .collect()
    });
    let ids = parts
        .iter()
        .map(|part| part.as_ref().map_or(TopicId::ZERO, |id| *id));
    let ids: Vec<TopicId> = ids.collect();
    let good = good(&parts);
    let count = good.len();
    let asked = AdminRequest::DeleteTopics(good);
    let outcomes = admin(call, asked, limit(request.timeout_ms), count, done).await;
    let outcomes = merge(parts, outcomes);
    let responses = topics.iter().zip(&outcomes).zip(names.iter().zip(&ids));
    let responses = responses.map(|((topic, outcome), (name, id))| DeletableTopicResult {
        name: topic.name.or(name.as_deref()),
        topic_id: if *id == TopicId::ZERO {
            topic.topic_id
        } else {
            *id
        },
        error_code: outcome
            .as_ref()
            .map_or_else(|fault| fault.code, |()| ErrorCode::NONE),
        error_message: outcome
            .as_ref()
            .err()
            .and_then(|fault| fault.message.as_deref()),
    });
    Ok(call.reply(&DeleteTopicsResponse {
        responses: responses.collect(),
        ..Default::default()
    }))
}

fn find<R: Runtime>(call: &Call<R>, topic: &DeleteTopicState<'_>) -> Result<TopicId, Fault> {
    let broker = &call.context.broker;
    match topic.name {
        Some(_) if topic.topic_id != TopicId::ZERO => Err(Fault::new(
            ErrorCode::INVALID_REQUEST,
            "a topic is named by its name or by its id, not by both",
        )),
        Some(name) => broker
            .image(|image| image.topic_named(name).map(|topic| topic.id))
            .ok_or_else(|| Error::UnknownPartition.into()),
        None => Ok(topic.topic_id),
    }
}
