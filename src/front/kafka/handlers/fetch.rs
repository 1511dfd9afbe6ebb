//! Fetch: what changed in the partitions of a session, or all that was asked.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use corelog_broker::{Error, FetchPart, Fetched, Isolation, PartitionKey};
use corelog_record::{Codec, batches};
use corelog_rt::{Credit, Runtime};
use corelog_wire::kafka::{
    self, AbortedTransaction, Array, ErrorCode, FetchResponse, FetchableTopicResponse,
    PartitionData, Records,
};

use super::super::call::{Call, Malformed};
use super::super::context::Context;
use super::super::error::{code, session_code};
use super::super::sessions::{Asked, Key, Plan, Told, TopicRef, Wanted};
use super::produce::current_leader;
use crate::connection::{Reply, Started, Task};
use crate::operation::{Memory, Patience, Read};

/// From these versions on: topics by id, zstd.
const IDS_VERSION_MIN: i16 = 13;
const ZSTD_VERSION_MIN: i16 = 10;

pub(in super::super) fn start<R: Runtime>(call: Call<R>) -> Task<Started> {
    Box::pin(async move {
        let credit = call.admit().await;
        let reply = handle(&call, credit).await;
        Started::Done(reply.unwrap_or_else(|malformed| call.refuse(&malformed)))
    })
}

async fn handle<R: Runtime>(call: &Call<R>, work: Credit) -> Result<Reply, Malformed> {
    let request = kafka::FetchRequest::decode(call.version, call.body())?;
    let context = &call.context;
    let rt = context.broker.runtime();
    let (now, random) = (rt.now(), rt.random());
    let asked = asked(&request, call.version);
    let plan = match context.sessions.with(|s| s.plan(asked, now, random)) {
        Ok(plan) => plan,
        Err(error) => {
            return Ok(call.reply(&FetchResponse {
                error_code: session_code(error),
                ..Default::default()
            }));
        }
    };
    let read = Read {
        isolation: isolation(request.isolation_level),
        parts: plan
            .parts
            .iter()
            .map(|(key, wanted)| part(context, key, wanted))
            .collect(),
        wait_max: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
        bytes_min: u64::try_from(request.min_bytes).unwrap_or(0),
        bytes_max: u64::try_from(request.max_bytes).unwrap_or(0),
    };
    let patience = Patience::of(call.body().len() as u64, work);
    let memory = Memory {
        broker: &context.broker,
        records: &context.records,
    };
    let (outcomes, credit) = read.run(&memory, patience.wait_max).await;
    drop(patience);
    let reply = answer(call, &plan, &outcomes, read.isolation);
    Ok(match credit {
        Some(credit) => reply.holding(credit),
        None => reply,
    })
}

/// Of Kafka's number.
pub(super) fn isolation(level: i8) -> Isolation {
    match level {
        0 => Isolation::Uncommitted,
        _ => Isolation::Committed,
    }
}

fn asked(request: &kafka::FetchRequest<'_>, version: i16) -> Asked {
    let topic_ref = |name: &str, id| match version {
        IDS_VERSION_MIN.. => TopicRef::Id(id),
        _ => TopicRef::Name(name.into()),
    };
    let mut wanted = Vec::new();
    for topic in request.topics.iter() {
        let topic_ref = topic_ref(topic.topic, topic.topic_id);
        wanted.extend(topic.partitions.iter().map(|partition| {
            let key = Key {
                topic: topic_ref.clone(),
                partition: PartitionIndex(partition.partition),
            };
            (key, want(&partition))
        }));
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data.iter() {
        let topic_ref = topic_ref(topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.iter().map(|partition| Key {
            topic: topic_ref.clone(),
            partition: PartitionIndex(partition),
        }));
    }
    Asked {
        id: request.session_id,
        epoch: request.session_epoch,
        wanted,
        forgotten,
    }
}

fn want(partition: &kafka::FetchPartition) -> Wanted {
    let epoch = partition.current_leader_epoch;
    Wanted {
        offset: Offset(partition.fetch_offset),
        leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
        bytes_max: u32::try_from(partition.partition_max_bytes).unwrap_or(0),
    }
}

/// A partition as the broker knows it.
fn part<R: Runtime>(context: &Context<R>, key: &Key, wanted: &Wanted) -> Result<FetchPart, Error> {
    let topic = match &key.topic {
        TopicRef::Id(id) => *id,
        TopicRef::Name(name) => context
            .broker
            .image(|image| image.topic_named(name).map(|topic| topic.id))
            .ok_or(Error::UnknownPartition)?,
    };
    Ok(FetchPart {
        key: PartitionKey {
            topic,
            partition: key.partition,
        },
        offset: wanted.offset,
        leader_epoch: wanted.leader_epoch,
        bytes_max: u64::from(wanted.bytes_max),
    })
}

fn answer<R: Runtime>(
    call: &Call<R>,
    plan: &Plan,
    outcomes: &[Result<Fetched, Error>],
    isolation: Isolation,
) -> Reply {
    let mut topics: Vec<(&TopicRef, Vec<PartitionData<'_>>)> = Vec::new();
    for ((key, _), outcome) in plan.parts.iter().zip(outcomes) {
        let is_told = call.context.sessions.with(|sessions| {
            let told = outcome.as_ref().ok().map(|fetched| Told {
                high_watermark: fetched.high_watermark,
                log_start: fetched.log_start,
            });
            let has_records = outcome
                .as_ref()
                .is_ok_and(|fetched| !fetched.batches.is_empty());
            sessions.tell(plan.membership, key, told, has_records)
        });
        if !is_told {
            continue;
        }
        let data = partition(key.partition, outcome, call.version, isolation);
        match topics.last_mut() {
            Some((topic, partitions)) if **topic == key.topic => partitions.push(data),
            _ => topics.push((&key.topic, vec![data])),
        }
    }
    let moved = outcomes.iter().filter_map(|outcome| match outcome {
        Err(Error::NotLeader { leader, .. }) => *leader,
        _ => None,
    });
    let endpoints = call.context.endpoints_of(moved);
    let responses = topics.into_iter().map(|(topic, partitions)| {
        let (topic, topic_id) = match topic {
            TopicRef::Id(id) => ("", *id),
            TopicRef::Name(name) => (&**name, TopicId::ZERO),
        };
        FetchableTopicResponse {
            topic,
            topic_id,
            partitions: partitions.into(),
        }
    });
    call.reply(&FetchResponse {
        session_id: plan.membership.id(),
        responses: responses.collect(),
        node_endpoints: endpoints.iter().map(|e| e.to_wire()).collect(),
        ..Default::default()
    })
}

fn partition<'a>(
    index: PartitionIndex,
    outcome: &Result<Fetched, Error>,
    version: i16,
    isolation: Isolation,
) -> PartitionData<'a> {
    // Read uncommitted does not even ask.
    let aborted_transactions = match (isolation, outcome) {
        (Isolation::Uncommitted, _) => None,
        (Isolation::Committed, Err(_)) => Some(Array::EMPTY),
        (Isolation::Committed, Ok(fetched)) => {
            let aborted = fetched.aborted.iter().map(|aborted| AbortedTransaction {
                producer_id: aborted.producer.0,
                first_offset: aborted.first.0,
            });
            Some(aborted.collect())
        }
    };
    let empty = PartitionData {
        partition_index: index.0,
        high_watermark: -1,
        aborted_transactions,
        records: Records::EMPTY,
        ..Default::default()
    };
    match outcome {
        Ok(fetched) if version < ZSTD_VERSION_MIN && has_zstd(&fetched.batches) => PartitionData {
            error_code: ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            ..empty
        },
        Ok(fetched) => PartitionData {
            high_watermark: fetched.high_watermark.0,
            last_stable_offset: fetched.last_stable.0,
            log_start_offset: fetched.log_start.0,
            records: match fetched.batches.is_empty() {
                true => Records::EMPTY,
                false => fetched.batches.clone().into(),
            },
            ..empty
        },
        Err(error) => PartitionData {
            error_code: code(error),
            current_leader: current_leader(error),
            ..empty
        },
    }
}

/// Clients below version 10 do not know zstd.
fn has_zstd(parts: &[Bytes]) -> bool {
    let is_zstd = |part: &Bytes| {
        batches(part).any(|batch| {
            batch.is_ok_and(|(header, _)| header.attributes.codec() == Ok(Codec::Zstd))
        })
    };
    parts.iter().any(is_zstd)
}

#[cfg(test)]
mod tests {
    use corelog_base::NodeId;
    use corelog_wire::kafka::LeaderIdAndEpoch;

    use super::*;

    #[test]
    fn a_moved_leader_is_named() {
        let error = Error::NotLeader {
            leader: Some(NodeId(2)),
            epoch: LeaderEpoch(7),
        };
        let data = partition(PartitionIndex(4), &Err(error), 16, Isolation::Uncommitted);
        assert_eq!(data.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let expected = LeaderIdAndEpoch {
            leader_id: 2,
            leader_epoch: 7,
        };
        assert_eq!(data.current_leader, expected);
        let unknown = Error::NotLeader {
            leader: None,
            epoch: LeaderEpoch::UNKNOWN,
        };
        let data = partition(PartitionIndex(4), &Err(unknown), 16, Isolation::Uncommitted);
        assert_eq!(data.current_leader, LeaderIdAndEpoch::default());
    }
}
