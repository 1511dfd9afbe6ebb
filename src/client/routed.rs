//! Calls that each partition's leader must answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use corelog_base::{NodeId, PartitionIndex};
use corelog_wire::kafka::ErrorCode;

use crate::backoff::Backoff;
use crate::pool::Pool;
use crate::{Client, Connection, Error, Metadata, TopicFilter};

/// A partition by its topic's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: PartitionIndex,
}

impl TopicPartition {
    pub fn new(topic: impl Into<String>, partition: PartitionIndex) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic '{}' partition {}", self.topic, self.partition)
    }
}

/// What was asked of a partition, and what came of it.
pub(crate) type Outcome<T> = (TopicPartition, Result<T, Error>);

/// A request that carries many partitions of one leader.
pub(crate) trait LeaderCall: Sync {
    type Item: Clone + Send + Sync;
    type Out: Send;

    /// One try with one leader. An error is every partition's.
    fn ask(
        &self,
        connection: &Connection,
        items: &[(TopicPartition, Self::Item)],
    ) -> impl Future<Output = Result<Vec<Outcome<Self::Out>>, Error>> + Send;
}

/// Asks each partition's leader; partitions whose leader moved are asked again.
///
/// # Errors
/// If an error lasts longer than retries do, each partition that is left has it.
pub(crate) async fn ask_leaders<C: LeaderCall>(
    client: &Client,
    call: &C,
    items: Vec<(TopicPartition, C::Item)>,
) -> Vec<Outcome<C::Out>> {
    let pool = Pool::default();
    let mut backoff = Backoff::new(client.options());
    let mut unknown_tries = 0;
    let mut outcomes = Vec::with_capacity(items.len());
    let mut left = items;
    while !left.is_empty() {
        let mut failed = Vec::new();
        for outcome in ask_once(client, &pool, call, &left).await {
            match outcome {
                (partition, Err(error)) if error.is_retriable() => failed.push((partition, error)),
                settled => outcomes.push(settled),
            }
        }
        let Some((_, error)) = failed.first() else {
            break;
        };
        unknown_tries += u32::from(is_unknown(error));
        let give_up = unknown_tries >= client.options().unknown_topic_tries;
        if give_up || backoff.again(error.clone()).await.is_err() {
            outcomes.extend(failed.into_iter().map(|(partition, e)| (partition, Err(e))));
            break;
        }
        let again: BTreeSet<TopicPartition> = failed.into_iter().map(|(p, _)| p).collect();
        left.retain(|(partition, _)| again.contains(partition));
    }
    outcomes
}

fn is_unknown(error: &Error) -> bool {
    error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

async fn ask_once<C: LeaderCall>(
    client: &Client,
    pool: &Pool,
    call: &C,
    items: &[(TopicPartition, C::Item)],
) -> Vec<Outcome<C::Out>> {
    let names: BTreeSet<&str> = items.iter().map(|(p, _)| p.topic.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let all_failed = |items: &[(TopicPartition, C::Item)], error: &Error| -> Vec<Outcome<C::Out>> {
        let each = items.iter();
        each.map(|(partition, _)| (partition.clone(), Err(error.clone())))
            .collect()
    };
    let metadata = match client.refresh_once(TopicFilter::Named(&names)).await {
        Ok(metadata) => metadata,
        Err(error) => return all_failed(items, &error),
    };
    let mut outcomes = Vec::new();
    let mut groups: BTreeMap<NodeId, Vec<(TopicPartition, C::Item)>> = BTreeMap::new();
    for (partition, item) in items {
        match leader(&metadata, partition) {
            Ok(node) => groups
                .entry(node)
                .or_default()
                .push((partition.clone(), item.clone())),
            Err(error) => outcomes.push((partition.clone(), Err(error))),
        }
    }
    for (node, group) in groups {
        let asked = match client.connection(node, pool).await {
            Ok(connection) => call.ask(&connection, &group).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(answers) => outcomes.extend(answers),
            Err(error) => outcomes.extend(all_failed(&group, &error)),
        }
    }
    outcomes
}

/// The leader that metadata names.
///
/// # Errors
/// The topic's or the partition's own error, or that there is none.
pub(crate) fn leader(metadata: &Metadata, partition: &TopicPartition) -> Result<NodeId, Error> {
    let refused = |code| Err(Error::broker(code, None, &partition.to_string()));
    let Some(topic) = metadata.topics.get(&partition.topic) else {
        return refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    };
    if !topic.error.is_none() {
        return refused(topic.error);
    }
    let Some(found) = topic.partitions.get(&partition.partition) else {
        return refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    };
    match found.leader {
        Some(node) => Ok(node),
        None => refused(ErrorCode::LEADER_NOT_AVAILABLE),
    }
}

/// The partitions of a request, by topic, in the order of first mention.
pub(crate) fn by_topic<T>(items: &[(TopicPartition, T)]) -> Vec<(&str, Vec<(PartitionIndex, &T)>)> {
    let mut topics: BTreeMap<&str, Vec<(PartitionIndex, &T)>> = BTreeMap::new();
    for (partition, item) in items {
        topics
            .entry(partition.topic.as_str())
            .or_default()
            .push((partition.partition, item));
    }
    topics.into_iter().collect()
}
