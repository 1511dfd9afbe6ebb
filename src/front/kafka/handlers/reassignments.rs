//! AlterPartitionReassignments and ListPartitionReassignments. Replicas stay where they were placed,
//! so none is under way, and the only assignment that is accepted is the one that there is.

use corelog_base::NodeId;
use corelog_broker::{Error, PartitionKey};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ErrorCode,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};

use super::super::call::{Call, Fault, Malformed};
use super::parts::key_of;
use crate::connection::Reply;

pub(in super::super) async fn list<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    ListPartitionReassignmentsRequest::decode(call.version, call.body())?;
    Ok(call.reply(&ListPartitionReassignmentsResponse::default()))
}

pub(in super::super) async fn alter<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = AlterPartitionReassignmentsRequest::decode(call.version, call.body())?;
    let mut outcomes = Vec::new();
    for topic in request.topics.iter() {
        for partition in topic.partitions.iter() {
            let key = key_of(&call.context, topic.name, partition.partition_index);
            let outcome = key.map_err(Fault::from);
            outcomes.push(outcome.and_then(|key| reassign(call, key, &partition)));
        }
    }
    let mut rest = outcomes.iter();
    let responses = request
        .topics
        .iter()
        .map(|topic| ReassignableTopicResponse {
            name: topic.name,
            partitions: topic
                .partitions
                .iter()
                .zip(&mut rest)
                .map(|(partition, outcome)| {
                    let fault = outcome.as_ref().err();
                    ReassignablePartitionResponse {
                        partition_index: partition.partition_index,
                        error_code: fault.map_or(ErrorCode::NONE, |fault| fault.code),
                        error_message: fault.and_then(|fault| fault.message.as_deref()),
                    }
                })
                .collect(),
        });
    Ok(call.reply(&AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: responses.collect(),
        ..Default::default()
    }))
}

fn reassign<R: Runtime>(
    call: &Call<R>,
    key: PartitionKey,
    asked: &ReassignablePartition<'_>,
) -> Result<(), Fault> {
    let placed: Option<Vec<NodeId>> = call.context.broker.image(|image| {
        let partition = image.topic(key.topic)?.partition(key.partition)?;
        Some(partition.replicas.iter().map(|r| r.node).collect())
    });
    let placed = placed.ok_or(Error::UnknownPartition)?;
    let Some(asked) = &asked.replicas else {
        let why = "no reassignment of this partition is under way";
        return Err(Fault::new(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, why));
    };
    let asked: Vec<NodeId> = asked.iter().map(NodeId).collect();
    if asked == placed {
        return Ok(());
    }
    let unknown = asked.iter().find(|node| {
        call.context
            .broker
            .image(|image| image.node(**node).is_none())
    });
    let why = match unknown {
        Some(node) => format!("there is no broker {node}"),
        None => "replicas cannot be moved: the partition stays where it was placed".to_owned(),
    };
    Err(Fault::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, why))
}
