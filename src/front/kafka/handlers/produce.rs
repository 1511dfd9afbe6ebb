//! Produce: each batch is checked, split out of the frame without a copy, and submitted; the
//! answer follows once all are committed or refused.

use std::collections::BTreeMap;
use std::time::Duration;

use corelog_base::TopicId;
use corelog_broker::{Acks, Error, ProduceRequest, Produced, SubmittedProduce};
use corelog_rt::{Credit, Credits, Runtime};
use corelog_wire::kafka::{
    self, Array, BatchIndexAndErrorMessage, ErrorCode, LeaderIdAndEpoch, PartitionProduceResponse,
    ProduceResponse, TopicProduceResponse,
};

use super::super::call::{Call, Caller, Fault, Malformed};
use super::super::context::Endpoint;
use super::produce_transaction::{Batch, verify};
use crate::connection::{Reply, Started, Task};
use crate::operation::{Accepted, Batches, Place, Refusal, Rules, TopicRef, Zstd};

/// With acks 0 and 1, which Kafka answers at the append, clients may send any timeout.
const COMMIT_WAIT_MIN: Duration = Duration::from_secs(30);

/// From this version on, a client that can read zstd may send it.
const ZSTD_VERSION_MIN: i16 = 7;

/// What a client is told of one partition.
struct Answer {
    index: i32,
    outcome: Outcome,
}

enum Outcome {
    /// Its place among the parts that were submitted.
    Submitted(usize),
    Refused(Refusal),
}

/// What is left of a request once its batches are on their way.
struct Pending<R: Runtime> {
    caller: Caller<R>,
    acks: i16,
    topics: Vec<TopicAnswer>,
    /// For batches that were recompressed.
    _recompressed: Vec<Credit>,
}

/// A topic as the client named it, and its partitions.
type TopicAnswer = (String, TopicId, Vec<Answer>);

pub(in super::super) fn start<R: Runtime>(call: Call<R>) -> Task<Started> {
    Box::pin(async move {
        match submit(call).await {
            Ok((pending, submitted, credit)) => Started::Later(Box::pin(async move {
                let outcomes = submitted.outcomes().await;
                let reply = pending.reply(&outcomes);
                drop(credit);
                reply
            })),
            Err(reply) => Started::Done(reply),
        }
    })
}

/// Decodes, checks and submits. When this returns, the batches have their place in the order.
async fn submit<R: Runtime>(
    call: Call<R>,
) -> Result<(Pending<R>, SubmittedProduce<R>, Credit), Reply> {
    let mut plan = match Plan::of(&call).await {
        Ok(plan) => plan,
        Err(malformed) => return Err(call.refuse(&malformed)),
    };
    plan.verify(&call).await;
    let (caller, body, credit) = call.take_body();
    let (parts, recompressed) = plan.batches.split(body);
    let request = ProduceRequest {
        acks: match plan.acks {
            -1 => Acks::InSync,
            _ => Acks::Commit,
        },
        timeout: match plan.acks {
            -1 => plan.timeout,
            _ => plan.timeout.max(COMMIT_WAIT_MIN),
        },
        parts,
    };
    let submitted = caller.context.broker.submit_produce(request).await;
    let pending = Pending {
        caller,
        acks: plan.acks,
        topics: plan.topics,
        _recompressed: recompressed,
    };
    Ok((pending, submitted, credit))
}

struct Plan {
    transactional_id: Option<String>,
    acks: i16,
    timeout: Duration,
    topics: Vec<TopicAnswer>,
    batches: Batches,
}

impl Plan {
    /// Checks each batch. After one that was decompressed, others have their turn: a request of
    /// 1 MiB may hold dozens that take a tenth of a second each.
    async fn of<R: Runtime>(call: &Call<R>) -> Result<Plan, Malformed> {
        let request = kafka::ProduceRequest::decode(call.version, call.body())?;
        let mut plan = Plan {
            transactional_id: request.transactional_id.map(str::to_owned),
            acks: request.acks,
            timeout: Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)),
            topics: Vec::new(),
            batches: Batches::default(),
        };
        let refusal = match request.acks {
            -1..=1 => None,
            _ => Some(Refusal::from(ErrorCode::INVALID_REQUIRED_ACKS)),
        };
        for topic in request.topic_data.iter() {
            let rules = match &refusal {
                Some(refusal) => Err(refusal.clone()),
                None => rules(call, topic.name, topic.topic_id),
            };
            let mut answers = Vec::new();
            for partition in topic.partition_data.iter() {
                let checked = rules.as_ref().map_err(Refusal::clone);
                let checked =
                    checked.and_then(|rules| plan.check(rules, &partition, &call.context.records));
                if rules.as_ref().is_ok_and(Rules::may_decompress) {
                    call.context.broker.runtime().yield_now().await;
                }
                answers.push(Answer {
                    index: partition.index,
                    outcome: checked.map_or_else(Outcome::Refused, Outcome::Submitted),
                });
            }
            plan.topics
                .push((topic.name.to_owned(), topic.topic_id, answers));
        }
        Ok(plan)
    }

    /// Batches in a transaction that is not known to be open where they go: their coordinator is
    /// asked, and those that it does not know of are refused.
    async fn verify<R: Runtime>(&mut self, call: &Call<R>) {
        // Without an id nobody can be asked: the partition refuses them.
        let Some(id) = self.transactional_id.as_deref() else {
            return;
        };
        let mut batches = Vec::new();
        let mut places = Vec::new();
        let answers = self.topics.iter().flat_map(|(_, _, answers)| answers);
        for answer in answers {
            if let Outcome::Submitted(place) = answer.outcome
                && let Some(accepted) = self.batches.accepted.get(place)
                && let Some(batch) = named(call, accepted)
            {
                batches.push(batch);
                places.push(place);
            }
        }
        if batches.is_empty() {
            return;
        }
        let mut refused: BTreeMap<usize, Refusal> = BTreeMap::new();
        let verified = verify(call, id, &batches).await;
        for (place, verified) in places.into_iter().zip(verified) {
            match verified {
                Ok(verified) => self.batches.accepted[place].verified = verified,
                Err(fault) => drop(refused.insert(place, fault.into())),
            }
        }
        if !refused.is_empty() {
            self.refuse(refused);
        }
    }

    /// Takes batches out again.
    fn refuse(&mut self, mut refused: BTreeMap<usize, Refusal>) {
        let count = self.batches.accepted.len();
        let mut left = 0..;
        let places: Vec<Option<usize>> = (0..count)
            .map(|place| (!refused.contains_key(&place)).then(|| left.next())?)
            .collect();
        let mut place = 0..;
        self.batches
            .accepted
            .retain(|_| place.next().is_some_and(|at| places[at].is_some()));
        let answers = self.topics.iter_mut().flat_map(|(_, _, answers)| answers);
        for answer in answers {
            if let Outcome::Submitted(place) = answer.outcome {
                answer.outcome = match refused.remove(&place) {
                    Some(refusal) => Outcome::Refused(refusal),
                    None => Outcome::Submitted(places[place].unwrap_or(place)),
                };
            }
        }
    }

    /// The place of a good batch among those to submit.
    fn check(
        &mut self,
        rules: &Rules,
        partition: &kafka::PartitionProduceData<'_>,
        records: &Credits,
    ) -> Result<usize, Refusal> {
        let none = "a partition needs exactly one batch";
        let (Some(bytes), Some(range)) = (partition.records.bytes(), partition.records.range())
        else {
            return Err(Fault::new(ErrorCode::INVALID_RECORD, none).into());
        };
        let place = Place {
            partition: partition.index,
            range,
        };
        self.batches.accept(rules, place, bytes, records)
    }
}

/// The rules of a topic by name, or from version 13 on by id.
fn rules<R: Runtime>(call: &Call<R>, name: &str, id: TopicId) -> Result<Rules, Refusal> {
    let topic = match call.version {
        13.. => TopicRef::Id(id),
        _ => TopicRef::Name(name),
    };
    let zstd = match call.version {
        ZSTD_VERSION_MIN.. => Zstd::Taken,
        _ => Zstd::Refused,
    };
    let context = &call.context;
    Rules::of(&context.broker, topic, zstd, context.request_bytes_max)
}

/// A batch that is in a transaction.
fn named<R: Runtime>(call: &Call<R>, accepted: &Accepted) -> Option<Batch> {
    call.context.broker.image(|image| {
        let topic = image.topic(accepted.key.topic)?;
        Batch::of(accepted.key, &accepted.header, &topic.name)
    })
}

impl<R: Runtime> Pending<R> {
    fn reply(&self, outcomes: &[Result<Produced, Error>]) -> Reply {
        if self.acks == 0 {
            // The client hears of an error only by losing the connection.
            return match self.failure(outcomes) {
                None => Reply::Silence,
                Some(code) => {
                    tracing::debug!(peer = %self.caller.peer, %code, "a Produce with acks=0 failed: closed");
                    Reply::Close
                }
            };
        }
        let moved = outcomes.iter().filter_map(|outcome| match outcome {
            Err(Error::NotLeader { leader, .. }) => *leader,
            _ => None,
        });
        let endpoints = self.caller.context.endpoints_of(moved);
        self.caller
            .reply(&response(&self.topics, outcomes, &endpoints))
    }

    /// The first error, if there is one.
    fn failure(&self, outcomes: &[Result<Produced, Error>]) -> Option<ErrorCode> {
        let answers = self.topics.iter().flat_map(|(_, _, answers)| answers);
        let mut codes = answers.map(|answer| partition(answer, outcomes).error_code);
        codes.find(|code| !code.is_none())
    }
}

fn response<'a>(
    topics: &'a [TopicAnswer],
    outcomes: &'a [Result<Produced, Error>],
    endpoints: &'a [Endpoint],
) -> ProduceResponse<'a> {
    let topics = topics
        .iter()
        .map(|(name, topic_id, answers)| TopicProduceResponse {
            name,
            topic_id: *topic_id,
            partition_responses: answers.iter().map(|a| partition(a, outcomes)).collect(),
        });
    ProduceResponse {
        responses: topics.collect(),
        node_endpoints: endpoints.iter().map(Endpoint::to_wire).collect(),
        ..Default::default()
    }
}

fn partition<'a>(
    answer: &'a Answer,
    outcomes: &'a [Result<Produced, Error>],
) -> PartitionProduceResponse<'a> {
    let failed = PartitionProduceResponse {
        index: answer.index,
        base_offset: -1,
        ..Default::default()
    };
    let outcome = match &answer.outcome {
        Outcome::Refused(refusal) => Err(refusal),
        Outcome::Submitted(place) => Ok(&outcomes[*place]),
    };
    match outcome {
        Ok(Ok(produced)) => PartitionProduceResponse {
            base_offset: produced.base.0,
            log_append_time_ms: produced.append_time.0,
            log_start_offset: produced.log_start.0,
            ..failed
        },
        Ok(Err(error)) => PartitionProduceResponse {
            error_code: super::super::error::code(error),
            current_leader: current_leader(error),
            ..failed
        },
        Err(refusal) => PartitionProduceResponse {
            error_code: refusal.fault.code,
            error_message: refusal.fault.message.as_deref(),
            record_errors: record_errors(refusal),
            ..failed
        },
    }
}

fn record_errors(refusal: &Refusal) -> Array<'_, BatchIndexAndErrorMessage<'_>> {
    let error = refusal.record.map(|record| BatchIndexAndErrorMessage {
        batch_index: record,
        batch_index_error_message: refusal.fault.message.as_deref(),
    });
    error.into_iter().collect()
}

pub(super) fn current_leader(error: &Error) -> LeaderIdAndEpoch {
    match error {
        Error::NotLeader { leader, epoch } => LeaderIdAndEpoch {
            leader_id: leader.map_or(-1, |node| node.0),
            leader_epoch: epoch.0,
        },
        _ => LeaderIdAndEpoch::default(),
    }
}

#[cfg(test)]
mod tests {
    use corelog_base::{LeaderEpoch, NodeId};
    use corelog_wire::kafka::Encoder;

    use super::*;

    /// What a client reads at a version.
    fn read(version: i16, error: Error, test: impl FnOnce(&ProduceResponse<'_>)) {
        let answer = Answer {
            index: 4,
            outcome: Outcome::Submitted(0),
        };
        let topics = [("t".to_owned(), TopicId::ZERO, vec![answer])];
        let endpoint = Endpoint {
            node: NodeId(2),
            host: "other.test".into(),
            port: 9093,
            rack: None,
        };
        let (outcomes, endpoints) = ([Err(error)], [endpoint]);
        let mut encoder = Encoder::response(kafka::ApiKey::Produce, version, 1);
        response(&topics, &outcomes, &endpoints).encode(version, &mut encoder);
        let frame = encoder.finish().unwrap().concat();
        let (_, body) =
            kafka::ResponseHeader::decode(kafka::ApiKey::Produce, version, &frame[4..]).unwrap();
        test(&ProduceResponse::decode(version, body).unwrap());
    }

    #[test]
    fn a_moved_leader_is_named_from_version_10_on() {
        for version in 3..=13 {
            let error = Error::NotLeader {
                leader: Some(NodeId(2)),
                epoch: LeaderEpoch(7),
            };
            read(version, error, |response| {
                let topic = response.responses.first().unwrap();
                let partition = topic.partition_responses.first().unwrap();
                let code = partition.error_code;
                assert_eq!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
                let leader = partition.current_leader;
                let endpoint = response.node_endpoints.first();
                if version < 10 {
                    assert_eq!(leader, LeaderIdAndEpoch::default());
                    assert!(endpoint.is_none());
                    return;
                }
                assert_eq!((leader.leader_id, leader.leader_epoch), (2, 7));
                let endpoint = endpoint.unwrap();
                assert_eq!(
                    (endpoint.node_id, endpoint.host, endpoint.port),
                    (2, "other.test", 9093)
                );
            });
        }
    }
}
