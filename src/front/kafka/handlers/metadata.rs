//! Metadata: brokers, and topics with their partitions' leaders; creates topics on the way.

use std::collections::BTreeSet;

use corelog_base::{PartitionIndex, TopicId};
use corelog_broker::{Leadership, PartitionKey};
use corelog_cluster::{Image, Topic, is_internal};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    Array, ErrorCode, MetadataRequest, MetadataRequestTopic, MetadataResponse,
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};

use super::super::call::{Call, Malformed};
use super::super::context::Context;
use super::operations;
use crate::connection::Reply;
use crate::operation;

/// How a topic was asked for, and what became of it.
enum Found<'a> {
    Topic(TopicId),
    /// No such name, or it could not be created.
    Named(&'a str, ErrorCode),
    NoId(TopicId, ErrorCode),
}

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = MetadataRequest::decode(call.version, call.body())?;
    let context = &call.context;
    let asked = match &request.topics {
        None => None,
        Some(topics) if call.version == 0 && topics.is_empty() => None,
        Some(topics) => Some(topics),
    };
    let mut found = match asked {
        None => every_topic(context),
        Some(topics) => {
            // A topic that is named many times is told once: answers are bounded by what is there.
            let mut seen = BTreeSet::new();
            let topics = topics.iter();
            topics
                .filter(|topic| seen.insert((topic.name, topic.topic_id)))
                .map(|topic| find(context, &topic, call.version))
                .collect()
        }
    };
    if request.allow_auto_topic_creation {
        create_missing(context, &mut found).await;
    }
    Ok(answer(call, &request, &found))
}

fn every_topic<'a, R: Runtime>(context: &Context<R>) -> Vec<Found<'a>> {
    let found = |topic: &Topic| Found::Topic(topic.id);
    context
        .broker
        .image(|image| image.topics().map(found).collect())
}

fn find<'a, R: Runtime>(
    context: &Context<R>,
    asked: &MetadataRequestTopic<'a>,
    version: i16,
) -> Found<'a> {
    let id = asked.topic_id;
    match asked.name {
        Some(name) if id == TopicId::ZERO => {
            let topic = context
                .broker
                .image(|image| image.topic_named(name).map(|t| t.id));
            topic.map_or(
                Found::Named(name, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                Found::Topic,
            )
        }
        // Versions 10 and 11 have the field, but not the meaning.
        _ if version < 12 || id == TopicId::ZERO => Found::NoId(id, ErrorCode::INVALID_REQUEST),
        _ if context.broker.image(|image| image.topic(id).is_some()) => Found::Topic(id),
        _ => Found::NoId(id, ErrorCode::UNKNOWN_TOPIC_ID),
    }
}

/// Creates the topics that were asked for by name and are not there, if the broker permits it.
async fn create_missing<R: Runtime>(context: &Context<R>, found: &mut [Found<'_>]) {
    let broker = &context.broker;
    let missing = found.iter().filter_map(|topic| match topic {
        Found::Named(name, _) => Some(*name),
        _ => None,
    });
    let refused = operation::create_missing(broker, missing).await;
    for topic in found {
        if let Found::Named(name, _) = topic {
            let id = broker.image(|image| image.topic_named(name).map(|t| t.id));
            match (id, refused.get(name)) {
                // Also when another connection was quicker.
                (Some(id), _) => *topic = Found::Topic(id),
                (None, Some(code)) => *topic = Found::Named(name, *code),
                (None, None) => {}
            }
        }
    }
}

fn answer<R: Runtime>(call: &Call<R>, request: &MetadataRequest<'_>, found: &[Found<'_>]) -> Reply {
    let context = &call.context;
    let leaders: Vec<Vec<Leadership>> = found
        .iter()
        .map(|found| match found {
            Found::Topic(id) => leaders_of(context, *id),
            _ => Vec::new(),
        })
        .collect();
    let (of_cluster, of_topics) = (
        request.include_cluster_authorized_operations,
        request.include_topic_authorized_operations,
    );
    context.broker.image(|image| {
        let cluster_id = image.cluster_id().map(|id| id.to_string());
        let topics = found
            .iter()
            .zip(&leaders)
            .map(|(found, leaders)| MetadataResponseTopic {
                topic_authorized_operations: operations::of_topics(of_topics),
                ..topic(image, found, leaders)
            });
        let brokers = image.nodes().map(|node| MetadataResponseBroker {
            node_id: node.id.0,
            host: &node.host,
            port: i32::from(node.port),
            rack: node.rack.as_deref(),
        });
        call.reply(&MetadataResponse {
            brokers: brokers.collect(),
            cluster_id: cluster_id.as_deref(),
            // As with KRaft: clients send changes to whom they are told, and that is us.
            controller_id: context.broker.node().0,
            topics: topics.collect(),
            cluster_authorized_operations: operations::of_cluster(of_cluster),
            ..Default::default()
        })
    })
}

fn leaders_of<R: Runtime>(context: &Context<R>, topic: TopicId) -> Vec<Leadership> {
    let count = context
        .broker
        .image(|image| image.topic(topic).map(Topic::partition_count));
    let partitions = (0..).map(PartitionIndex).take(count.unwrap_or(0) as usize);
    partitions
        .map(|partition| context.broker.leadership(PartitionKey { topic, partition }))
        .collect()
}

fn topic<'i>(
    image: &'i Image,
    found: &Found<'i>,
    leaders: &[Leadership],
) -> MetadataResponseTopic<'i> {
    let failed = |name, topic_id, error_code| MetadataResponseTopic {
        error_code,
        name,
        topic_id,
        is_internal: name.is_some_and(is_internal),
        ..Default::default()
    };
    match found {
        Found::Named(name, code) => failed(Some(*name), TopicId::ZERO, *code),
        Found::NoId(id, code) => failed(None, *id, *code),
        Found::Topic(id) => match image.topic(*id) {
            None => failed(None, *id, ErrorCode::UNKNOWN_TOPIC_ID),
            Some(topic) => MetadataResponseTopic {
                name: Some(&topic.name),
                topic_id: topic.id,
                is_internal: is_internal(&topic.name),
                partitions: partitions(topic, leaders),
                ..Default::default()
            },
        },
    }
}

fn partitions<'i>(
    topic: &Topic,
    leaders: &[Leadership],
) -> Array<'i, MetadataResponsePartition<'i>> {
    let of = |(partition, leadership): (&corelog_cluster::Partition, &Leadership)| {
        let replicas: Vec<i32> = partition.replicas.iter().map(|r| r.node.0).collect();
        MetadataResponsePartition {
            error_code: match leadership.leader {
                Some(_) => ErrorCode::NONE,
                None => ErrorCode::LEADER_NOT_AVAILABLE,
            },
            partition_index: partition.index.0,
            leader_id: leadership.leader.map_or(-1, |node| node.0),
            leader_epoch: leadership.epoch.0,
            isr_nodes: replicas.clone().into(),
            replica_nodes: replicas.into(),
            ..Default::default()
        }
    };
    topic.partitions().iter().zip(leaders).map(of).collect()
}
