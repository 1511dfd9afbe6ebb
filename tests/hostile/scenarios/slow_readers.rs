//! Row 17: consumers that ask for much and read a byte a second.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::Random;
use corelog_faults::pause;
use corelog_record::Codec;
use corelog_wire::kafka::{ErrorCode, FetchRequest};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::healthy::produced;
use crate::request::{FETCH, PRODUCE, batch, fetch, produce};
use crate::socket::frame;
use crate::stage::create_topic;
use crate::{Plan, Report, Socket, Stage};

/// Topics, the size of their batches, and how much is asked for at once.
const TOPICS: [(&str, usize, i32); 3] = [
    ("large", 900 << 10, 8 << 20),
    ("small", 16 << 10, 8 << 20),
    ("small", 16 << 10, 48 << 10),
];
const CONNECTION_SECONDS: u32 = 12;
const LATENCY_MAX: Duration = Duration::from_secs(3);
/// The quarter of a core's `kafka.memory_bytes` that responses may take; reads from the disk that are
/// under way, 32 of 2 MiB; and the log's caches with what is not yet in segments, and the allocator's.
/// When reads had no turns, 300 readers took 150 MiB more than this.
const POOLS: u64 = (64 + 64 + 128) << 20;
/// A connection's own.
const CONNECTION_BYTES: u64 = 192 << 10;

/// What slow consumers have not read is bounded by the door's pool, not by their number, and does
/// not slow others.
///
/// # Errors
/// If the attack cannot be carried out.
pub async fn slow_readers(plan: &Plan) -> Result<Report, String> {
    // Small caches, so that what is read comes from the disk and is nobody else's memory.
    let settings = vec![
        ("log.tail_cache_bytes", "1MiB".into()),
        ("log.block_cache_bytes", "8MiB".into()),
    ];
    let mut stage = Stage::open(plan, "slow_readers", settings).await?;
    let batches = plan.pick(64, 512);
    for (topic, batch_bytes, _) in &TOPICS[..2] {
        fill(stage.port(), topic, *batch_bytes, batches).await?;
    }
    stage.process().forget_peak()?;
    let before = stage.process().memory()?.resident;
    let count: u32 = plan.pick(300, 1_000);
    let (stop, stopped) = watch::channel(false);
    let mut readers = JoinSet::new();
    let mut random = Random::new(plan.seed);
    for (_, (topic, _, bytes_max)) in (0..count).zip(TOPICS.iter().cycle()) {
        let offset = i64::try_from(random.below(batches)).unwrap_or(0);
        let request = fetch(topic, 0, offset, *bytes_max);
        readers.spawn(read(stage.port(), request, stopped.clone()));
    }
    let seconds = plan.pick(6, 120);
    for second in 0..seconds {
        pause(Duration::from_secs(1)).await;
        plan.tell(format_args!("{second} of {seconds} s"));
    }
    let open = stage.metric("connections").await?;
    let free = stage.metric("frame_bytes_free").await?;
    let (_, http) = stage.ask_http().await?;
    stage.report.figure("readers", count);
    stage.report.figure("connections", open);
    stage.report.bytes("frame pool free", free);
    stage.report.figure("HTTP", format_args!("{http:.1?}"));
    let readers_bytes = u64::from(count) * CONNECTION_BYTES;
    stage.judge_memory(before + POOLS + readers_bytes)?;
    stage.judge(LATENCY_MAX);
    // Nobody may listen any more.
    let _ = stop.send(true);
    while readers.join_next().await.is_some() {}
    stage.close().await
}

/// Batches that do not compress, of one record each.
pub(super) async fn fill(
    port: u16,
    topic: &str,
    batch_bytes: usize,
    batches: u64,
) -> Result<(), String> {
    create_topic(port, topic, 1, &[]).await?;
    let failed = |e: std::io::Error| format!("fill {topic}: {e}");
    let mut socket = Socket::connect(port).await.map_err(failed)?;
    let batch: Bytes = batch(Codec::None, &vec![3; batch_bytes]);
    for _ in 0..batches {
        let request = produce(topic, 0, batch.clone());
        let body = socket.ask(PRODUCE, &request).await.map_err(failed)?;
        let (code, _) = produced(&body).map_err(failed)?;
        if code != ErrorCode::NONE {
            return Err(format!("fill {topic}: {code:?}"));
        }
    }
    Ok(())
}

/// Asks many times at once, reads a byte a second, and comes back when it is closed, and at the
/// latest when it may have been: what the kernel still holds for it lasts for hours.
pub(super) async fn read(
    port: u16,
    request: FetchRequest<'static>,
    stopped: watch::Receiver<bool>,
) {
    while !*stopped.borrow() {
        let Ok(mut socket) = Socket::narrow(port).await else {
            pause(Duration::from_millis(100)).await;
            continue;
        };
        let asked: Vec<u8> = (0..100).flat_map(|n| frame(FETCH, n, &request)).collect();
        let mut is_open = socket.write(&asked).await.is_ok();
        for _ in 0..CONNECTION_SECONDS {
            is_open = is_open && matches!(socket.read(&mut [0]).await, Ok(1..));
            if !is_open || *stopped.borrow() {
                break;
            }
            pause(Duration::from_secs(1)).await;
        }
    }
}
