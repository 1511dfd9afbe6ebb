//! Produce: each batch is checked where it lies, split out of the frame without a copy, and
//! submitted; the answer follows once all are committed or refused.

use std::time::Duration;

use corelog_base::TopicId;
use corelog_broker::{Acks, Error, ProduceRequest, Produced};
use corelog_rt::{Credits, Runtime};
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::ArchivedProducePart;
use corelog_wire::native::{META_BYTES_MAX, Outbound, View, check_places, v1, v2};

use super::super::call::{Call, Malformed};
use crate::connection::{Started, Task};
use crate::operation::{Batches, Place, Refusal, Rules, TopicRef, Zstd, code};

/// With acks 1, clients may send any timeout.
const COMMIT_WAIT_MIN: Duration = Duration::from_secs(30);
/// As many as an answer of version 2 holds, at 32 bytes each.
const PARTS_MAX: usize = META_BYTES_MAX as usize / 32 - 1;

/// What differs between versions.
pub(in super::super) trait Version: 'static {
    type Response: Outbound;
    fn asked<'v>(view: &'v View<'_>) -> Result<Asked<'v>, Malformed>;
    fn response(parts: impl Iterator<Item = v2::Produced>) -> Self::Response;
}

/// A request of any version.
pub(in super::super) struct Asked<'v> {
    acks: i16,
    timeout: Duration,
    parts: &'v [ArchivedProducePart],
}

pub(in super::super) enum V1 {}
pub(in super::super) enum V2 {}

impl Version for V1 {
    type Response = v1::ProduceResponse;

    fn asked<'v>(view: &'v View<'_>) -> Result<Asked<'v>, Malformed> {
        let request = view.read::<v1::ProduceRequest>()?;
        Ok(Asked {
            acks: request.acks.to_native(),
            timeout: Duration::from_millis(u64::from(request.timeout_ms.to_native())),
            parts: &request.parts,
        })
    }

    fn response(parts: impl Iterator<Item = v2::Produced>) -> v1::ProduceResponse {
        let parts = parts.map(|part| v1::Produced {
            error: part.error,
            base_offset: part.base_offset,
        });
        v1::ProduceResponse {
            parts: parts.collect(),
        }
    }
}

impl Version for V2 {
    type Response = v2::ProduceResponse;

    fn asked<'v>(view: &'v View<'_>) -> Result<Asked<'v>, Malformed> {
        let request = view.read::<v2::ProduceRequest>()?;
        Ok(Asked {
            acks: request.acks.to_native(),
            timeout: Duration::from_millis(u64::from(request.timeout_ms.to_native())),
            parts: &request.parts,
        })
    }

    fn response(parts: impl Iterator<Item = v2::Produced>) -> v2::ProduceResponse {
        v2::ProduceResponse {
            parts: parts.collect(),
        }
    }
}

pub(in super::super) fn start<R: Runtime, V: Version>(call: Call<R>) -> Task<Started> {
    Box::pin(async move {
        let plan = match Plan::of::<R, V>(&call).await {
            Ok(plan) => plan,
            Err(malformed) => return Started::Done(call.refuse(&malformed)),
        };
        let (caller, payload, credit) = call.take_payload();
        let (parts, recompressed) = plan.batches.split(payload);
        let request = ProduceRequest {
            acks: plan.acks,
            timeout: plan.timeout,
            parts,
        };
        let submitted = caller.context.broker.submit_produce(request).await;
        let answers = plan.answers;
        Started::Later(Box::pin(async move {
            let outcomes = submitted.outcomes().await;
            let parts = answers.iter().map(|answer| produced(answer, &outcomes));
            let reply = caller.reply(&V::response(parts));
            drop((credit, recompressed));
            reply
        }))
    })
}

struct Plan {
    acks: Acks,
    timeout: Duration,
    /// One a part: its place among the batches that are submitted, or why it is not.
    answers: Vec<Result<usize, ErrorCode>>,
    batches: Batches,
}

impl Plan {
    async fn of<R: Runtime, V: Version>(call: &Call<R>) -> Result<Plan, Malformed> {
        let view = call.view()?;
        let asked = V::asked(&view)?;
        let mut plan = Plan::new(&asked);
        let places = asked.parts.iter().map(|part| corelog_wire::native::Place {
            position: part.position.to_native(),
            bytes: part.bytes.to_native(),
        });
        check_places(places, call.header.payload_bytes)?;
        if asked.parts.len() > PARTS_MAX {
            return Err(Malformed::TOO_LONG);
        }
        if !matches!(asked.acks, -1 | 1) {
            let code = ErrorCode::INVALID_REQUIRED_ACKS;
            plan.answers = vec![Err(code); asked.parts.len()];
            return Ok(plan);
        }
        let mut known: Option<([u8; 16], Result<Rules, Refusal>)> = None;
        for part in asked.parts {
            if known.as_ref().is_none_or(|(topic, _)| *topic != part.topic) {
                let context = &call.context;
                let topic = TopicRef::Id(TopicId(part.topic));
                let cap = context.payload_bytes_max;
                let rules = Rules::of(&context.broker, topic, Zstd::Taken, cap);
                known = Some((part.topic, rules));
            }
            let Some((_, rules)) = &known else { continue };
            plan.check(rules, part, call.payload(), &call.context.budget.records);
            // Others have their turn after each batch that was decompressed.
            if rules.as_ref().is_ok_and(Rules::may_decompress) {
                call.context.broker.runtime().yield_now().await;
            }
        }
        Ok(plan)
    }

    fn new(asked: &Asked<'_>) -> Plan {
        let (acks, timeout) = match asked.acks {
            -1 => (Acks::InSync, asked.timeout),
            _ => (Acks::Commit, asked.timeout.max(COMMIT_WAIT_MIN)),
        };
        Plan {
            acks,
            timeout,
            answers: Vec::with_capacity(asked.parts.len()),
            batches: Batches::default(),
        }
    }

    fn check(
        &mut self,
        rules: &Result<Rules, Refusal>,
        part: &ArchivedProducePart,
        payload: &[u8],
        records: &Credits,
    ) {
        let start = part.position.to_native() as usize;
        let range = start..start + part.bytes.to_native() as usize;
        let place = Place {
            partition: part.partition.to_native(),
            range: range.clone(),
        };
        // The places were checked against the payload's length.
        let bytes = payload.get(range).unwrap_or_default();
        let checked = match rules {
            Ok(rules) => self.batches.accept(rules, place, bytes, records),
            Err(refusal) => Err(refusal.clone()),
        };
        self.answers
            .push(checked.map_err(|refusal| refusal.fault.code));
    }
}

fn produced(
    answer: &Result<usize, ErrorCode>,
    outcomes: &[Result<Produced, Error>],
) -> v2::Produced {
    let failed = |code: ErrorCode| v2::Produced {
        error: code.0,
        base_offset: -1,
        log_start: -1,
        append_time: -1,
    };
    match answer {
        Err(code) => failed(*code),
        Ok(place) => match outcomes.get(*place) {
            Some(Ok(produced)) => v2::Produced {
                error: 0,
                base_offset: produced.base.0,
                log_start: produced.log_start.0,
                append_time: produced.append_time.0,
            },
            Some(Err(error)) => failed(code(error)),
            None => failed(code(&Error::Stopping)),
        },
    }
}
