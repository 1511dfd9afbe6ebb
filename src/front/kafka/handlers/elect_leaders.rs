//! ElectLeaders: leaders are kept where they should be without being told, so there is none to move.

use corelog_base::{NodeId, PartitionIndex};
use corelog_broker::{Error, PartitionKey};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    ElectLeadersPartitionResult, ElectLeadersRequest, ElectLeadersResponse, ErrorCode,
    ReplicaElectionResult,
};

use super::super::call::{Call, Fault, Malformed};
use super::parts::key_of;
use crate::connection::Reply;

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ElectLeadersRequest::decode(call.version, call.body())?;
    let kind = request.election_type;
    if !matches!(kind, PREFERRED | UNCLEAN) {
        return Ok(call.reply(&ElectLeadersResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..Default::default()
        }));
    }
    let mut found: Vec<(String, Vec<(i32, Fault)>)> = Vec::new();
    match &request.topic_partitions {
        Some(topics) => {
            for topic in topics.iter() {
                let faults = topic.partitions.iter().map(|index| {
                    let key = key_of(&call.context, topic.topic, index);
                    let fault = key.map(|key| elect(call, key, kind));
                    (index, fault.unwrap_or_else(Fault::from))
                });
                found.push((topic.topic.to_owned(), faults.collect()));
            }
        }
        None => found.extend(without_leader(call, kind)),
    }
    let results = found
        .iter()
        .map(|(topic, partitions)| ReplicaElectionResult {
            topic,
            partition_result: partitions
                .iter()
                .map(|(partition_id, fault)| ElectLeadersPartitionResult {
                    partition_id: *partition_id,
                    error_code: fault.code,
                    error_message: fault.message.as_deref(),
                })
                .collect(),
        });
    Ok(call.reply(&ElectLeadersResponse {
        replica_election_results: results.collect(),
        ..Default::default()
    }))
}

/// Of all partitions those that need an election; as Kafka does, the others are left out.
fn without_leader<R: Runtime>(call: &Call<R>, kind: i8) -> Vec<(String, Vec<(i32, Fault)>)> {
    let topics: Vec<_> = call.context.broker.image(|image| {
        let topics = image.topics();
        topics
            .map(|topic| (topic.id, topic.name.clone(), topic.partition_count()))
            .collect()
    });
    let topics = topics.into_iter().map(|(topic, name, count)| {
        let keys = (0..).map(PartitionIndex).take(count as usize);
        let faults = keys.map(|partition| {
            let fault = elect(call, PartitionKey { topic, partition }, kind);
            (partition.0, fault)
        });
        let needed = faults.filter(|(_, fault)| fault.code != ErrorCode::ELECTION_NOT_NEEDED);
        (name, needed.collect::<Vec<_>>())
    });
    topics.filter(|(_, faults)| !faults.is_empty()).collect()
}

/// Why no other leader is elected.
fn elect<R: Runtime>(call: &Call<R>, key: PartitionKey, kind: i8) -> Fault {
    let leader = call.context.broker.leadership(key).leader;
    let preferred = call.context.broker.image(|image| {
        let partition = image.topic(key.topic)?.partition(key.partition)?;
        partition.replicas.first().map(|replica| replica.node)
    });
    let Some(preferred) = preferred else {
        return Fault::from(Error::UnknownPartition);
    };
    judge(leader, preferred, kind)
}

fn judge(leader: Option<NodeId>, preferred: NodeId, kind: i8) -> Fault {
    match (leader, kind) {
        (Some(_), UNCLEAN) => not_needed("the partition has a leader"),
        (Some(leader), _) if leader == preferred => not_needed("the preferred replica leads"),
        (None, UNCLEAN) => Fault::new(
            ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
            "a replica that may have lost records is never elected",
        ),
        _ => Fault::new(
            ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
            "the replicas elect their leader themselves",
        ),
    }
}

fn not_needed(why: &str) -> Fault {
    Fault::new(ErrorCode::ELECTION_NOT_NEEDED, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_need_no_election_or_have_none() {
        let (one, two) = (NodeId(1), NodeId(2));
        let check = |leader, kind, expected| assert_eq!(judge(leader, one, kind).code, expected);
        check(Some(one), PREFERRED, ErrorCode::ELECTION_NOT_NEEDED);
        check(Some(two), UNCLEAN, ErrorCode::ELECTION_NOT_NEEDED);
        check(
            Some(two),
            PREFERRED,
            ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
        );
        check(None, PREFERRED, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
        check(None, UNCLEAN, ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE);
    }
}
