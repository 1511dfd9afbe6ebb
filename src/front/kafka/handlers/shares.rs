//! What the handlers of share consumers share.

use std::time::Duration;

use corelog_base::{Offset, PartitionIndex, TopicId};
use corelog_broker::{Isolation, OffsetPart, OffsetQuery, PartitionKey};
use corelog_coordinator::shares::{Acknowledge, Key, Reply, Request, Verdicts};
use corelog_coordinator::{Kind, Reply as Answer, Request as Asked, ShareSettings};
use corelog_rt::Runtime;
use corelog_wire::kafka::{AcknowledgementBatch, Array, ErrorCode};

use super::super::call::Call;
use super::super::error::{code, coordinator_code};
use super::super::share_sessions::{Member, Place};

/// Longer than any commit takes on a disk that still works.
const ANSWER_MAX: Duration = Duration::from_secs(30);

pub(super) fn key(group: &str, (topic, partition): Place) -> Key {
    Key {
        group: group.to_owned(),
        topic,
        partition,
    }
}

pub(super) fn partition_key((topic, partition): Place) -> PartitionKey {
    PartitionKey {
        topic,
        partition: PartitionIndex(partition),
    }
}

/// Asks the coordinator of a share group's place in a partition.
pub(super) async fn ask<R: Runtime>(
    call: &Call<R>,
    key: &Key,
    request: Request,
) -> Result<Reply, ErrorCode> {
    let broker = &call.context.broker;
    let of = key.coordinator_key();
    let request = Asked::Share(request);
    match broker
        .coordinate(Kind::ShareState, &of, request, ANSWER_MAX)
        .await
    {
        Ok(Answer::Share(reply)) => Ok(reply),
        Ok(_) => unreachable!("a coordinator of share groups answers about them"),
        Err(error) => Err(coordinator_code(error)),
    }
}

/// Whether a partition is there.
pub(super) fn check<R: Runtime>(
    call: &Call<R>,
    (topic, partition): Place,
) -> Result<(), ErrorCode> {
    call.context.broker.image(|image| {
        let topic = image.topic(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        let found = topic.partition(PartitionIndex(partition));
        found.map(drop).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    })
}

/// The end of a partition: where a share group begins.
pub(super) async fn end<R: Runtime>(call: &Call<R>, place: Place) -> Result<Offset, ErrorCode> {
    let part = OffsetPart {
        key: partition_key(place),
        leader_epoch: None,
        isolation: Isolation::Uncommitted,
        query: OffsetQuery::Latest,
    };
    let found = call.context.broker.list_offsets(vec![part]).await;
    match found.into_iter().next() {
        Some(Ok(found)) => Ok(found.offset),
        Some(Err(error)) => Err(code(&error)),
        None => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
    }
}

pub(super) fn verdicts(batches: &Array<'_, AcknowledgementBatch<'_>>) -> Vec<Verdicts> {
    let batches = batches.iter();
    batches
        .map(|batch| Verdicts {
            first: Offset(batch.first_offset),
            last: Offset(batch.last_offset),
            types: batch.acknowledge_types.iter().collect(),
        })
        .collect()
}

/// A member's verdicts on records of one partition.
pub(super) async fn acknowledge<R: Runtime>(
    call: &Call<R>,
    member: &Member,
    place: Place,
    batches: Vec<Verdicts>,
) -> ErrorCode {
    if let Err(code) = check(call, place) {
        return code;
    }
    let key = key(&member.0, place);
    let asked = Request::Acknowledge(Acknowledge {
        key: key.clone(),
        member: member.1.clone(),
        batches,
    });
    match ask(call, &key, asked).await {
        Ok(Reply::Unknown) => ErrorCode::INVALID_RECORD_STATE,
        Ok(_) => ErrorCode::NONE,
        Err(code) => code,
    }
}

/// A session has ended: what its member holds is free.
pub(super) async fn release<R: Runtime>(call: &Call<R>, member: &Member, places: &[Place]) {
    for place in places {
        let key = key(&member.0, *place);
        let asked = Request::Release {
            key: key.clone(),
            member: member.1.clone(),
        };
        // If this fails, the locks end by themselves.
        let _ = ask(call, &key, asked).await;
    }
}

/// How long a member may hold a record.
pub(super) fn lock_ms() -> i32 {
    i32::try_from(ShareSettings::default().lock.as_millis()).unwrap_or(i32::MAX)
}

/// Neighbouring partitions of one topic together.
pub(super) fn by_topic<T>(rows: Vec<(Place, T)>) -> Vec<(TopicId, Vec<(i32, T)>)> {
    let mut topics: Vec<(TopicId, Vec<(i32, T)>)> = Vec::new();
    for ((topic, partition), row) in rows {
        match topics.iter_mut().find(|(known, _)| *known == topic) {
            Some((_, rows)) => rows.push((partition, row)),
            None => topics.push((topic, vec![(partition, row)])),
        }
    }
    topics
}
