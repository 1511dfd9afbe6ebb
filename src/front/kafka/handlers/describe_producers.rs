//! DescribeProducers: which producers partitions remember.

use corelog_broker::ProducerInfo;
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DescribeProducersPartitionResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeProducersTopicResponse, ProducerState,
};

use super::super::call::{Call, Fault, Malformed};
use super::parts::{good, key_of, merge};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeProducersRequest::decode(call.version, call.body())?;
    let mut parts = Vec::new();
    for topic in request.topics.iter() {
        let keys = topic.partition_indexes.iter();
        parts.extend(keys.map(|p| key_of(&call.context, topic.name, p).map_err(Fault::from)));
    }
    let found = call.context.broker.producers(good(&parts)).await;
    let found = merge(parts, found);
    let mut rest = found.iter();
    let topics = request
        .topics
        .iter()
        .map(|topic| DescribeProducersTopicResponse {
            name: topic.name,
            partitions: topic
                .partition_indexes
                .iter()
                .zip(&mut rest)
                .map(|(index, found)| partition(index, found))
                .collect(),
        });
    Ok(call.reply(&DescribeProducersResponse {
        topics: topics.collect(),
        ..Default::default()
    }))
}

fn partition(
    partition_index: i32,
    found: &Result<Vec<ProducerInfo>, Fault>,
) -> DescribeProducersPartitionResponse<'_> {
    match found {
        Ok(producers) => DescribeProducersPartitionResponse {
            partition_index,
            active_producers: producers.iter().map(state).collect(),
            ..Default::default()
        },
        Err(fault) => DescribeProducersPartitionResponse {
            partition_index,
            error_code: fault.code,
            error_message: fault.message.as_deref(),
            ..Default::default()
        },
    }
}

fn state(producer: &ProducerInfo) -> ProducerState {
    ProducerState {
        producer_id: producer.producer.0,
        producer_epoch: i32::from(producer.epoch.0),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp.0,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction.map_or(-1, |offset| offset.0),
    }
}
