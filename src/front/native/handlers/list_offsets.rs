//! ListOffsets: by position, or by time.

use corelog_base::{LeaderEpoch, PartitionIndex, TimestampMs, TopicId};
use corelog_broker::{Error, Isolation, OffsetFound, OffsetPart, OffsetQuery, PartitionKey};
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::{ArchivedListPart, Listed};
use corelog_wire::native::{v1, v2};

use super::super::call::{Call, Malformed};
use super::fetch::isolation;
use crate::connection::Reply;
use crate::operation::code;

/// How many times the frame a request takes, decoded.
const WORK_TIMES: u64 = 6;

pub(in super::super) async fn handle_v1<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let credit = call.admit(call.frame_bytes() * WORK_TIMES).await;
    let view = call.view()?;
    let request = view.read::<v1::ListOffsetsRequest>()?;
    let parts = find(call, &request.parts, Isolation::Uncommitted).await;
    Ok(call
        .reply(&v1::ListOffsetsResponse { parts })
        .holding(credit))
}

pub(in super::super) async fn handle_v2<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let credit = call.admit(call.frame_bytes() * WORK_TIMES).await;
    let view = call.view()?;
    let request = view.read::<v2::ListOffsetsRequest>()?;
    let parts = find(call, &request.parts, isolation(request.isolation)).await;
    Ok(call
        .reply(&v2::ListOffsetsResponse { parts })
        .holding(credit))
}

async fn find<R: Runtime>(
    call: &Call<R>,
    parts: &[ArchivedListPart],
    isolation: Isolation,
) -> Vec<Listed> {
    let asked: Vec<Option<OffsetPart>> = parts.iter().map(|p| part(p, isolation)).collect();
    let good = asked.iter().flatten().copied().collect();
    let mut found = call.context.broker.list_offsets(good).await.into_iter();
    let parts = asked.iter().map(|part| match part {
        Some(_) => listed(found.next().unwrap_or(Err(Error::Stopping))),
        None => failed(ErrorCode::INVALID_REQUEST),
    });
    parts.collect()
}

/// None for a time that means nothing.
fn part(part: &ArchivedListPart, isolation: Isolation) -> Option<OffsetPart> {
    let query = match part.time.to_native() {
        time @ 0.. => OffsetQuery::AtTime(TimestampMs(time)),
        -1 => OffsetQuery::Latest,
        -2 => OffsetQuery::Earliest,
        -3 => OffsetQuery::MaxTimestamp,
        _ => return None,
    };
    let epoch = part.epoch.to_native();
    Some(OffsetPart {
        key: PartitionKey {
            topic: TopicId(part.topic),
            partition: PartitionIndex(part.partition.to_native()),
        },
        isolation,
        leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
        query,
    })
}

fn listed(found: Result<OffsetFound, Error>) -> Listed {
    match found {
        Ok(found) => Listed {
            error: 0,
            offset: found.offset.0,
            time: found.timestamp.0,
            epoch: found.epoch.0,
        },
        Err(error) => failed(code(&error)),
    }
}

fn failed(code: ErrorCode) -> Listed {
    Listed {
        error: code.0,
        offset: -1,
        time: -1,
        epoch: -1,
    }
}
