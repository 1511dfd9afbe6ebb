//! Where share groups stand in partitions: shown, moved and forgotten.

use std::collections::BTreeMap;

use corelog_base::{Offset, TopicId};
use corelog_coordinator::groups::Request as GroupRequest;
use corelog_coordinator::shares::{Reply as Answer, Request};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse,
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse,
    DeleteShareGroupOffsetsResponseTopic, DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic, ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::super::share_sessions::Place;
use super::groups::ask as ask_group;
use super::share_group::described;
use super::shares::{ask, check, end, key};
use crate::connection::Reply;

/// A group's place in a partition, and how far behind that is.
type Told = Result<(Offset, i64), ErrorCode>;

struct Topic {
    name: String,
    id: TopicId,
    partitions: Vec<(i32, Told)>,
}

fn id_of<R: Runtime>(call: &Call<R>, name: &str) -> TopicId {
    let broker = &call.context.broker;
    let found = broker.image(|image| image.topic_named(name).map(|topic| topic.id));
    found.unwrap_or(TopicId::ZERO)
}

/// A place of a topic by name: an id that nobody knows is a name that nobody knows.
fn check_named<R: Runtime>(call: &Call<R>, place: Place) -> Result<(), ErrorCode> {
    check(call, place).map_err(|_| ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

pub(in super::super) async fn describe<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeShareGroupOffsetsRequest::decode(call.version, call.body())?;
    let mut groups = Vec::new();
    for group in request.groups.iter() {
        groups.push((group.group_id, describe_one(call, &group).await));
    }
    let rows = groups.iter().map(|(group_id, told)| match told {
        Ok(topics) => DescribeShareGroupOffsetsResponseGroup {
            group_id,
            topics: topics.iter().map(row).collect(),
            ..Default::default()
        },
        Err(code) => DescribeShareGroupOffsetsResponseGroup {
            group_id,
            error_code: *code,
            error_message: code.name(),
            ..Default::default()
        },
    });
    Ok(call.reply(&DescribeShareGroupOffsetsResponse {
        groups: rows.collect(),
        ..Default::default()
    }))
}

async fn describe_one<R: Runtime>(
    call: &Call<R>,
    asked: &DescribeShareGroupOffsetsRequestGroup<'_>,
) -> Result<Vec<Topic>, ErrorCode> {
    let group = described(call, asked.group_id).await?;
    let wanted: Vec<(String, TopicId, Vec<i32>)> = match &asked.topics {
        None => {
            let begun = group.begun.into_iter();
            begun
                .map(|(id, name, partitions)| (name, id, partitions))
                .collect()
        }
        Some(topics) => topics
            .iter()
            .map(|topic| {
                let partitions = topic.partitions.iter().collect();
                (
                    topic.topic_name.to_owned(),
                    id_of(call, topic.topic_name),
                    partitions,
                )
            })
            .collect(),
    };
    let mut topics = Vec::new();
    for (name, id, indexes) in wanted {
        let mut partitions = Vec::new();
        for index in indexes {
            partitions.push((index, tell(call, asked.group_id, (id, index)).await));
        }
        topics.push(Topic {
            name,
            id,
            partitions,
        });
    }
    Ok(topics)
}

async fn tell<R: Runtime>(call: &Call<R>, group: &str, place: Place) -> Told {
    check_named(call, place)?;
    let key = key(group, place);
    match ask(call, &key, Request::Read(key.clone())).await? {
        Answer::Position(position) => {
            let end = end(call, place).await?;
            let lag = end.0 - position.start.0 - position.done;
            Ok((position.start, lag.max(0)))
        }
        _ => Ok((Offset(-1), -1)),
    }
}

fn row(topic: &Topic) -> DescribeShareGroupOffsetsResponseTopic<'_> {
    let partitions = topic.partitions.iter().map(|(index, told)| match told {
        Ok((start, lag)) => DescribeShareGroupOffsetsResponsePartition {
            partition_index: *index,
            start_offset: start.0,
            lag: *lag,
            ..Default::default()
        },
        Err(code) => DescribeShareGroupOffsetsResponsePartition {
            partition_index: *index,
            start_offset: -1,
            error_code: *code,
            error_message: code.name(),
            ..Default::default()
        },
    });
    DescribeShareGroupOffsetsResponseTopic {
        topic_name: &topic.name,
        topic_id: topic.id,
        partitions: partitions.collect(),
    }
}

/// Whether places may be changed: the group is a share group without members.
async fn check_empty<R: Runtime>(call: &Call<R>, group: &str) -> Result<(), ErrorCode> {
    let described = described(call, group).await?;
    match described.members.is_empty() {
        true => Ok(()),
        false => Err(ErrorCode::NON_EMPTY_GROUP),
    }
}

pub(in super::super) async fn alter<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = AlterShareGroupOffsetsRequest::decode(call.version, call.body())?;
    if let Err(error_code) = check_empty(call, request.group_id).await {
        return Ok(call.reply(&AlterShareGroupOffsetsResponse {
            error_code,
            error_message: error_code.name(),
            ..Default::default()
        }));
    }
    let mut topics = Vec::new();
    for topic in request.topics.iter() {
        let id = id_of(call, topic.topic_name);
        let mut partitions = Vec::new();
        for partition in topic.partitions.iter() {
            let place = (id, partition.partition_index);
            let start = Offset(partition.start_offset.max(0));
            let set = set(call, request.group_id, place, start).await;
            let code = set.err().unwrap_or_default();
            partitions.push(AlterShareGroupOffsetsResponsePartition {
                partition_index: partition.partition_index,
                error_code: code,
                error_message: code.name().filter(|_| !code.is_none()),
            });
        }
        topics.push(AlterShareGroupOffsetsResponseTopic {
            topic_name: topic.topic_name,
            topic_id: id,
            partitions: partitions.into(),
        });
    }
    Ok(call.reply(&AlterShareGroupOffsetsResponse {
        responses: topics.into(),
        ..Default::default()
    }))
}

async fn set<R: Runtime>(
    call: &Call<R>,
    group: &str,
    place: Place,
    start: Offset,
) -> Result<(), ErrorCode> {
    check_named(call, place)?;
    let key = key(group, place);
    let asked = Request::Set {
        key: key.clone(),
        start,
    };
    ask(call, &key, asked).await.map(drop)
}

pub(in super::super) async fn delete<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DeleteShareGroupOffsetsRequest::decode(call.version, call.body())?;
    let refused = |error_code: ErrorCode| DeleteShareGroupOffsetsResponse {
        error_code,
        error_message: error_code.name(),
        ..Default::default()
    };
    let group = match described(call, request.group_id).await {
        Ok(group) if group.members.is_empty() => group,
        Ok(_) => return Ok(call.reply(&refused(ErrorCode::NON_EMPTY_GROUP))),
        Err(code) => return Ok(call.reply(&refused(code))),
    };
    let begun: BTreeMap<String, (TopicId, Vec<i32>)> = group
        .begun
        .into_iter()
        .map(|(id, name, partitions)| (name, (id, partitions)))
        .collect();
    let mut rows = Vec::new();
    for topic in request.topics.iter() {
        let name = topic.topic_name;
        let done = match begun.get(name) {
            Some((id, partitions)) => forget(call, request.group_id, *id, partitions).await,
            None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        };
        let code = done.err().unwrap_or_default();
        rows.push(DeleteShareGroupOffsetsResponseTopic {
            topic_name: name,
            topic_id: begun.get(name).map_or(TopicId::ZERO, |(id, _)| *id),
            error_code: code,
            error_message: code.name().filter(|_| !code.is_none()),
        });
    }
    Ok(call.reply(&DeleteShareGroupOffsetsResponse {
        responses: rows.into(),
        ..Default::default()
    }))
}

/// The places first: what the group does not name any more would not be found again.
pub(super) async fn forget<R: Runtime>(
    call: &Call<R>,
    group: &str,
    topic: TopicId,
    partitions: &[i32],
) -> Result<(), ErrorCode> {
    for partition in partitions {
        let key = key(group, (topic, *partition));
        ask(call, &key, Request::Delete(key.clone())).await?;
    }
    let asked = GroupRequest::ForgetShared {
        group: group.to_owned(),
        topic,
    };
    ask_group(call, group, asked).await.map(drop)
}
