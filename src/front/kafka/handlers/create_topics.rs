//! CreateTopics.

use corelog_base::{NodeId, PartitionIndex};
use corelog_broker::{AdminReply, AdminRequest, CreatedTopic};
use corelog_cluster::{DescribedConfig, TopicSpec, repeated};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicConfigs,
    CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse, ErrorCode,
};

use super::super::call::{Call, Fault, Malformed};
use super::admin::{admin, limit};
use super::parts::{good, merge};
use crate::connection::Reply;
use crate::operation::source_number;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = CreateTopicsRequest::decode(call.version, call.body())?;
    let repeated = repeated(request.topics.iter().map(|topic| topic.name));
    let parts: Vec<Result<TopicSpec, Fault>> = request
        .topics
        .iter()
        .map(|topic| match repeated.contains(topic.name) {
            true => Err(Fault::new(
                ErrorCode::INVALID_REQUEST,
                "the topic is named twice",
            )),
            false => Ok(spec(&topic)),
        })
        .collect();
    let asked = AdminRequest::CreateTopics {
        topics: good(&parts),
        validate_only: request.validate_only,
    };
    let count = parts.iter().flatten().count();
    let outcomes = admin(
        call,
        asked,
        limit(request.timeout_ms),
        count,
        |reply| match reply {
            AdminReply::Created(outcomes) => outcomes,
            _ => unreachable!("created topics answer their creation"),
        },
    )
    .await;
    let outcomes = merge(parts, outcomes);
    let described: Vec<Vec<DescribedConfig>> = outcomes.iter().map(|o| describe(call, o)).collect();
    let topics = request.topics.iter().zip(outcomes.iter().zip(&described));
    let topics = topics.map(|(topic, (outcome, described))| match outcome {
        Ok(created) => CreatableTopicResult {
            name: topic.name,
            topic_id: created.id,
            num_partitions: created.partitions.0,
            replication_factor: created.replication,
            configs: Some(described.iter().map(row).collect()),
            ..Default::default()
        },
        Err(fault) => CreatableTopicResult {
            name: topic.name,
            error_code: fault.code,
            error_message: fault.message.as_deref(),
            ..Default::default()
        },
    });
    Ok(call.reply(&CreateTopicsResponse {
        topics: topics.collect(),
        ..Default::default()
    }))
}

/// What the topic obeys now; nothing of a topic that was only validated.
fn describe<R: Runtime>(
    call: &Call<R>,
    outcome: &Result<CreatedTopic, Fault>,
) -> Vec<DescribedConfig> {
    let described = outcome.as_ref().ok().and_then(|created| {
        let broker = &call.context.broker;
        broker.image(|image| Some(image.describe_topic(image.topic(created.id)?)))
    });
    described.unwrap_or_default()
}

fn row(config: &DescribedConfig) -> CreatableTopicConfigs<'_> {
    CreatableTopicConfigs {
        name: config.name,
        value: config.value.as_deref(),
        read_only: config.read_only,
        config_source: source_number(config.source),
        is_sensitive: config.sensitive,
    }
}

fn spec(topic: &CreatableTopic<'_>) -> TopicSpec {
    let assignment = |a: CreatableReplicaAssignment<'_>| {
        let nodes = a.broker_ids.iter().map(NodeId).collect();
        (PartitionIndex(a.partition_index), nodes)
    };
    let config = |c: CreatableTopicConfig<'_>| (c.name.to_owned(), c.value.map(str::to_owned));
    TopicSpec {
        name: topic.name.to_owned(),
        partitions: topic.num_partitions,
        replication: topic.replication_factor,
        assignments: topic.assignments.iter().map(assignment).collect(),
        configs: topic.configs.iter().map(config).collect(),
    }
}
