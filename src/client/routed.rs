//! Calls that each partition's leader must answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use corelog_base::{NodeId, PartitionIndex};
use corelog_wire::kafka::ErrorCode;

use crate::backoff::Backoff;
use crate::pool::Pool;
use crate::{Client, Connection, Error, Metadata, Options, TopicFilter};

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
/// What does not depend on the call is in functions of its own, which are compiled once.
///
/// # Errors
/// If an error lasts longer than retries do, each partition that is left has it.
pub(crate) async fn ask_leaders<C: LeaderCall>(
    client: &Client,
    call: &C,
    items: Vec<(TopicPartition, C::Item)>,
) -> Vec<Outcome<C::Out>> {
    let mut tries = Tries::new(client);
    let mut outcomes = Vec::with_capacity(items.len());
    let mut left = items;
    while !left.is_empty() {
        let mut failed = Vec::new();
        for outcome in ask_once(client, &tries.pool, call, &left).await {
            match outcome {
                (partition, Err(error)) if error.is_retriable() => failed.push((partition, error)),
                settled => outcomes.push(settled),
            }
        }
        let Some(again) = tries.again(&failed).await else {
            outcomes.extend(failed.into_iter().map(|(partition, e)| (partition, Err(e))));
            break;
        };
        left.retain(|(partition, _)| again.contains(partition));
    }
    outcomes
}

/// What is kept from one try to the next.
struct Tries<'c> {
    options: &'c Options,
    pool: Pool,
    backoff: Backoff,
    unknown: u32,
}

impl<'c> Tries<'c> {
    fn new(client: &'c Client) -> Self {
        Self {
            options: client.options(),
            pool: Pool::default(),
            backoff: Backoff::new(client.options()),
            unknown: 0,
        }
    }

    /// Waits before the next try. Who is to be asked again; None if it has lasted too long.
    async fn again(
        &mut self,
        failed: &[(TopicPartition, Error)],
    ) -> Option<BTreeSet<TopicPartition>> {
        if let Some((_, error)) = failed.first() {
            self.unknown += u32::from(is_unknown(error));
            if self.unknown >= self.options.unknown_topic_tries {
                return None;
            }
            self.backoff.again(error.clone()).await.ok()?;
        }
        Some(failed.iter().map(|(p, _)| p.clone()).collect())
    }
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
    let partitions = items.iter().map(|(partition, _)| partition).collect();
    let mut outcomes = Vec::new();
    for (route, places) in routes(client, pool, partitions).await {
        let group: Vec<_> = places.iter().map(|at| items[*at].clone()).collect();
        let asked = match route {
            Ok(connection) => call.ask(&connection, &group).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(answers) => outcomes.extend(answers),
            Err(error) => {
                let each = group.into_iter();
                outcomes.extend(each.map(|(partition, _)| (partition, Err(error.clone()))));
            }
        }
    }
    outcomes
}

/// The way to each leader, or why there is none, and the places in the list of those that it leads.
async fn routes(
    client: &Client,
    pool: &Pool,
    partitions: Vec<&TopicPartition>,
) -> Vec<(Result<Connection, Error>, Vec<usize>)> {
    let names: BTreeSet<&str> = partitions.iter().map(|p| p.topic.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let metadata = match client.refresh_once(TopicFilter::Named(&names)).await {
        Ok(metadata) => metadata,
        Err(error) => return vec![(Err(error), (0..partitions.len()).collect())],
    };
    let mut routes = Vec::new();
    let mut groups: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (at, partition) in partitions.into_iter().enumerate() {
        match leader(&metadata, partition) {
            Ok(node) => groups.entry(node).or_default().push(at),
            Err(error) => routes.push((Err(error), vec![at])),
        }
    }
    for (node, group) in groups {
        routes.push((client.connection(node, pool).await, group));
    }
    routes
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
