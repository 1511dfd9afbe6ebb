//! CreatePartitions: a topic gets more.

use corelog_base::NodeId;
use corelog_broker::AdminRequest;
use corelog_cluster::{NewPartitions, repeated};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult, ErrorCode,
};

use super::super::call::{Call, Fault, Malformed};
use super::admin::{admin, done, limit};
use super::parts::{good, merge};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = CreatePartitionsRequest::decode(call.version, call.body())?;
    let repeated = repeated(request.topics.iter().map(|topic| topic.name));
    let parts: Vec<Result<NewPartitions, Fault>> = request
        .topics
        .iter()
        .map(|topic| match repeated.contains(topic.name) {
            true => Err(Fault::new(
                ErrorCode::INVALID_REQUEST,
                "the topic is named twice",
            )),
            false => Ok(wanted(&topic)),
        })
        .collect();
    let topics = good(&parts);
    let count = topics.len();
    let asked = AdminRequest::AddPartitions {
        topics,
        validate_only: request.validate_only,
    };
    let outcomes = admin(call, asked, limit(request.timeout_ms), count, done).await;
    let outcomes = merge(parts, outcomes);
    let results = request.topics.iter().zip(&outcomes);
    let results = results.map(|(topic, outcome)| CreatePartitionsTopicResult {
        name: topic.name,
        error_code: outcome
            .as_ref()
            .map_or_else(|fault| fault.code, |()| ErrorCode::NONE),
        error_message: outcome
            .as_ref()
            .err()
            .and_then(|fault| fault.message.as_deref()),
    });
    Ok(call.reply(&CreatePartitionsResponse {
        results: results.collect(),
        ..Default::default()
    }))
}

fn wanted(topic: &CreatePartitionsTopic<'_>) -> NewPartitions {
    let assignments = topic.assignments.iter().flat_map(|all| all.iter());
    let nodes = |a: corelog_wire::kafka::CreatePartitionsAssignment<'_>| {
        a.broker_ids.iter().map(NodeId).collect()
    };
    NewPartitions {
        topic: topic.name.to_owned(),
        total: topic.count,
        assignments: assignments.map(nodes).collect(),
    }
}
