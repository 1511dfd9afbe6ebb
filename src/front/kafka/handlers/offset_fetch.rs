//! OffsetFetch: of one group, or since version 8 of many; topics by name, or since version 10 by id.

use corelog_base::TopicId;
use corelog_coordinator::groups::{
    Committed, Fetch, FetchedTopic, Membership, Reply as Answer, Request,
};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    Array, ErrorCode, OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::super::call::{Call, Malformed};
use super::super::error::coordinator_code;
use super::groups::{ask, membership};
use crate::connection::Reply;

/// What is told of a topic.
struct Told {
    name: String,
    id: TopicId,
    partitions: Vec<(i32, Result<Option<Committed>, ErrorCode>)>,
}

/// What is asked of a topic. One without a name has an id that nobody knows.
struct Wanted {
    name: Option<String>,
    id: TopicId,
    partitions: Vec<i32>,
}

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = OffsetFetchRequest::decode(call.version, call.body())?;
    if call.version < 8 {
        let wanted = request.topics.as_ref().map(|topics| {
            let topics = topics.iter();
            topics
                .map(|topic| Wanted {
                    name: Some(topic.name.to_owned()),
                    id: TopicId::ZERO,
                    partitions: topic.partition_indexes.iter().collect(),
                })
                .collect::<Vec<_>>()
        });
        let stable = request.require_stable;
        let told = fetch(call, request.group_id, None, &wanted, stable).await;
        return Ok(call.reply(&single(&told, wanted.as_deref(), call.version)));
    }
    let mut found = Vec::new();
    for group in request.groups.iter() {
        let wanted = group.topics.as_ref().map(|topics| {
            let topics = topics.iter();
            topics.map(|topic| wanted(call, &topic)).collect::<Vec<_>>()
        });
        let told = fetch(
            call,
            group.group_id,
            member(&group),
            &wanted,
            request.require_stable,
        );
        found.push((group.group_id, told.await));
    }
    let groups = found.iter().map(|(group_id, told)| match told {
        Ok(told) => OffsetFetchResponseGroup {
            group_id,
            topics: told.iter().map(row).collect(),
            error_code: ErrorCode::NONE,
        },
        Err(error_code) => OffsetFetchResponseGroup {
            group_id,
            error_code: *error_code,
            ..Default::default()
        },
    });
    Ok(call.reply(&OffsetFetchResponse {
        groups: groups.collect(),
        ..Default::default()
    }))
}

fn member(group: &OffsetFetchRequestGroup<'_>) -> Option<Membership> {
    let named = group.member_id.is_some() || group.member_epoch >= 0;
    named.then(|| {
        membership(
            group.member_epoch,
            group.member_id.unwrap_or_default(),
            None,
        )
    })
}

fn wanted<R: Runtime>(call: &Call<R>, topic: &OffsetFetchRequestTopics<'_>) -> Wanted {
    let name = match call.version {
        ..10 => Some(topic.name.to_owned()),
        _ => call
            .context
            .broker
            .image(|image| image.topic(topic.topic_id).map(|topic| topic.name.clone())),
    };
    Wanted {
        name,
        id: topic.topic_id,
        partitions: topic.partition_indexes.iter().collect(),
    }
}

async fn fetch<R: Runtime>(
    call: &Call<R>,
    group: &str,
    member: Option<Membership>,
    wanted: &Option<Vec<Wanted>>,
    require_stable: bool,
) -> Result<Vec<Told>, ErrorCode> {
    let topics = wanted.as_ref().map(|wanted| {
        let named = wanted.iter();
        named
            .filter_map(|topic| Some((topic.name.clone()?, topic.partitions.clone())))
            .collect()
    });
    let fetch = Fetch {
        group: group.to_owned(),
        membership: member,
        topics,
        require_stable,
    };
    let found = match ask(call, group, Request::Fetch(fetch)).await? {
        Answer::Fetched(found) => found,
        _ => unreachable!("offsets are answered by offsets"),
    };
    let mut found = found.into_iter().map(told);
    let Some(wanted) = wanted else {
        let with_ids = found.filter_map(|told| with_id(call, told));
        return Ok(with_ids.collect());
    };
    let unknown = |topic: &Wanted| Told {
        name: String::new(),
        id: topic.id,
        partitions: topic
            .partitions
            .iter()
            .map(|index| (*index, Err(ErrorCode::UNKNOWN_TOPIC_ID)))
            .collect(),
    };
    let all = wanted.iter().map(|topic| match topic.name {
        Some(_) => Told {
            id: topic.id,
            ..found.next().unwrap_or_else(|| unknown(topic))
        },
        None => unknown(topic),
    });
    Ok(all.collect())
}

/// Of all topics: those that are there, where they are told by id.
fn with_id<R: Runtime>(call: &Call<R>, told: Told) -> Option<Told> {
    if call.version < 10 {
        return Some(told);
    }
    let broker = &call.context.broker;
    let id = broker.image(|image| image.topic_named(&told.name).map(|topic| topic.id))?;
    Some(Told { id, ..told })
}

fn told(topic: FetchedTopic) -> Told {
    let partitions = topic.partitions.into_iter();
    Told {
        name: topic.name,
        id: TopicId::ZERO,
        partitions: partitions
            .map(|(index, found)| (index, found.map_err(coordinator_code)))
            .collect(),
    }
}

fn row(told: &Told) -> OffsetFetchResponseTopics<'_> {
    OffsetFetchResponseTopics {
        name: &told.name,
        topic_id: told.id,
        partitions: told
            .partitions
            .iter()
            .map(|(index, found)| partition(*index, found))
            .collect(),
    }
}

fn partition(
    partition_index: i32,
    found: &Result<Option<Committed>, ErrorCode>,
) -> OffsetFetchResponsePartitions<'_> {
    match found {
        Ok(Some(committed)) => OffsetFetchResponsePartitions {
            partition_index,
            committed_offset: committed.offset.0,
            committed_leader_epoch: committed.leader_epoch.0,
            metadata: Some(&committed.metadata),
            error_code: ErrorCode::NONE,
        },
        other => OffsetFetchResponsePartitions {
            partition_index,
            committed_offset: -1,
            committed_leader_epoch: -1,
            metadata: Some(""),
            error_code: match other {
                Err(code) => *code,
                Ok(_) => ErrorCode::NONE,
            },
        },
    }
}

/// The answer before version 8. Version 1 has no place for an error of the whole.
fn single<'t>(
    told: &'t Result<Vec<Told>, ErrorCode>,
    wanted: Option<&'t [Wanted]>,
    version: i16,
) -> OffsetFetchResponse<'t> {
    let topic = |name: &'t str, rows: Array<'t, OffsetFetchResponsePartitions<'t>>| {
        let partitions = rows.iter().map(|row| OffsetFetchResponsePartition {
            partition_index: row.partition_index,
            committed_offset: row.committed_offset,
            committed_leader_epoch: row.committed_leader_epoch,
            metadata: row.metadata,
            error_code: row.error_code,
        });
        OffsetFetchResponseTopic {
            name,
            partitions: partitions.collect(),
        }
    };
    match told {
        Ok(told) => OffsetFetchResponse {
            topics: told
                .iter()
                .map(|told| topic(&told.name, row(told).partitions))
                .collect(),
            ..Default::default()
        },
        Err(code) if version < 2 => OffsetFetchResponse {
            topics: wanted
                .unwrap_or_default()
                .iter()
                .map(|wanted| {
                    let rows = wanted.partitions.iter();
                    let rows = rows.map(|index| OffsetFetchResponsePartitions {
                        error_code: *code,
                        ..partition(*index, &Ok(None))
                    });
                    topic(wanted.name.as_deref().unwrap_or_default(), rows.collect())
                })
                .collect(),
            ..Default::default()
        },
        Err(code) => OffsetFetchResponse {
            error_code: *code,
            ..Default::default()
        },
    }
}
