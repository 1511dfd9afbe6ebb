//! DescribeQuorum: the replicas of the cluster's metadata.

use corelog_base::{NodeId, TimestampMs};
use corelog_broker::Quorum;
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DescribeQuorumRequest, DescribeQuorumResponse, ErrorCode, QuorumListener, QuorumNode,
    QuorumPartition, QuorumReplica, QuorumTopic,
};

use super::super::call::{Call, Fault, Malformed};
use crate::connection::Reply;

/// Kafka's name of the metadata's log.
const METADATA: &str = "__cluster_metadata";
/// Of the door that answers this.
const LISTENER: &str = "PLAINTEXT";

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = DescribeQuorumRequest::decode(call.version, call.body())?;
    let quorum = call.context.broker.quorum().await;
    let now = call.context.broker.runtime().wall();
    let mut faults = Vec::new();
    for topic in request.topics.iter() {
        for partition in topic.partitions.iter() {
            let known = topic.topic_name == METADATA && partition.partition_index == 0;
            faults.push(match (&quorum, known) {
                (_, false) => Some(Fault::from(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
                (Err(error), true) => Some(Fault::from(error)),
                (Ok(_), true) => None,
            });
        }
    }
    let mut rest = faults.iter();
    let topics = request.topics.iter().map(|topic| QuorumTopic {
        topic_name: topic.topic_name,
        partitions: topic
            .partitions
            .iter()
            .zip(&mut rest)
            .map(|(asked, fault)| match (fault, &quorum) {
                (None, Ok(quorum)) => partition(quorum, now),
                (fault, _) => QuorumPartition {
                    partition_index: asked.partition_index,
                    error_code: fault.as_ref().map_or(ErrorCode::NONE, |f| f.code),
                    error_message: fault.as_ref().and_then(|f| f.message.as_deref()),
                    leader_id: -1,
                    leader_epoch: -1,
                    high_watermark: -1,
                    ..Default::default()
                },
            })
            .collect(),
    });
    let endpoints = call.context.endpoints();
    let nodes = endpoints.iter().map(|endpoint| QuorumNode {
        node_id: endpoint.node.0,
        listeners: vec![QuorumListener {
            name: LISTENER,
            host: &endpoint.host,
            port: endpoint.port,
        }]
        .into(),
    });
    Ok(call.reply(&DescribeQuorumResponse {
        topics: topics.collect(),
        nodes: nodes.collect(),
        ..Default::default()
    }))
}

fn partition(quorum: &Quorum, now: TimestampMs) -> QuorumPartition<'static> {
    let voters = quorum
        .voters
        .iter()
        .map(|voter| replica(*voter, quorum, now));
    QuorumPartition {
        leader_id: quorum.leader.0,
        leader_epoch: quorum.epoch.0,
        high_watermark: quorum.high_watermark,
        current_voters: voters.collect(),
        ..Default::default()
    }
}

/// The leader has all and is never behind; how far another has come is not told.
fn replica(voter: NodeId, quorum: &Quorum, now: TimestampMs) -> QuorumReplica {
    if voter != quorum.leader {
        return QuorumReplica {
            replica_id: voter.0,
            log_end_offset: -1,
            ..Default::default()
        };
    }
    QuorumReplica {
        replica_id: voter.0,
        log_end_offset: quorum.log_end,
        last_fetch_timestamp: now.0,
        last_caught_up_timestamp: now.0,
        ..Default::default()
    }
}
