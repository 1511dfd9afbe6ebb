//! Row 23: many partitions, made and started again.

use std::time::{Duration, Instant};

use corelog_faults::Setup;

use crate::stage::{Settings, create_topic, setup};
use crate::{Plan, Process, Report, Socket, Stage};

/// A topic's; more topics are made until there are enough.
const TOPIC_PARTITIONS: i32 = 5_000;
/// Of a start after a kill.
const READY_MAX: Duration = Duration::from_secs(60);
const LATENCY_MAX: Duration = Duration::from_secs(10);
/// What a partition may take in memory that has no records.
const PARTITION_BYTES: u64 = 24 << 10;
const DESCRIPTORS_MAX: u64 = 2_000;

/// Time, memory and descriptors of a start grow with the number of partitions and stay small.
///
/// # Errors
/// If they cannot be made, or the broker does not start again.
pub async fn partitions(plan: &Plan) -> Result<Report, String> {
    let counts: Vec<i32> = plan.pick(vec![1_000], vec![10_000, 50_000]);
    let mut report = Report::new("partitions");
    for count in counts {
        let stage = Stage::open_with(setup(plan, Settings::new())?, "partitions").await?;
        report = measure(stage, report, count).await?;
    }
    Ok(report)
}

async fn measure(mut stage: Stage, mut report: Report, count: i32) -> Result<Report, String> {
    let before = stage.process().memory()?.resident;
    let began = Instant::now();
    let mut left = count;
    for number in 0.. {
        if left <= 0 {
            break;
        }
        let own = left.min(TOPIC_PARTITIONS);
        create_topic(stage.port(), &format!("many-{number}"), own, &[]).await?;
        left -= own;
    }
    report.figure(
        format!("{count}: created in"),
        format_args!("{:.1?}", began.elapsed()),
    );
    let grown = stage.process().memory()?.resident.saturating_sub(before);
    report.bytes("memory", grown);
    stage.judge(LATENCY_MAX);
    let setup = stage.setup.clone();
    stage.kill().await?;
    restart(&setup, &mut report, count).await?;
    Ok(report)
}

/// After the kill: how long until it serves, and what that takes.
async fn restart(setup: &Setup, report: &mut Report, count: i32) -> Result<(), String> {
    let (broker, took) = setup.serve().await?;
    let process = Process(broker.id());
    let (memory, descriptors) = (process.memory()?, process.descriptors()?);
    report.figure("ready after a kill in", format_args!("{took:.1?}"));
    report.bytes("RSS then", memory.resident);
    report.bytes("peak", memory.peak);
    report.figure("descriptors", descriptors);
    report.require(
        took <= READY_MAX,
        format_args!("{count}: ready after {took:?}"),
    );
    report.require(
        descriptors <= DESCRIPTORS_MAX,
        format_args!("{count}: {descriptors} descriptors"),
    );
    let fair = (256 << 20) + u64::try_from(count).unwrap_or(0) * PARTITION_BYTES;
    report.require(
        memory.peak <= fair,
        format_args!("{count}: {} MiB", memory.peak >> 20),
    );
    Socket::connect(setup.port)
        .await
        .map_err(|e| e.to_string())?;
    broker.drain().await
}
