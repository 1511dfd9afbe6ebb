//! OffsetForLeaderEpoch: where an epoch ends, so that a consumer finds out that the log was cut
//! behind its position (KIP-320).

use corelog_base::LeaderEpoch;
use corelog_broker::EpochPart;
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    EpochEndOffset, ErrorCode, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
};

use super::super::call::{Call, Fault, Malformed};
use super::parts::{good, key_of, merge};
use crate::connection::Reply;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = OffsetForLeaderEpochRequest::decode(call.version, call.body())?;
    let mut parts = Vec::new();
    for topic in request.topics.iter() {
        for partition in topic.partitions.iter() {
            let current = partition.current_leader_epoch;
            let key = key_of(&call.context, topic.topic, partition.partition);
            parts.push(key.map_err(Fault::from).map(|key| EpochPart {
                key,
                current: (current >= 0).then_some(LeaderEpoch(current)),
                asked: LeaderEpoch(partition.leader_epoch),
            }));
        }
    }
    let found = call.context.broker.epoch_ends(good(&parts)).await;
    let mut found = merge(parts, found).into_iter();
    let topics = request
        .topics
        .iter()
        .map(|topic| OffsetForLeaderTopicResult {
            topic: topic.topic,
            partitions: topic
                .partitions
                .iter()
                .zip(&mut found)
                .map(|(partition, found)| match found {
                    Ok(found) => EpochEndOffset {
                        error_code: ErrorCode::NONE,
                        partition: partition.partition,
                        leader_epoch: found.epoch.0,
                        end_offset: found.end.0,
                    },
                    Err(fault) => EpochEndOffset {
                        error_code: fault.code,
                        partition: partition.partition,
                        ..Default::default()
                    },
                })
                .collect(),
        });
    Ok(call.reply(&OffsetForLeaderEpochResponse {
        topics: topics.collect(),
        ..Default::default()
    }))
}
