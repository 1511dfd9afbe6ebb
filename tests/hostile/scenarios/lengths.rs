//! Row 21: lengths and counts that promise more than there is.

use std::time::Duration;

use corelog_wire::kafka::ApiKey;

use super::native;
use crate::request::{FETCH, fetch};
use crate::socket::frame;
use crate::{Plan, Report, Socket, Stage};

const CLOSE_WAIT: Duration = Duration::from_secs(10);
const LATENCY_MAX: Duration = Duration::from_secs(2);
/// What the attack may add; 20 connections hold 64 KiB each.
const GROWTH_MAX: u64 = 16 << 20;

/// Nothing of this is a request: each is refused with a close before memory is taken for it.
///
/// # Errors
/// If the attack cannot be carried out.
pub async fn lengths(plan: &Plan) -> Result<Report, String> {
    let mut stage = Stage::open(plan, "lengths", Vec::new()).await?;
    let before = stage.process().memory()?.resident;
    let rounds = plan.pick(60, 2_000);
    let (forged, native) = (forged(), native::forged());
    let (port, native_port) = (stage.port(), stage.native_port());
    for round in 0..rounds {
        plan.tell(format_args!("round {round} of {rounds}"));
        for (name, bytes) in &forged {
            attack(&mut stage, port, name, bytes).await?;
        }
        for (name, bytes) in &native {
            attack(&mut stage, native_port, name, bytes).await?;
        }
    }
    stage
        .report
        .figure("frames", rounds * (forged.len() + native.len()));
    let longest = forged.iter().map(|(_, bytes)| bytes.len()).max();
    stage.report.figure("longest sent", longest.unwrap_or(0));
    stage.judge_memory(before + GROWTH_MAX)?;
    stage.judge(LATENCY_MAX);
    stage.close().await
}

async fn attack(stage: &mut Stage, port: u16, name: &str, bytes: &[u8]) -> Result<(), String> {
    let socket = Socket::connect(port).await;
    let mut socket = socket.map_err(|e| format!("{name}: {e}"))?;
    // The broker may close while it is written to.
    let _ = socket.write(bytes).await;
    let closed = socket.is_closed_within(CLOSE_WAIT).await;
    stage
        .report
        .require(closed, format_args!("{name} is not refused"));
    Ok(())
}

/// Lengths that no request has, frames that are whole and wrong, and one that is cut.
fn forged() -> Vec<(&'static str, Vec<u8>)> {
    let mut valid = frame(FETCH, 1, &fetch("none", 0, 0, 1));
    valid.truncate(valid.len() - 3);
    let short = u32::try_from(valid.len() - 4).expect("it is short");
    valid[..4].copy_from_slice(&short.to_be_bytes());
    let mut forged = vec![("a Fetch that is cut", valid)];
    forged.extend(no_lengths());
    forged.extend(plain_counts());
    forged.extend(compact_counts());
    forged
}

fn no_lengths() -> Vec<(&'static str, Vec<u8>)> {
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    vec![
        ("a length of 2 GiB", i32::MAX.to_be_bytes().to_vec()),
        ("a negative length", (-1i32).to_be_bytes().to_vec()),
        ("the least length", i32::MIN.to_be_bytes().to_vec()),
        ("no length", vec![0; 4]),
        (
            "a length above the limit",
            (105u32 << 20).to_be_bytes().to_vec(),
        ),
        ("TLS", tls.to_vec()),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
    ]
}

/// Counts of four bytes, in versions that have them.
fn plain_counts() -> Vec<(&'static str, Vec<u8>)> {
    let twice = [[0xff; 4], [0x7f; 4]].concat();
    let frame = |key, version, body: &[u8]| whole(header(key, version), body);
    vec![
        (
            "topics of Metadata",
            frame(ApiKey::Metadata, 1, &i32::MAX.to_be_bytes()),
        ),
        (
            "topics of DeleteTopics",
            frame(ApiKey::DeleteTopics, 1, &[1, 0, 0, 0]),
        ),
        (
            "topics of ListOffsets",
            frame(ApiKey::ListOffsets, 1, &twice),
        ),
        (
            "records of Produce",
            frame(ApiKey::Produce, 3, &produce_with(i32::MAX)),
        ),
        (
            "partitions of Fetch",
            frame(ApiKey::Fetch, 4, &fetch_with(0x7000_0000)),
        ),
        (
            "an unknown API",
            whole(vec![0x03, 0xe7, 0, 0, 0, 0, 0, 1], &[]),
        ),
        (
            "an unknown version",
            whole(vec![0, 3, 0x7f, 0xff, 0, 0, 0, 1], &[]),
        ),
    ]
}

/// Counts of variable length, and 20 million tags where none are.
fn compact_counts() -> Vec<(&'static str, Vec<u8>)> {
    let flexible = |key, version, body: &[u8]| {
        let mut head = header(key, version);
        head.push(0);
        whole(head, body)
    };
    let (tags, many) = (varint(20_000_000), varint(0x7fff_ffff));
    let software = [&[2, b'a', 2, b'1'], &tags[..]].concat();
    vec![
        (
            "tags in a header",
            whole(header(ApiKey::Metadata, 9), &tags),
        ),
        (
            "tags in a body",
            flexible(ApiKey::ApiVersions, 3, &software),
        ),
        ("compact topics", flexible(ApiKey::Metadata, 9, &many)),
        (
            "topics of CreateTopics",
            flexible(ApiKey::CreateTopics, 7, &many),
        ),
    ]
}

/// A header without its tags.
fn header(key: ApiKey, version: i16) -> Vec<u8> {
    let mut bytes = key.number().to_be_bytes().to_vec();
    bytes.extend(version.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0xff, 0xff]);
    bytes
}

fn whole(mut head: Vec<u8>, body: &[u8]) -> Vec<u8> {
    head.extend_from_slice(body);
    let length = u32::try_from(head.len()).expect("it is short");
    [&length.to_be_bytes()[..], &head].concat()
}

fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// One topic, one partition, and a length of records that is not there.
fn produce_with(records_bytes: i32) -> Vec<u8> {
    let mut body = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0x75, 0x30];
    body.extend([0, 0, 0, 1, 0, 7]);
    body.extend(b"healthy");
    body.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    body.extend(records_bytes.to_be_bytes());
    body
}

/// One topic, and a count of partitions that is not there.
fn fetch_with(partitions: u32) -> Vec<u8> {
    let mut body = vec![0xff; 4];
    body.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 16, 0, 0]);
    body.extend([0, 0, 0, 1, 0, 7]);
    body.extend(b"healthy");
    body.extend(partitions.to_be_bytes());
    body
}
