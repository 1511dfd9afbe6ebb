//! Row 22: batches that are small until they are decompressed.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelog_base::{TimestampMs, TopicId};
use corelog_record::{BatchBuilder, Codec};
use corelog_wire::kafka::{
    ErrorCode, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};

use crate::request::{PRODUCE, now};
use crate::stage::create_topic;
use crate::{Plan, Report, Socket, Stage};

/// `socket.request.max.bytes`, which bounds what is decompressed too.
const CAP: usize = 32 << 20;
/// What the broker may hold beside what it had, whatever the number and the ratio of the bombs: a
/// batch decompressed, with what is copied as it grows; as much while it is packed again; and as much
/// as both that the allocator has not given back yet. The log's budgets are part of it.
const GROWTH_MAX: u64 = 8 * CAP as u64;
const LATENCY_MAX: Duration = Duration::from_secs(3);
const PARTITIONS: i32 = 16;
const LIST: i16 = 5;

/// Every way on which a batch is decompressed: what a topic asks, and what makes it look inside.
const TOPICS: [(&str, &str, &str); 7] = [
    ("plain", "compression.type", "producer"),
    ("stamped", "message.timestamp.type", "LogAppendTime"),
    ("compact", "cleanup.policy", "compact"),
    ("to-gzip", "compression.type", "gzip"),
    ("to-lz4", "compression.type", "lz4"),
    ("to-snappy", "compression.type", "snappy"),
    ("to-none", "compression.type", "uncompressed"),
];

/// Output above the cap is refused at the cap, what is below it is worked on in turns with others'
/// requests, and a stored bomb is no weapon for who looks up times.
///
/// # Errors
/// If the attack cannot be carried out.
pub async fn bombs(plan: &Plan) -> Result<Report, String> {
    let settings = vec![
        ("broker.socket.request.max.bytes", CAP.to_string()),
        ("kafka.memory_bytes", "64MiB".into()),
        // What is stored is no bomb's doing.
        ("log.unsettled_bytes", "16MiB".into()),
        ("log.tail_cache_bytes", "1MiB".into()),
        ("log.block_cache_bytes", "8MiB".into()),
    ];
    let mut stage = Stage::open(plan, "bombs", settings).await?;
    for (topic, name, value) in TOPICS {
        create_topic(stage.port(), topic, PARTITIONS, &[(name, value)]).await?;
    }
    let before = stage.process().memory()?.resident;
    let sizes = plan.pick(
        vec![CAP - (1 << 20), CAP + (1 << 20)],
        vec![CAP / 2, CAP - (1 << 20), CAP + (1 << 20), 8 * CAP],
    );
    let (mut count, mut refused, mut ratio, mut slowest) = (0, 0, 0, Duration::ZERO);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        for size in &sizes {
            let bomb = bomb(codec, *size);
            ratio = ratio.max(size / bomb.len());
            for (topic, ..) in TOPICS {
                let (took, codes) = throw(stage.port(), topic, &bomb).await?;
                slowest = slowest.max(took);
                plan.tell(format_args!(
                    "{count} bombs, {refused} refused: {codec} of {size} to {topic}"
                ));
                count += codes.len();
                refused += codes
                    .iter()
                    .filter(|code| **code != ErrorCode::NONE)
                    .count();
                // What has the topic's codec already is stored as it came.
                let is_walked = topic != "plain" && topic != format!("to-{codec}");
                let is_refused = codes.iter().all(|code| *code != ErrorCode::NONE);
                stage.report.require(
                    is_refused || *size < CAP || !is_walked,
                    format_args!("{codec} of {size} bytes is taken by {topic}: {codes:?}"),
                );
            }
        }
    }
    stage.report.figure("bombs", count);
    stage.report.figure("refused", refused);
    stage.report.figure("best ratio", ratio);
    stage
        .report
        .figure("slowest request", format_args!("{slowest:.1?}"));
    let lookups = look_up(stage.port()).await?;
    stage.report.figure("lookups", lookups);
    stage.judge_memory(before + GROWTH_MAX)?;
    stage.judge(LATENCY_MAX);
    stage.close().await
}

/// Two records of zeros with different times, so that a lookup between them has to look inside.
fn bomb(codec: Codec, size: usize) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    let zeros = vec![0; size / 2];
    let begin = now();
    for at in [begin, TimestampMs(begin.0 + 1000)] {
        let pushed = builder.push(at, Some(b"key"), Some(&zeros), &[]);
        pushed.expect("it is less than 1 GiB");
    }
    builder.finish().freeze()
}

/// The bomb in as many partitions as a request of the allowed length holds.
async fn throw(port: u16, topic: &str, bomb: &Bytes) -> Result<(Duration, Vec<ErrorCode>), String> {
    let fitting = i32::try_from(CAP / 2 / bomb.len()).unwrap_or(PARTITIONS);
    let data = (0..PARTITIONS.min(fitting.max(1))).map(|index| PartitionProduceData {
        index,
        records: bomb.clone().into(),
    });
    let topic = TopicProduceData {
        name: topic,
        topic_id: TopicId::ZERO,
        partition_data: data.collect(),
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic].into(),
        ..Default::default()
    };
    let failed = |e: io::Error| format!("throw a bomb: {e}");
    let mut socket = Socket::connect(port).await.map_err(failed)?;
    let began = Instant::now();
    let body = socket.ask(PRODUCE, &request).await.map_err(failed)?;
    let took = began.elapsed();
    let response = ProduceResponse::decode(PRODUCE, &body);
    let response = response.map_err(|e| format!("throw a bomb: {e}"))?;
    let partitions = response
        .responses
        .first()
        .map(|topic| topic.partition_responses);
    let codes = partitions.iter().flat_map(|all| all.iter());
    Ok((took, codes.map(|partition| partition.error_code).collect()))
}

/// Asks for times within what is stored; how many questions were answered.
async fn look_up(port: u16) -> Result<usize, String> {
    let failed = |e: io::Error| format!("look up times: {e}");
    let mut socket = Socket::connect(port).await.map_err(failed)?;
    let mut answered = 0;
    for (topic, ..) in TOPICS {
        for back in [0, 500, 2_000, 10_000] {
            let partitions = (0..PARTITIONS).map(|partition_index| ListOffsetsPartition {
                partition_index,
                timestamp: now().0 - back,
                ..Default::default()
            });
            let topic = ListOffsetsTopic {
                name: topic,
                partitions: partitions.collect(),
            };
            let request = ListOffsetsRequest {
                replica_id: -1,
                topics: vec![topic].into(),
                ..Default::default()
            };
            let body = socket.ask(LIST, &request).await.map_err(failed)?;
            let response = ListOffsetsResponse::decode(LIST, &body);
            let response = response.map_err(|e| format!("look up times: {e}"))?;
            let topic = response.topics.first();
            answered += topic.map_or(0, |topic| topic.partitions.len());
        }
    }
    Ok(answered)
}
