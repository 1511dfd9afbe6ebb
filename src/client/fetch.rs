//! One fetch request to one leader.

use std::collections::BTreeMap;
use std::sync::Arc;

use corelog_base::{LeaderEpoch, NodeId, Offset, TopicId};
use corelog_wire::kafka::{Array, FetchPartition, FetchRequest, FetchTopic};

use crate::offsets::milliseconds;
use crate::pool::Pool;
use crate::{Client, ConsumerOptions, Error, Reply, TopicPartition};

/// One partition of a request.
pub(crate) struct Wanted {
    pub(crate) partition: Arc<TopicPartition>,
    pub(crate) topic_id: TopicId,
    pub(crate) from: Offset,
    pub(crate) epoch: LeaderEpoch,
}

/// Asks `node` for what is wanted; topics by their ids where all are known.
pub(crate) async fn fetch(
    client: &Client,
    pool: &Pool,
    options: &ConsumerOptions,
    node: NodeId,
    wanted: Vec<Wanted>,
) -> Result<Reply, Error> {
    let connection = client.connection(node, pool).await?;
    let by_id = wanted.iter().all(|wanted| wanted.topic_id != TopicId::ZERO);
    let range = if by_id { 4..=i16::MAX } else { 4..=12 };
    let request = FetchRequest {
        max_wait_ms: milliseconds(options.fetch_wait),
        min_bytes: options.fetch_bytes_min,
        max_bytes: options.fetch_bytes_max,
        isolation_level: options.isolation.number(),
        topics: fetch_topics(&wanted, options.partition_bytes_max),
        ..Default::default()
    };
    connection.call(range, &request, options.fetch_wait).await
}

/// The partitions by topic; topics, and partitions within one, in the order given, for that is the
/// order in which a broker fills its answer.
fn fetch_topics(wanted: &[Wanted], partition_max_bytes: i32) -> Array<'_, FetchTopic<'_>> {
    let mut topics: Vec<(&Wanted, Vec<FetchPartition>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for wanted in wanted {
        let place = *places.entry(&wanted.partition.topic).or_insert_with(|| {
            topics.push((wanted, Vec::new()));
            topics.len() - 1
        });
        topics[place].1.push(FetchPartition {
            partition: wanted.partition.partition.0,
            current_leader_epoch: wanted.epoch.0,
            fetch_offset: wanted.from.0,
            partition_max_bytes,
            ..Default::default()
        });
    }
    topics
        .into_iter()
        .map(|(wanted, partitions)| FetchTopic {
            topic: &wanted.partition.topic,
            topic_id: wanted.topic_id,
            partitions: partitions.into(),
        })
        .collect()
}
