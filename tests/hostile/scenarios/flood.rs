//! Row 18: more connections than are allowed, and connections without end.

use std::io;
use std::time::Duration;

use corelog_wire::kafka::{ApiVersionsRequest, ApiVersionsResponse};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{Plan, Report, Socket, Stage};

const LATENCY_MAX: Duration = Duration::from_secs(3);
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const ATTACKERS: usize = 32;
/// A connection's share, for it asks for little, and what the process takes beside it.
const CONNECTION_BYTES: u64 = 64 << 10;
const OTHER_BYTES: u64 = 160 << 20;

/// The accept limit holds and what is above it is counted; HTTP and who is connected are served.
///
/// # Errors
/// If the attack cannot be carried out.
pub async fn flood(plan: &Plan) -> Result<Report, String> {
    let (cap, count) = plan.pick((400, 1_500), (8_000, 50_000));
    let settings = vec![("kafka.connections_max", cap.to_string())];
    let mut stage = Stage::open(plan, "flood", settings).await?;
    let before = stage.process().memory()?.resident;
    let held = hold(stage.port(), count).await?;
    let refused = u64::try_from(count - held.len()).unwrap_or(0);
    let (_, http) = stage.ask_http().await?;
    let open = stage.metric("connections").await?;
    stage.report.figure("connections", count);
    stage.report.figure("held", held.len());
    let cap = cap as u64;
    let told = |value| value >= refused;
    let counted = stage
        .until_metric("connections_refused_total", told, ANSWER_WAIT)
        .await?;
    stage.report.figure("refused", counted);
    stage.report.require(
        open <= cap && held.len() as u64 <= cap,
        format_args!("{open} connections are open, and {cap} may be"),
    );
    stage
        .report
        .require(refused > 0, "the limit was not reached");
    stage
        .report
        .figure("HTTP meanwhile", format_args!("{http:.1?}"));
    stage.judge_memory(before + cap * CONNECTION_BYTES + OTHER_BYTES)?;
    drop(held);
    let open = stage
        .until_metric("connections", |open| open <= 2, ANSWER_WAIT)
        .await?;
    stage.report.figure("open after", open);
    let shakes = shake(&stage, plan.pick(2_000, 200_000)).await?;
    stage.report.figure("handshakes", shakes);
    let (_, http) = stage.ask_http().await?;
    stage
        .report
        .figure("HTTP after", format_args!("{http:.1?}"));
    stage.judge(LATENCY_MAX);
    stage.close().await
}

/// Connects so often, and keeps what the broker answers on.
async fn hold(port: u16, count: usize) -> Result<Vec<Socket>, String> {
    let mut attacks = JoinSet::new();
    for attacker in 0..ATTACKERS {
        let own = (attacker..count).step_by(ATTACKERS).count();
        attacks.spawn(async move {
            let mut held = Vec::new();
            for _ in 0..own {
                // The kernel's queue may be full: that is a refusal too.
                if let Ok(socket) = greet(port).await {
                    held.push(socket);
                }
            }
            held
        });
    }
    let mut held = Vec::new();
    while let Some(some) = attacks.join_next().await {
        held.extend(some.map_err(|e| e.to_string())?);
    }
    Ok(held)
}

/// A connection that was asked for its versions, and answered.
async fn greet(port: u16) -> io::Result<Socket> {
    let mut socket = timeout(ANSWER_WAIT, Socket::connect(port)).await??;
    let request = ApiVersionsRequest::default();
    let body = timeout(ANSWER_WAIT, socket.ask(0, &request)).await??;
    ApiVersionsResponse::decode(0, &body).map_err(io::Error::other)?;
    Ok(socket)
}

/// Connects, greets and closes, from many sides.
async fn shake(stage: &Stage, wanted: usize) -> Result<u64, String> {
    let port = stage.port();
    let mut attacks = JoinSet::new();
    for _ in 0..ATTACKERS {
        attacks.spawn(async move {
            let mut count = 0;
            for _ in 0..wanted / ATTACKERS {
                count += u64::from(greet(port).await.is_ok());
            }
            count
        });
    }
    let mut count = 0;
    while let Some(some) = attacks.join_next().await {
        count += some.map_err(|e| e.to_string())?;
    }
    match count {
        0 => Err("no handshake at all".into()),
        count => Ok(count),
    }
}
