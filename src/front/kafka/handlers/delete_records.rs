//! DeleteRecords: the start of partitions moves forward.

use corelog_base::Offset;
use corelog_broker::{Error, TrimPart};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopicResult, ErrorCode,
};

use super::super::call::{Call, Fault, Malformed};
use super::parts::{good, key_of, merge};
use crate::connection::Reply;

/// Kafka's name for everything up to the high watermark.
const HIGH_WATERMARK: i64 = -1;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DeleteRecordsRequest::decode(call.version, call.body())?;
    let mut parts = Vec::new();
    for topic in request.topics.iter() {
        for partition in topic.partitions.iter() {
            parts.push(part(call, topic.name, &partition));
        }
    }
    let starts = call.context.broker.trim(good(&parts)).await;
    let mut starts = merge(parts, starts).into_iter();
    let topics = request.topics.iter().map(|topic| DeleteRecordsTopicResult {
        name: topic.name,
        partitions: topic
            .partitions
            .iter()
            .zip(&mut starts)
            .map(|(partition, start)| DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: start.as_ref().map_or(-1, |start| start.0),
                error_code: start.map_or_else(|fault| fault.code, |_| ErrorCode::NONE),
            })
            .collect(),
    });
    Ok(call.reply(&DeleteRecordsResponse {
        topics: topics.collect(),
        ..Default::default()
    }))
}

fn part<R: Runtime>(
    call: &Call<R>,
    topic: &str,
    partition: &DeleteRecordsPartition,
) -> Result<TrimPart, Fault> {
    Ok(TrimPart {
        key: key_of(&call.context, topic, partition.partition_index).map_err(Fault::from)?,
        before: match partition.offset {
            HIGH_WATERMARK => None,
            0.. => Some(Offset(partition.offset)),
            _ => {
                let (start, end) = (Offset(0), Offset(0));
                return Err(Error::OffsetOutOfRange { start, end }.into());
            }
        },
    })
}
