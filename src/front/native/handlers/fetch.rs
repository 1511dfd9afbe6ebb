//! Fetch: what is there, or what comes while the client waits.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use corelog_broker::{Error, FetchPart, Fetched, Isolation, Outcomes, PartitionKey};
use corelog_rt::Runtime;
use corelog_wire::native::v1;

use super::super::call::{Call, Malformed};
use crate::connection::Reply;
use crate::operation::{Patience, Read, code};

/// How many times the frame a request takes, decoded.
const WORK_TIMES: u64 = 4;

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
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
    let patience = Patience::of(call.frame_bytes(), credit);
    let memory = call.context.memory();
    let (outcomes, credit) = read.run(&memory, patience.wait_max).await;
    drop(patience);
    let (parts, payload) = answer(outcomes);
    let reply = call.reply_with(&v1::FetchResponse { parts }, payload);
    Ok(match credit {
        Some(credit) => reply.holding(credit),
        None => reply,
    })
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

/// What is told of each part, and the batches of all of them, back to back.
fn answer(outcomes: Outcomes<Fetched>) -> (Vec<v1::Fetched>, Vec<Bytes>) {
    let mut payload = Vec::new();
    let mut position = 0;
    let parts = outcomes.into_iter();
    let parts = parts.map(|outcome| fetched(outcome, &mut position, &mut payload));
    (parts.collect(), payload)
}

/// What is told of a part; its batches go to the payload's end, at `position`.
pub(super) fn fetched(
    outcome: Result<Fetched, Error>,
    position: &mut u32,
    payload: &mut Vec<Bytes>,
) -> v1::Fetched {
    match outcome {
        Ok(found) => {
            // Within a response's bound, far below 4 GiB.
            let bytes = u32::try_from(found.bytes()).unwrap_or(u32::MAX);
            let told = v1::Fetched {
                error: 0,
                high_watermark: found.high_watermark.0,
                log_start: found.log_start.0,
                position: *position,
                bytes,
            };
            *position = position.saturating_add(bytes);
            payload.extend(found.batches);
            told
        }
        Err(error) => {
            let (log_start, high_watermark) = match &error {
                Error::OffsetOutOfRange { start, end } => (start.0, end.0),
                _ => (-1, -1),
            };
            v1::Fetched {
                error: code(&error).0,
                high_watermark,
                log_start,
                position: *position,
                bytes: 0,
            }
        }
    }
}
