//! Row 21, the other half: lengths that are allowed, and never filled; and requests that hold what
//! they took for as long as they are allowed to.

use std::time::{Duration, Instant};

use corelog_faults::pause;
use corelog_record::Codec;
use corelog_wire::kafka::{ApiKey, ErrorCode, FetchPartition, FetchTopic};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::healthy::produced;
use crate::request::{FETCH, PRODUCE, batch, fetch, produce};
use crate::socket::frame;
use crate::stage::create_topic;
use crate::{Plan, Report, Socket, Stage};

const TOPIC: &str = "large";
const EMPTY: &str = "empty";
/// Just below the largest request that is taken.
const PROMISED_BYTES: u32 = 95 << 20;
const BATCH_BYTES: usize = 200 << 10;
/// What 840 connections may hold for themselves.
const GROWTH_MAX: u64 = 256 << 20;
const LATENCY_MAX: Duration = Duration::from_secs(2);
/// A large request waits until those that stall have been closed, twice at worst.
const LARGE_MAX: Duration = Duration::from_secs(15);

/// Frames that are announced and do not come take no memory, and hold up those who need the same
/// pool for seconds at most; polls that wait hold up nobody.
///
/// # Errors
/// If the attack cannot be carried out.
pub async fn hoarders(plan: &Plan) -> Result<Report, String> {
    let mut stage = Stage::open(plan, "hoarders", Vec::new()).await?;
    create_topic(stage.port(), TOPIC, 1, &[]).await?;
    create_topic(stage.port(), EMPTY, 1, &[]).await?;
    let before = stage.process().memory()?.resident;
    let (stop, stopped) = watch::channel(false);
    let mut attacks = JoinSet::new();
    for _ in 0..plan.pick(4, 8) {
        attacks.spawn(hoard(stage.port(), announced(), stopped.clone()));
    }
    for held in polls() {
        for _ in 0..plan.pick(30, 200) {
            attacks.spawn(hoard(stage.port(), held.clone(), stopped.clone()));
        }
    }
    pause(Duration::from_secs(1)).await;
    let rounds = plan.pick(2, 30);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        plan.tell(format_args!(
            "large request {round} of {rounds}, at most {slowest:.1?}"
        ));
        slowest = slowest.max(produce_large(stage.port()).await?);
    }
    stage.report.figure(
        "large requests",
        format_args!("{rounds}, at most {slowest:.1?}"),
    );
    stage.report.require(
        slowest <= LARGE_MAX,
        format_args!("a request took {slowest:?}"),
    );
    let expired = stage.metric("connections_expired_total").await?;
    stage.report.figure("expired", expired);
    stage.judge_memory(before + GROWTH_MAX)?;
    stage.judge(LATENCY_MAX);
    // Nobody may listen any more.
    let _ = stop.send(true);
    attacks.abort_all();
    stage.close().await
}

/// A large request of which no more than the header is sent.
fn announced() -> Vec<u8> {
    let mut begin = PROMISED_BYTES.to_be_bytes().to_vec();
    begin.extend(ApiKey::Produce.number().to_be_bytes());
    begin.extend(PRODUCE.to_be_bytes());
    begin
}

/// Polls of minutes for what never comes: for one partition, for many, for much at once; and one
/// with large requests behind it.
fn polls() -> [Vec<u8>; 4] {
    let poll = |partitions: usize, bytes_min| {
        let mut poll = fetch(EMPTY, 0, 0, 8 << 20);
        let partition = FetchPartition {
            partition_max_bytes: 8 << 20,
            ..Default::default()
        };
        let topic = FetchTopic {
            topic: EMPTY,
            partitions: vec![partition; partitions].into(),
            ..Default::default()
        };
        (poll.max_wait_ms, poll.min_bytes) = (300_000, bytes_min);
        poll.topics = vec![topic].into();
        frame(FETCH, 1, &poll)
    };
    let large = produce(TOPIC, 0, batch(Codec::None, &vec![1; BATCH_BYTES]));
    let behind = [poll(1, 1), frame(PRODUCE, 2, &large).repeat(20)].concat();
    [poll(1, 1), poll(2_000, 1), poll(1, 1 << 20), behind]
}

/// Sends these bytes and no more, and comes back when it is answered or closed.
async fn hoard(port: u16, bytes: Vec<u8>, stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if let Ok(mut socket) = Socket::connect(port).await {
            // Not all of it may be read.
            let _ = timeout(Duration::from_secs(5), socket.write(&bytes)).await;
            let _ = timeout(Duration::from_secs(600), socket.frame()).await;
        }
        // An attacker that does not spin.
        pause(Duration::from_millis(50)).await;
    }
}

async fn produce_large(port: u16) -> Result<Duration, String> {
    let failed = |e: std::io::Error| format!("a large request: {e}");
    let began = Instant::now();
    let mut socket = Socket::connect(port).await.map_err(failed)?;
    let request = produce(TOPIC, 0, batch(Codec::None, &vec![1; BATCH_BYTES]));
    let body = socket.ask(PRODUCE, &request).await.map_err(failed)?;
    match produced(&body).map_err(failed)? {
        (ErrorCode::NONE, _) => Ok(began.elapsed()),
        (code, _) => Err(format!("a large request: {code:?}")),
    }
}
