//! ListOffsets: by position, or by time.

use std::collections::BTreeSet;

use corelog_base::{LeaderEpoch, TimestampMs};
use corelog_broker::{Isolation, OffsetFound, OffsetPart, OffsetQuery};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ErrorCode, ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest,
    ListOffsetsResponse, ListOffsetsTopicResponse,
};

use super::super::call::{Call, Fault, Malformed};
use super::fetch::isolation;
use super::parts::{good, key_of, merge};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ListOffsetsRequest::decode(call.version, call.body())?;
    let isolation = isolation(request.isolation_level);
    let mut seen = BTreeSet::new();
    let mut parts = Vec::new();
    for topic in request.topics.iter() {
        for partition in topic.partitions.iter() {
            let is_new = seen.insert((topic.name, partition.partition_index));
            parts.push(match is_new {
                true => part(call, isolation, topic.name, &partition),
                false => Err(ErrorCode::INVALID_REQUEST.into()),
            });
        }
    }
    let found = call.context.broker.list_offsets(good(&parts)).await;
    let mut found = merge(parts, found).into_iter();
    let topics = request.topics.iter().map(|topic| ListOffsetsTopicResponse {
        name: topic.name,
        partitions: topic
            .partitions
            .iter()
            .zip(&mut found)
            .map(|(partition, found)| answer(partition.partition_index, found))
            .collect(),
    });
    Ok(call.reply(&ListOffsetsResponse {
        topics: topics.collect(),
        ..Default::default()
    }))
}

fn part<R: Runtime>(
    call: &Call<R>,
    isolation: Isolation,
    topic: &str,
    partition: &ListOffsetsPartition,
) -> Result<OffsetPart, Fault> {
    let query = query(partition.timestamp, call.version)?;
    let epoch = partition.current_leader_epoch;
    Ok(OffsetPart {
        key: key_of(&call.context, topic, partition.partition_index)?,
        isolation,
        leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
        query,
    })
}

/// Times below zero are questions, and each has a version in which it came.
fn query(timestamp: i64, version: i16) -> Result<OffsetQuery, ErrorCode> {
    match (timestamp, version) {
        (0.., _) => Ok(OffsetQuery::AtTime(TimestampMs(timestamp))),
        (-1, _) => Ok(OffsetQuery::Latest),
        (-2, _) => Ok(OffsetQuery::Earliest),
        (-3, 7..) => Ok(OffsetQuery::MaxTimestamp),
        (-4, 8..) => Ok(OffsetQuery::EarliestLocal),
        // Nothing is tiered, so nothing waits to be either (-6).
        (-5, 9..) | (-6, 11..) => Ok(OffsetQuery::LatestTiered),
        _ => Err(ErrorCode::UNSUPPORTED_VERSION),
    }
}

fn answer(index: i32, found: Result<OffsetFound, Fault>) -> ListOffsetsPartitionResponse {
    match found {
        Ok(found) => ListOffsetsPartitionResponse {
            partition_index: index,
            error_code: ErrorCode::NONE,
            timestamp: found.timestamp.0,
            offset: found.offset.0,
            leader_epoch: found.epoch.0,
        },
        Err(fault) => ListOffsetsPartitionResponse {
            partition_index: index,
            error_code: fault.code,
            ..Default::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_versions() {
        let ask = |timestamp, version| query(timestamp, version);
        assert_eq!(ask(-3, 7), Ok(OffsetQuery::MaxTimestamp));
        assert_eq!(ask(-4, 8), Ok(OffsetQuery::EarliestLocal));
        assert_eq!(ask(-5, 9), Ok(OffsetQuery::LatestTiered));
        for (timestamp, version) in [(-3, 6), (-4, 7), (-5, 8), (-6, 10), (-7, 11)] {
            assert_eq!(ask(timestamp, version), Err(ErrorCode::UNSUPPORTED_VERSION));
        }
    }
}
