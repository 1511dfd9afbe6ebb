//! ShareFetch: verdicts first, then records that nobody else holds.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::{Monotonic, Offset};
use corelog_broker::{Error, FetchPart, FetchRequest, Fetched, Isolation};
use corelog_coordinator::shares::{Acquire, Acquired, Batch, Mode, Next, Reply as Answer, Request};
use corelog_record::batches;
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    AcquiredRecords, ErrorCode, Records, ShareFetchPartitionData, ShareFetchRequest,
    ShareFetchResponse, ShareFetchableTopicResponse,
};

use super::super::call::{Call, Malformed};
use super::super::error::code;
use super::super::share_sessions::{CLOSE, Member, OPEN, Place};
use super::shares::{
    acknowledge, ask, by_topic, check, end, key, lock_ms, partition_key, release, verdicts,
};
use crate::connection::Reply;

/// Of one response.
const BYTES_MAX: u64 = 1 << 20;
const RECORDS_MAX: u32 = 2_000;
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often one looks for records that others have given back.
const LOOK: Duration = Duration::from_millis(200);
/// Looks at a partition within one request: past markers, and past records that another was
/// quicker to take.
const LOOKS_MAX: u32 = 8;

/// What is told of one partition.
#[derive(Default)]
struct Row {
    acknowledged: ErrorCode,
    code: ErrorCode,
    records: Vec<Bytes>,
    acquired: Vec<Acquired>,
}

/// What a look at a partition found.
enum Found {
    Records(Vec<Bytes>, Vec<Acquired>),
    /// Nothing yet at this offset, the end.
    Nothing(Offset),
    /// Everything is held by others.
    Held,
}

/// How much may be given.
struct Wanted {
    mode: Mode,
    records_left: u32,
    bytes_left: u64,
}

pub(in super::super) async fn handle<R: Runtime>(call: &Call<R>) -> Result<Reply, Malformed> {
    let request = ShareFetchRequest::decode(call.version, call.body())?;
    let refused = |error_code: ErrorCode| ShareFetchResponse {
        error_code,
        error_message: error_code.name(),
        ..Default::default()
    };
    let (Some(group), Some(member)) = (request.group_id, request.member_id) else {
        return Ok(call.reply(&refused(ErrorCode::INVALID_REQUEST)));
    };
    let member = (group.to_owned(), member.to_owned());
    let epoch = request.share_session_epoch;
    let (adds, forgets) = named(&request);
    let says = request.topics.iter().any(|topic| {
        let mut partitions = topic.partitions.iter();
        partitions.any(|partition| !partition.acknowledgement_batches.is_empty())
    });
    let shares = &call.context.shares;
    let entered = match epoch == OPEN && says {
        // Nothing can be held before there is a session.
        true => Err(ErrorCode::INVALID_REQUEST),
        false => shares.with(|shares| shares.enter(&member, epoch, &adds, &forgets)),
    };
    if let Err(code) = entered {
        return Ok(call.reply(&refused(code)));
    }
    let mut rows: Vec<(Place, Row)> = Vec::new();
    for topic in request.topics.iter() {
        for partition in topic.partitions.iter() {
            let place = (topic.topic_id, partition.partition_index);
            let batches = verdicts(&partition.acknowledgement_batches);
            if !batches.is_empty() {
                let acknowledged = acknowledge(call, &member, place, batches).await;
                let row = Row {
                    acknowledged,
                    ..Row::default()
                };
                rows.push((place, row));
            }
        }
    }
    if epoch == CLOSE {
        let places = shares.with(|shares| shares.close(&member));
        release(call, &member, &places).await;
    } else if !request.is_renew_ack {
        fetch(call, &member, &request, &mut rows).await;
    }
    let bytes = rows
        .iter()
        .flat_map(|(_, row)| &row.records)
        .map(|r| r.len() as u64);
    let credit = call.context.take_work(bytes.sum()).await;
    Ok(answer(call, rows).holding(credit))
}

fn named(request: &ShareFetchRequest<'_>) -> (Vec<Place>, Vec<Place>) {
    let topics = request.topics.iter();
    let adds = topics.flat_map(|topic| {
        let partitions = topic.partitions.iter().map(|p| p.partition_index);
        let places = partitions.map(move |index| (topic.topic_id, index));
        places.collect::<Vec<_>>()
    });
    let topics = request.forgotten_topics_data.iter();
    let forgets = topics.flat_map(|topic| {
        let places = topic.partitions.iter().map(|index| (topic.topic_id, index));
        places.collect::<Vec<_>>()
    });
    (adds.collect(), forgets.collect())
}

/// Looks at every partition of the session until there is something, or the time is up.
async fn fetch<R: Runtime>(
    call: &Call<R>,
    member: &Member,
    request: &ShareFetchRequest<'_>,
    rows: &mut Vec<(Place, Row)>,
) {
    let rt = call.context.broker.runtime();
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = rt.now() + wait.min(WAIT_MAX);
    let mut wanted = Wanted {
        mode: match request.share_acquire_mode {
            1 => Mode::Records,
            _ => Mode::Batches,
        },
        records_left: u32::try_from(request.max_records)
            .unwrap_or(0)
            .clamp(1, RECORDS_MAX),
        bytes_left: u64::try_from(request.max_bytes)
            .unwrap_or(0)
            .clamp(1, BYTES_MAX),
    };
    loop {
        let mut ends = Vec::new();
        let mut told = false;
        let places = call.context.shares.with(|shares| shares.places(member));
        for place in places {
            if wanted.records_left == 0 || wanted.bytes_left == 0 {
                break;
            }
            match look(call, member, place, &mut wanted).await {
                Ok(Found::Records(records, acquired)) => {
                    told = true;
                    let row = row(rows, place);
                    row.records = records;
                    row.acquired = acquired;
                }
                Ok(Found::Nothing(end)) => ends.push((place, end)),
                Ok(Found::Held) => {}
                Err(code) => {
                    told = true;
                    row(rows, place).code = code;
                }
            }
        }
        if told || rt.now() >= deadline {
            return;
        }
        pause(call, &ends, deadline).await;
    }
}

fn row(rows: &mut Vec<(Place, Row)>, place: Place) -> &mut Row {
    let at = match rows.iter().position(|(known, _)| *known == place) {
        Some(at) => at,
        None => {
            rows.push((place, Row::default()));
            rows.len() - 1
        }
    };
    &mut rows[at].1
}

/// Waits for new records at the ends, or for a moment.
async fn pause<R: Runtime>(call: &Call<R>, ends: &[(Place, Offset)], deadline: Monotonic) {
    let broker = &call.context.broker;
    let rt = broker.runtime();
    let wait_max = deadline.since(rt.now()).min(LOOK);
    if ends.is_empty() {
        return rt.sleep(wait_max).await;
    }
    let parts = ends.iter().map(|(place, offset)| FetchPart {
        key: partition_key(*place),
        offset: *offset,
        leader_epoch: None,
        bytes_max: 1,
    });
    let request = FetchRequest {
        wait_max,
        bytes_min: 1,
        bytes_max: 1,
        isolation: Isolation::Uncommitted,
        parts: parts.collect(),
    };
    if broker.fetch(request).await.iter().any(Result::is_err) {
        rt.sleep(wait_max).await;
    }
}

async fn look<R: Runtime>(
    call: &Call<R>,
    member: &Member,
    place: Place,
    wanted: &mut Wanted,
) -> Result<Found, ErrorCode> {
    check(call, place)?;
    let key = key(&member.0, place);
    let mut log_start = Offset(0);
    for _ in 0..LOOKS_MAX {
        let next = Request::Next(Next {
            key: key.clone(),
            log_start,
        });
        let offset = match ask(call, &key, next).await? {
            Answer::Next(Some(offset)) => offset,
            Answer::Next(None) => return Ok(Found::Held),
            _ => {
                let start = end(call, place).await?;
                let begin = Request::Begin {
                    key: key.clone(),
                    start,
                };
                ask(call, &key, begin).await?;
                continue;
            }
        };
        let fetched = match read(call, place, offset, wanted.bytes_left).await {
            Ok(fetched) => fetched,
            Err(Error::OffsetOutOfRange { start, .. }) if start > log_start => {
                log_start = start;
                continue;
            }
            Err(error) => return Err(code(&error)),
        };
        if fetched.batches.is_empty() {
            return Ok(Found::Nothing(offset));
        }
        let asked = Request::Acquire(Acquire {
            key: key.clone(),
            member: member.1.clone(),
            batches: spans(&fetched.batches),
            records_max: wanted.records_left,
            mode: wanted.mode,
        });
        if let Answer::Acquired(acquired) = ask(call, &key, asked).await?
            && !acquired.is_empty()
        {
            let count = acquired
                .iter()
                .map(|a| a.last.0 - a.first.0 + 1)
                .sum::<i64>();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            wanted.records_left = wanted.records_left.saturating_sub(count);
            wanted.bytes_left = wanted.bytes_left.saturating_sub(fetched.bytes());
            return Ok(Found::Records(fetched.batches, acquired));
        }
    }
    Ok(Found::Held)
}

async fn read<R: Runtime>(
    call: &Call<R>,
    place: Place,
    offset: Offset,
    bytes_max: u64,
) -> Result<Fetched, Error> {
    let part = FetchPart {
        key: partition_key(place),
        offset,
        leader_epoch: None,
        bytes_max,
    };
    let request = FetchRequest {
        wait_max: Duration::ZERO,
        bytes_min: 0,
        bytes_max,
        isolation: Isolation::Uncommitted,
        parts: vec![part],
    };
    let fetched = call.context.broker.fetch(request).await;
    fetched.into_iter().next().unwrap_or(Err(Error::Stopping))
}

fn spans(chunks: &[Bytes]) -> Vec<Batch> {
    let all = chunks.iter().flat_map(|chunk| batches(chunk).flatten());
    all.map(|(header, _)| Batch {
        first: header.base_offset,
        last: header.last_offset(),
        control: header.attributes.is_control(),
    })
    .collect()
}

fn answer<R: Runtime>(call: &Call<R>, rows: Vec<(Place, Row)>) -> Reply {
    let topics = by_topic(rows);
    let responses = topics
        .iter()
        .map(|(topic_id, partitions)| ShareFetchableTopicResponse {
            topic_id: *topic_id,
            partitions: partitions
                .iter()
                .map(|(index, row)| data(*index, row))
                .collect(),
        });
    call.reply(&ShareFetchResponse {
        acquisition_lock_timeout_ms: lock_ms(),
        responses: responses.collect(),
        ..Default::default()
    })
}

fn data(index: i32, row: &Row) -> ShareFetchPartitionData<'_> {
    let acquired = row.acquired.iter().map(|acquired| AcquiredRecords {
        first_offset: acquired.first.0,
        last_offset: acquired.last.0,
        delivery_count: acquired.count,
    });
    ShareFetchPartitionData {
        partition_index: index,
        error_code: row.code,
        error_message: row.code.name().filter(|_| !row.code.is_none()),
        acknowledge_error_code: row.acknowledged,
        records: match row.records.is_empty() {
            true => Records::EMPTY,
            false => row.records.clone().into(),
        },
        acquired_records: acquired.collect(),
        ..Default::default()
    }
}
