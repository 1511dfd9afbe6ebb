//! DescribeTopicPartitions: topics by name, page by page (KIP-966).

use std::collections::BTreeSet;

use corelog_base::PartitionIndex;
use corelog_broker::{Leadership, PartitionKey};
use corelog_cluster::{Topic, check_topic_name, is_internal};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    Array, Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, ErrorCode,
};

use super::super::call::{Call, Malformed};
use super::operations;
use crate::connection::Reply;

/// Kafka's `max.request.partition.size.limit`.
const PARTITIONS_MAX: usize = 2000;

/// One topic's share of a page.
struct Page {
    name: String,
    /// Partitions from `first` on, and their leaders.
    first: usize,
    leaders: Vec<Leadership>,
}

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeTopicPartitionsRequest::decode(call.version, call.body())?;
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let limit = limit.clamp(1, PARTITIONS_MAX);
    let cursor = request.cursor.as_ref().map(|cursor| {
        let index = usize::try_from(cursor.partition_index).unwrap_or(0);
        (cursor.topic_name, index)
    });
    let asked: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name).collect();
    let names = names(call, &asked, cursor.map_or("", |(name, _)| name));
    let (pages, next) = pages(call, &names, cursor, limit);
    Ok(call.context.broker.image(|image| {
        let topics = pages
            .iter()
            .map(|page| match image.topic_named(&page.name) {
                Some(found) => topic(found, page),
                None => missing(&page.name),
            });
        call.reply(&DescribeTopicPartitionsResponse {
            topics: topics.collect(),
            next_cursor: next.map(|(name, index)| Cursor {
                topic_name: name,
                partition_index: i32::try_from(index).unwrap_or(i32::MAX),
            }),
            ..Default::default()
        })
    }))
}

/// In order, from the cursor's topic on; every topic if none is named.
fn names<R: Runtime>(call: &Call<R>, asked: &BTreeSet<&str>, from: &str) -> Vec<String> {
    if !asked.is_empty() {
        return asked.range(from..).map(|name| (*name).to_owned()).collect();
    }
    call.context.broker.image(|image| {
        let names = image.topics().map(|topic| topic.name.as_str());
        // A page holds at most this many topics, and one more says where the next begins.
        let names = names.filter(|name| *name >= from).take(PARTITIONS_MAX + 1);
        names.map(str::to_owned).collect()
    })
}

/// As much of these topics as fits one page, and where the next begins.
fn pages<'n, R: Runtime>(
    call: &Call<R>,
    names: &'n [String],
    cursor: Option<(&str, usize)>,
    limit: usize,
) -> (Vec<Page>, Option<(&'n str, usize)>) {
    let mut pages = Vec::new();
    let mut left = limit;
    for name in names {
        let first = cursor
            .filter(|(at, _)| at == name)
            .map_or(0, |(_, index)| index);
        if left == 0 {
            return (pages, Some((name, first)));
        }
        let topic = call.context.broker.image(|image| {
            let topic = image.topic_named(name)?;
            Some((topic.id, topic.partitions().len()))
        });
        let Some((topic, count)) = topic else {
            pages.push(Page {
                name: name.clone(),
                first: 0,
                leaders: Vec::new(),
            });
            continue;
        };
        let end = count.min(first + left);
        let leader = |index: usize| {
            let partition = PartitionIndex(i32::try_from(index).unwrap_or(i32::MAX));
            call.context
                .broker
                .leadership(PartitionKey { topic, partition })
        };
        let leaders: Vec<Leadership> = (first..end).map(leader).collect();
        left -= leaders.len();
        pages.push(Page {
            name: name.clone(),
            first,
            leaders,
        });
        if end < count {
            return (pages, Some((name, end)));
        }
    }
    (pages, None)
}

fn missing(name: &str) -> DescribeTopicPartitionsResponseTopic<'_> {
    DescribeTopicPartitionsResponseTopic {
        error_code: match check_topic_name(name) {
            Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        },
        name: Some(name),
        is_internal: is_internal(name),
        ..Default::default()
    }
}

fn topic<'a>(topic: &'a Topic, page: &Page) -> DescribeTopicPartitionsResponseTopic<'a> {
    let rows = topic
        .partitions()
        .iter()
        .skip(page.first)
        .zip(&page.leaders);
    let rows = rows.map(|(partition, leadership)| {
        let replicas: Vec<i32> = partition.replicas.iter().map(|r| r.node.0).collect();
        DescribeTopicPartitionsResponsePartition {
            error_code: match leadership.leader {
                Some(_) => ErrorCode::NONE,
                None => ErrorCode::LEADER_NOT_AVAILABLE,
            },
            partition_index: partition.index.0,
            leader_id: leadership.leader.map_or(-1, |node| node.0),
            leader_epoch: leadership.epoch.0,
            isr_nodes: replicas.clone().into(),
            replica_nodes: replicas.into(),
            eligible_leader_replicas: Some(Array::EMPTY),
            last_known_elr: Some(Array::EMPTY),
            ..Default::default()
        }
    });
    DescribeTopicPartitionsResponseTopic {
        name: Some(&topic.name),
        topic_id: topic.id,
        is_internal: is_internal(&topic.name),
        partitions: rows.collect(),
        topic_authorized_operations: operations::of_topics(true),
        ..Default::default()
    }
}
