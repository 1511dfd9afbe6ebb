//! Fetch: what is there, or what comes while the client waits.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use corelog_broker::{Error, FetchPart, Fetched, Isolation, Outcomes, PartitionKey};
use corelog_rt::{Credit, Runtime};
use corelog_wire::native::{META_BYTES_MAX, v1, v2};

use super::super::call::{Call, Malformed};
use crate::connection::Reply;
use crate::operation::{Patience, Read, code};

/// How many times the frame a request takes, decoded.
const WORK_TIMES: u64 = 4;
/// As many as an answer of version 2 holds, at 56 bytes each and some for aborted transactions.
const PARTS_MAX: usize = META_BYTES_MAX as usize / 64;

pub(in super::super) async fn handle_v1<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let credit = call.admit(call.frame_bytes() * WORK_TIMES).await;
    let view = call.view()?;
    let request = view.read::<v1::FetchRequest>()?;
    let read = Read {
        isolation: Isolation::Uncommitted,
        parts: request.parts.iter().map(|p| Ok(part(p))).collect(),
        wait_max: Duration::from_millis(u64::from(request.wait_max_ms.to_native())),
        bytes_min: u64::from(request.bytes_min.to_native()),
        bytes_max: u64::from(request.bytes_max.to_native()),
    };
    let (found, credit) = run(call, &read, credit).await;
    let mut payload = Payload::default();
    let parts = found.into_iter();
    let parts = parts.map(|outcome| older(payload.take(outcome)));
    let parts = parts.collect();
    let reply = call.reply_with(&v1::FetchResponse { parts }, payload.batches);
    Ok(hold(reply, credit))
}

pub(in super::super) async fn handle_v2<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let credit = call.admit(call.frame_bytes() * WORK_TIMES).await;
    let view = call.view()?;
    let request = view.read::<v2::FetchRequest>()?;
    if request.parts.len() > PARTS_MAX {
        return Err(Malformed::TOO_LONG);
    }
    let read = Read {
        isolation: isolation(request.isolation),
        parts: request.parts.iter().map(|p| Ok(part(p))).collect(),
        wait_max: Duration::from_millis(u64::from(request.wait_max_ms.to_native())),
        bytes_min: u64::from(request.bytes_min.to_native()),
        bytes_max: u64::from(request.bytes_max.to_native()),
    };
    let (found, credit) = run(call, &read, credit).await;
    let mut payload = Payload::default();
    let parts = found.into_iter().map(|outcome| payload.take(outcome));
    let parts = parts.collect();
    let reply = call.reply_with(&v2::FetchResponse { parts }, payload.batches);
    Ok(hold(reply, credit))
}

async fn run<R: Runtime>(
    call: &Call<R>,
    read: &Read,
    work: Credit,
) -> (Outcomes<Fetched>, Option<Credit>) {
    let patience = Patience::of(call.frame_bytes(), work);
    let memory = call.context.memory();
    read.run(&memory, patience.wait_max).await
}

fn hold(reply: Reply, credit: Option<Credit>) -> Reply {
    match credit {
        Some(credit) => reply.holding(credit),
        None => reply,
    }
}

pub(super) fn isolation(number: u8) -> Isolation {
    match number {
        v2::UNCOMMITTED => Isolation::Uncommitted,
        _ => Isolation::Committed,
    }
}

pub(super) fn part(part: &v1::ArchivedFetchPart) -> FetchPart {
    let epoch = part.epoch.to_native();
    FetchPart {
        key: PartitionKey {
            topic: TopicId(part.topic),
            partition: PartitionIndex(part.partition.to_native()),
        },
        offset: Offset(part.offset.to_native()),
        leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
        bytes_max: u64::from(part.bytes_max.to_native()),
    }
}

/// The batches of an answer, back to back.
#[derive(Default)]
pub(in super::super) struct Payload {
    pub(in super::super) batches: Vec<Bytes>,
    /// Within a response's bound, far below 4 GiB.
    pub(in super::super) bytes: u32,
}

impl Payload {
    /// What is told of a part, whose batches go to the end.
    pub(in super::super) fn take(&mut self, outcome: Result<Fetched, Error>) -> v2::Fetched {
        let none = v2::Fetched {
            error: 0,
            high_watermark: -1,
            last_stable: -1,
            log_start: -1,
            position: self.bytes,
            bytes: 0,
            aborted: Vec::new(),
        };
        match outcome {
            Ok(found) => {
                let bytes = u32::try_from(found.bytes()).unwrap_or(u32::MAX);
                self.bytes = self.bytes.saturating_add(bytes);
                self.batches.extend(found.batches);
                let aborted = found.aborted.iter().map(|aborted| v2::Aborted {
                    producer: aborted.producer.0,
                    first: aborted.first.0,
                });
                v2::Fetched {
                    high_watermark: found.high_watermark.0,
                    last_stable: found.last_stable.0,
                    log_start: found.log_start.0,
                    bytes,
                    aborted: aborted.collect(),
                    ..none
                }
            }
            Err(error) => {
                let (log_start, high_watermark) = match &error {
                    Error::OffsetOutOfRange { start, end } => (start.0, end.0),
                    _ => (-1, -1),
                };
                v2::Fetched {
                    error: code(&error).0,
                    high_watermark,
                    log_start,
                    ..none
                }
            }
        }
    }
}

/// As version 1 tells it.
pub(in super::super) fn older(fetched: v2::Fetched) -> v1::Fetched {
    v1::Fetched {
        error: fetched.error,
        high_watermark: fetched.high_watermark,
        log_start: fetched.log_start,
        position: fetched.position,
        bytes: fetched.bytes,
    }
}
