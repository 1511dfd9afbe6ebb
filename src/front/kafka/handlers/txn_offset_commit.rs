//! TxnOffsetCommit: offsets of a group that count once a transaction is committed.

use corelog_base::{LeaderEpoch, Offset, TopicId};
use corelog_coordinator::groups::{
    Commit, CommitPartition, CommitTopic, Request as GroupRequest, TransactionalCommit,
};
use corelog_coordinator::transactions::{Add, Protocol, Reply as Answer, Request, Verify};
use corelog_coordinator::{Error, Producer};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
};

use super::super::call::{Call, Malformed};
use super::super::error::coordinator_code;
use super::groups::{ask, codes, membership};
use super::transactions::{ask as ask_transaction, offsets_partition, producer};
use crate::connection::Reply;

/// From this version on, the offsets' partition joins the transaction by itself (KIP-890).
const IMPLICIT_VERSION_MIN: i16 = 5;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = TxnOffsetCommitRequest::decode(call.version, call.body())?;
    let count = request.topics.iter().map(|topic| topic.partitions.len());
    let count = count.sum();
    let codes = match join(call, &request).await {
        Ok(producer) => commit(call, &request, producer).await,
        Err(code) => vec![code; count],
    };
    let mut codes = codes.into_iter();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().zip(&mut codes);
        TxnOffsetCommitResponseTopic {
            name: topic.name,
            partitions: partitions
                .map(|(partition, error_code)| TxnOffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code,
                })
                .collect(),
        }
    });
    Ok(call.reply(&TxnOffsetCommitResponse {
        topics: topics.collect(),
        ..Default::default()
    }))
}

/// The offsets' partition is in the transaction.
async fn join<R: Runtime>(
    call: &Call<R>,
    request: &TxnOffsetCommitRequest<'_>,
) -> Result<Producer, ErrorCode> {
    let producer = producer(request.producer_id, request.producer_epoch);
    let partitions = offsets_partition(&call.context, request.group_id).await;
    let partitions = partitions.map_err(coordinator_code)?;
    let id = request.transactional_id.to_owned();
    let asked = match call.version {
        IMPLICIT_VERSION_MIN.. => Request::Add(Add {
            id,
            producer,
            protocol: Protocol::Epochs,
            partitions,
        }),
        _ => {
            let each = |(topic, indexes): (String, std::collections::BTreeSet<i32>)| {
                indexes.into_iter().map(move |index| (topic.clone(), index))
            };
            Request::Verify(Verify {
                id,
                producer,
                partitions: partitions.into_iter().flat_map(each).collect(),
            })
        }
    };
    let implicit = call.version >= IMPLICIT_VERSION_MIN;
    let answered = ask_transaction(&call.context, request.transactional_id, asked).await;
    let refused = match answered {
        Ok(Answer::Partitions(outcomes)) => outcomes.into_iter().find_map(Result::err),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    match refused {
        None => Ok(producer),
        Some(Error::NotInTransaction) if !implicit => Err(ErrorCode::INVALID_TXN_STATE),
        // Retriable for older clients too.
        Some(Error::ConcurrentTransactions) if !implicit => {
            Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
        }
        Some(error) => Err(coordinator_code(error)),
    }
}

async fn commit<R: Runtime>(
    call: &Call<R>,
    request: &TxnOffsetCommitRequest<'_>,
    producer: Producer,
) -> Vec<ErrorCode> {
    let mut outcomes = Vec::new();
    let mut topics = Vec::new();
    for topic in request.topics.iter() {
        let found = call.context.broker.image(|image| {
            let found = image.topic_named(topic.name);
            found.map(|topic| (topic.id, topic.partition_count()))
        });
        let (id, count) = found.unwrap_or((TopicId::ZERO, 0));
        let mut known = CommitTopic {
            name: topic.name.to_owned(),
            id,
            partitions: Vec::new(),
        };
        for partition in topic.partitions.iter() {
            let index = partition.partition_index;
            let exists = u32::try_from(index).is_ok_and(|index| index < count);
            outcomes.push((!exists).then_some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
            if exists {
                known.partitions.push(CommitPartition {
                    partition: index,
                    offset: Offset(partition.committed_offset),
                    leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
                    metadata: partition.committed_metadata.unwrap_or_default().to_owned(),
                });
            }
        }
        topics.push(known);
    }
    let count = topics.iter().map(|topic| topic.partitions.len()).sum();
    let commit = Commit {
        group: request.group_id.to_owned(),
        membership: membership(
            request.generation_id,
            request.member_id,
            request.group_instance_id,
        ),
        retention_ms: None,
        topics,
    };
    let asked = GroupRequest::TransactionalCommit(TransactionalCommit { producer, commit });
    let answer = ask(call, request.group_id, asked).await;
    let mut codes = codes(answer, count).into_iter();
    let outcomes = outcomes.into_iter();
    outcomes
        .map(|refused| refused.or_else(|| codes.next()).unwrap_or_default())
        .collect()
}
