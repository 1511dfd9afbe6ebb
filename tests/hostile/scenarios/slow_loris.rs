//! Row 19: requests that never end, on every port.

use std::io;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::native;
use crate::{Plan, Report, Socket, Stage};

const LATENCY_MAX: Duration = Duration::from_secs(2);

/// A begun request that is fed a byte now and then is closed by its deadline, at every port, and
/// nobody else notices.
///
/// # Errors
/// If the attack cannot be carried out.
pub async fn slow_loris(plan: &Plan) -> Result<Report, String> {
    // The long one obeys the defaults, which are those of `docs/configuration.md`.
    let (wait, every) = plan.pick((2, 300), (30, 10_000));
    let settings = vec![
        ("kafka.request_wait_seconds", wait.to_string()),
        ("http.wait_seconds", wait.to_string()),
    ];
    let mut stage = Stage::open(plan, "slow_loris", settings).await?;
    let count = plan.pick(50, 1000);
    let mut attacks = JoinSet::new();
    for (name, listener, bytes) in beginnings() {
        for _ in 0..count {
            let port = match listener {
                Listener::Kafka => stage.port(),
                Listener::Http => stage.http_port(),
                Listener::Native => stage.native_port(),
            };
            let feed = feed(port, bytes.clone(), Duration::from_millis(every));
            attacks.spawn(async move { (name, feed.await) });
        }
    }
    let (_, http) = stage.ask_http().await?;
    // The sweep is late by a second at most, and what it goes by by another; the machine is busy.
    let bound = Duration::from_secs(wait + 10);
    let (mut slowest, mut closed) = (Duration::ZERO, 0);
    while let Some(ended) = attacks.join_next().await {
        let (name, took) = ended.map_err(|e| e.to_string())?;
        let took = took.map_err(|e| format!("{name}: {e}"))?;
        slowest = slowest.max(took);
        closed += 1;
        plan.tell(format_args!(
            "{closed} closed, the slowest after {slowest:.1?}"
        ));
        stage
            .report
            .require(took <= bound, format_args!("{name} lasted {took:?}"));
    }
    stage.report.figure("closed", closed);
    stage.report.figure("deadline", format_args!("{wait} s"));
    stage
        .report
        .figure("slowest close", format_args!("{slowest:.1?}"));
    stage.report.figure("HTTP", format_args!("{http:.1?}"));
    stage.judge_memory(512 << 20)?;
    stage.judge(LATENCY_MAX);
    stage.close().await
}

#[derive(Clone, Copy)]
enum Listener {
    Kafka,
    Http,
    Native,
}

/// What is sent at once; then it drips.
fn beginnings() -> Vec<(&'static str, Listener, Vec<u8>)> {
    let metadata = [0, 0, 0, 60, 0, 3, 0, 1, 0, 0, 0, 1];
    vec![
        ("half a length", Listener::Kafka, vec![0, 0]),
        ("half a request", Listener::Kafka, metadata.to_vec()),
        (
            "half a native header",
            Listener::Native,
            native::request()[..20].to_vec(),
        ),
        (
            "half a native request",
            Listener::Native,
            native::request()[..40].to_vec(),
        ),
        ("a request line", Listener::Http, b"GET /met".to_vec()),
        (
            "a header",
            Listener::Http,
            b"GET /ready HTTP/1.1\r\nHost: x\r\nX-".to_vec(),
        ),
    ]
}

/// Feeds a byte at a time until the broker closes; how long that took.
async fn feed(port: u16, begin: Vec<u8>, every: Duration) -> io::Result<Duration> {
    let began = Instant::now();
    let mut socket = Socket::connect(port).await?;
    socket.write(&begin).await?;
    // At most as many bytes as the length has that was promised.
    let mut drops = 0;
    while !socket.is_closed_within(every).await {
        if drops < 40 && socket.write(b"0").await.is_err() {
            break;
        }
        drops += 1;
        if began.elapsed() > Duration::from_secs(300) {
            break;
        }
    }
    Ok(began.elapsed())
}
