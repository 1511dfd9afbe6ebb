//! Row 23: many partitions, made, written to, started again and read.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelog_base::TopicId;
use corelog_faults::Setup;
use corelog_record::Codec;
use corelog_wire::kafka::{
    ErrorCode, FetchPartition, FetchResponse, FetchTopic, PartitionProduceData, ProduceResponse,
    TopicProduceData,
};

use crate::request::{FETCH, PRODUCE, batch, fetch, produce};
use crate::stage::{Settings, create_topic, setup};
use crate::{Healthy, Plan, Process, Report, Socket, Stage};

/// A topic's; more topics are made until there are enough.
const TOPIC_PARTITIONS: i32 = 5_000;
/// Of one request.
const REQUEST_PARTITIONS: i32 = 500;
/// Of a start after a kill.
const READY_MAX: Duration = Duration::from_secs(60);
const LATENCY_MAX: Duration = Duration::from_secs(10);
/// What a partition may take in memory, with its one record.
const PARTITION_BYTES: u64 = 24 << 10;
const BASE_BYTES: u64 = 512 << 20;
const DESCRIPTORS_MAX: u64 = 8_000;

/// Time, memory and descriptors of a start grow with the number of partitions and stay small, and
/// every partition takes a record and gives it back after a kill.
///
/// # Errors
/// If they cannot be made, or the broker does not start again.
pub async fn partitions(plan: &Plan) -> Result<Report, String> {
    let counts: Vec<i32> = plan.pick(vec![1_000], vec![10_000, 50_000]);
    let mut report = Report::new("partitions");
    for count in counts {
        let stage = Stage::open_with(setup(plan, Settings::new())?, "partitions").await?;
        report = measure(plan, stage, report, count).await?;
    }
    Ok(report)
}

/// Of each request: a topic, and a range of its partitions.
fn ranges(count: i32) -> Vec<(String, i32, i32)> {
    let mut ranges = Vec::new();
    let mut left = count;
    for number in 0.. {
        if left <= 0 {
            break;
        }
        let own = left.min(TOPIC_PARTITIONS);
        for from in (0..own).step_by(usize::try_from(REQUEST_PARTITIONS).unwrap_or(1)) {
            let name = format!("many-{number}");
            ranges.push((name, from, own.min(from + REQUEST_PARTITIONS)));
        }
        left -= own;
    }
    ranges
}

async fn measure(
    plan: &Plan,
    mut stage: Stage,
    mut report: Report,
    count: i32,
) -> Result<Report, String> {
    let before = stage.process().memory()?.resident;
    let began = Instant::now();
    let ranges = ranges(count);
    for (name, from, _) in ranges.iter().filter(|range| range.1 == 0) {
        plan.tell(format_args!("{count}: create {name} after {from}"));
        let own = ranges.iter().filter(|range| range.0 == *name);
        let most = own.map(|range| range.2).max().unwrap_or(0);
        create_topic(stage.port(), name, most, &[]).await?;
    }
    report.figure(
        format!("{count}: created in"),
        format_args!("{:.1?}", began.elapsed()),
    );
    let grown = stage.process().memory()?.resident.saturating_sub(before);
    report.bytes("memory", grown);
    let began = Instant::now();
    let failed = |e: io::Error| format!("write to {count} partitions: {e}");
    let mut socket = Socket::connect(stage.port()).await.map_err(failed)?;
    for (name, from, to) in &ranges {
        plan.tell(format_args!("{count}: write to {name} from {from}"));
        write(&mut socket, name, *from, *to).await.map_err(failed)?;
    }
    report.figure("written in", format_args!("{:.1?}", began.elapsed()));
    stage.judge(LATENCY_MAX);
    report.absorb(&stage.report);
    let setup = stage.setup.clone();
    stage.kill().await?;
    restart(plan, &setup, &mut report, count).await?;
    Ok(report)
}

/// A record to each of these partitions.
async fn write(socket: &mut Socket, topic: &str, from: i32, to: i32) -> io::Result<()> {
    let data = (from..to).map(|index| PartitionProduceData {
        index,
        records: value(topic, index).into(),
    });
    let mut request = produce(topic, 0, Bytes::new());
    let topic = TopicProduceData {
        name: topic,
        topic_id: TopicId::ZERO,
        partition_data: data.collect(),
    };
    request.topic_data = vec![topic].into();
    let body = socket.ask(PRODUCE, &request).await?;
    let response = ProduceResponse::decode(PRODUCE, &body).map_err(io::Error::other)?;
    let topic = response.responses.first();
    let partitions = topic.map(|topic| topic.partition_responses);
    let partitions = partitions.iter().flat_map(|all| all.iter());
    let codes: Vec<ErrorCode> = partitions.map(|partition| partition.error_code).collect();
    let refused = codes.iter().find(|code| **code != ErrorCode::NONE);
    match refused {
        None if codes.len() == usize::try_from(to - from).unwrap_or(0) => Ok(()),
        _ => Err(io::Error::other(format!(
            "{} answers: {refused:?}",
            codes.len()
        ))),
    }
}

fn value(topic: &str, index: i32) -> Bytes {
    batch(Codec::None, format!("{topic} {index}").as_bytes())
}

/// How many of these partitions give their record back.
async fn read(socket: &mut Socket, topic: &str, from: i32, to: i32) -> io::Result<i32> {
    let mut request = fetch(topic, 0, 0, 8 << 20);
    let partitions = (from..to).map(|partition| FetchPartition {
        partition,
        partition_max_bytes: 4096,
        ..Default::default()
    });
    let asked = FetchTopic {
        topic,
        partitions: partitions.collect(),
        ..Default::default()
    };
    request.topics = vec![asked].into();
    let body = socket.ask(FETCH, &request).await?;
    let response = FetchResponse::decode(FETCH, &body).map_err(io::Error::other)?;
    let found = response.responses.first().map(|topic| topic.partitions);
    let partitions = found.iter().flat_map(|all| all.iter());
    let is_whole = |index: i32, bytes: &[u8]| {
        let value = format!("{topic} {index}");
        bytes.windows(value.len()).any(|at| at == value.as_bytes())
    };
    let whole = partitions.filter(|partition| {
        let bytes = partition.records.bytes().unwrap_or_default();
        partition.error_code == ErrorCode::NONE && is_whole(partition.partition_index, bytes)
    });
    Ok(i32::try_from(whole.count()).unwrap_or(i32::MAX))
}

/// After the kill: how long until it serves, and what that takes; then all is read.
async fn restart(
    plan: &Plan,
    setup: &Setup,
    report: &mut Report,
    count: i32,
) -> Result<(), String> {
    plan.tell(format_args!("{count}: start after a kill"));
    let (broker, took) = setup.serve().await?;
    let process = Process(broker.id());
    report.figure("ready after a kill in", format_args!("{took:.1?}"));
    report.bytes("RSS then", process.memory()?.resident);
    report.require(
        took <= READY_MAX,
        format_args!("{count}: ready after {took:?}"),
    );
    let healthy = Healthy::start(setup.port);
    let began = Instant::now();
    let failed = |e: io::Error| format!("read {count} partitions: {e}");
    let mut socket = Socket::connect(setup.port).await.map_err(failed)?;
    let mut whole = 0;
    for (name, from, to) in ranges(count) {
        plan.tell(format_args!("{count}: read {name} from {from}"));
        whole += read(&mut socket, &name, from, to).await.map_err(failed)?;
    }
    report.figure("read in", format_args!("{:.1?}", began.elapsed()));
    report.require(
        whole == count,
        format_args!("{count}: {whole} gave their record back"),
    );
    let seen = healthy.take();
    healthy.stop().await?;
    report.figure(
        "produce p99 meanwhile",
        format_args!("{:.1?}", seen.produce.per_mille(990)),
    );
    let (memory, descriptors) = (process.memory()?, process.descriptors()?);
    report.bytes("peak", memory.peak);
    report.figure("descriptors", descriptors);
    report.require(
        descriptors <= DESCRIPTORS_MAX,
        format_args!("{count}: {descriptors} descriptors"),
    );
    let fair = BASE_BYTES + u64::try_from(count).unwrap_or(0) * PARTITION_BYTES;
    report.require(
        memory.peak <= fair,
        format_args!("{count}: {} MiB", memory.peak >> 20),
    );
    broker.drain().await
}
