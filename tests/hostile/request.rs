//! Requests that are sent often.

use bytes::Bytes;
use corelog_base::{TimestampMs, TopicId};
use corelog_record::{BatchBuilder, Codec};
use corelog_wire::kafka::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, FetchPartition, FetchRequest,
    FetchTopic, PartitionProduceData, ProduceRequest, TopicProduceData,
};

/// The versions that are used here.
pub(crate) const PRODUCE: i16 = 9;
pub(crate) const FETCH: i16 = 11;
pub(crate) const CREATE: i16 = 7;

/// One batch to one partition, acks all.
pub(crate) fn produce(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest<'_> {
    let data = PartitionProduceData {
        index: partition,
        records: batch.into(),
    };
    let topic = TopicProduceData {
        name: topic,
        topic_id: TopicId::ZERO,
        partition_data: vec![data].into(),
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic].into(),
        ..Default::default()
    }
}

/// From one partition, without waiting.
pub(crate) fn fetch(topic: &str, partition: i32, offset: i64, bytes_max: i32) -> FetchRequest<'_> {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: bytes_max,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic,
        partitions: vec![partition].into(),
        ..Default::default()
    };
    FetchRequest {
        max_bytes: bytes_max,
        topics: vec![topic].into(),
        ..Default::default()
    }
}

pub(crate) fn create<'a>(
    topic: &'a str,
    partitions: i32,
    configs: &[(&'a str, &'a str)],
) -> CreateTopicsRequest<'a> {
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name,
        value: Some(value),
    });
    let topic = CreatableTopic {
        name: topic,
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..Default::default()
    };
    CreateTopicsRequest {
        topics: vec![topic].into(),
        timeout_ms: 30_000,
        ..Default::default()
    }
}

/// A batch of one record with a key.
pub(crate) fn batch(codec: Codec, value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    let pushed = builder.push(now(), Some(b"key"), Some(value), &[]);
    pushed.expect("one record is not too large");
    builder.finish().freeze()
}

pub(crate) fn now() -> TimestampMs {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    TimestampMs(i64::try_from(since.as_millis()).unwrap_or(0))
}
