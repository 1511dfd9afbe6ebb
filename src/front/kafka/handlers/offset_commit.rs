//! OffsetCommit: topics by name, or since version 10 by id.

use corelog_base::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use corelog_coordinator::groups::{Commit, CommitPartition, CommitTopic, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use super::super::call::{Call, Malformed};
use super::groups::{ask, codes, membership};
use crate::connection::Reply;

/// A topic of the request: what of it can be committed, and one place a partition; None is for the
/// coordinator to say.
struct Part {
    topic: CommitTopic,
    outcomes: Vec<Option<ErrorCode>>,
}

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = OffsetCommitRequest::decode(call.version, call.body())?;
    let topics = request.topics.iter();
    let mut parts: Vec<Part> = topics.map(|topic| part(call, &topic)).collect();
    let commit = Commit {
        group: request.group_id.to_owned(),
        membership: membership(
            request.generation_id_or_member_epoch,
            request.member_id,
            request.group_instance_id,
        ),
        retention_ms: (request.retention_time_ms >= 0).then_some(request.retention_time_ms),
        topics: parts.iter().map(|part| part.topic.clone()).collect(),
    };
    let count = commit.topics.iter().map(|topic| topic.partitions.len());
    let count = count.sum();
    let answer = ask(call, request.group_id, Request::Commit(commit)).await;
    let mut codes = codes(answer, count).into_iter();
    for outcome in parts.iter_mut().flat_map(|part| &mut part.outcomes) {
        if outcome.is_none() {
            *outcome = codes.next();
        }
    }
    let rows = request.topics.iter().zip(&parts).map(|(topic, part)| {
        let outcomes = topic.partitions.iter().zip(&part.outcomes);
        OffsetCommitResponseTopic {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions: outcomes
                .map(|(partition, outcome)| OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: outcome.unwrap_or_default(),
                })
                .collect(),
        }
    });
    Ok(call.reply(&OffsetCommitResponse {
        topics: rows.collect(),
        ..Default::default()
    }))
}

fn part<R: Runtime>(call: &Call<R>, asked: &OffsetCommitRequestTopic<'_>) -> Part {
    let by_id = call.version >= 10;
    let found = call.context.broker.image(|image| {
        let topic = match by_id {
            true => image.topic(asked.topic_id),
            false => image.topic_named(asked.name),
        };
        topic.map(|topic| (topic.id, topic.name.clone(), topic.partition_count()))
    });
    let (id, name, count) = found.unwrap_or((TopicId::ZERO, String::new(), 0));
    let unknown = match by_id && id == TopicId::ZERO {
        true => ErrorCode::UNKNOWN_TOPIC_ID,
        false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    };
    let mut topic = CommitTopic {
        name,
        id,
        partitions: Vec::new(),
    };
    let mut outcomes = Vec::new();
    for partition in asked.partitions.iter() {
        let PartitionIndex(index) = PartitionIndex(partition.partition_index);
        let exists = u32::try_from(index).is_ok_and(|index| index < count);
        outcomes.push((!exists).then_some(unknown));
        if exists {
            topic.partitions.push(CommitPartition {
                partition: index,
                offset: Offset(partition.committed_offset),
                leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
                metadata: partition.committed_metadata.unwrap_or_default().to_owned(),
            });
        }
    }
    Part { topic, outcomes }
}
