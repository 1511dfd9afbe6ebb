//! How many offsets a broker commits.
//!
//! COUNT connections (16), each with 1, then 4, then 16 OffsetCommits unanswered: a closed loop.
//! Every request commits one partition, and each of those in flight is of another group, outside of
//! its generations. Start the broker with `--cores 1` for the rate of one core.

use std::time::{Duration, Instant};

use corelog_client::Connection;
use corelog_wire::kafka::{
    Array, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};

use crate::{Outcome, PATIENCE, Plan, Times, expect};

const WINDOWS: [usize; 3] = [1, 4, 16];
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);
/// Later ones name topics by their ids.
const VERSIONS: std::ops::RangeInclusive<i16> = 0..=9;

pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let count = plan.count.unwrap_or(16);
    let topic = plan.prepare(1).await?;
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(plan.connect().await?);
    }
    println!("commits of 1 offset each over {count} connections");
    Times::head();
    for window in WINDOWS {
        let start = Instant::now() + WARM_UP;
        let mut tasks = Vec::new();
        for (index, connection) in connections.iter().enumerate() {
            for slot in 0..window {
                let committer = Committer {
                    connection: connection.clone(),
                    group: format!("{}-{index}-{slot}", plan.group),
                    topic: topic.clone(),
                };
                tasks.push(tokio::spawn(committer.run(start, start + MEASURED)));
            }
        }
        let mut times = Times::default();
        for task in tasks {
            times.0.extend(task.await??);
        }
        let rate = times.0.len() as f64 / MEASURED.as_secs_f64();
        times.print(&format!("{window} in flight each: {rate:.0} commits/s"));
    }
    Ok(())
}

struct Committer {
    connection: Connection,
    group: String,
    topic: String,
}

impl Committer {
    /// Commits one after the other until `end`; those that are answered after `start` count.
    async fn run(self, start: Instant, end: Instant) -> Outcome<Vec<Duration>> {
        let mut times = Vec::new();
        for offset in 0.. {
            let begin = Instant::now();
            self.commit(offset).await?;
            let now = Instant::now();
            if now >= end {
                break;
            }
            if now >= start {
                times.push(now - begin);
            }
        }
        Ok(times)
    }

    async fn commit(&self, offset: i64) -> Outcome<()> {
        let partition = OffsetCommitRequestPartition {
            partition_index: 0,
            committed_offset: offset,
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: &self.topic,
            partitions: Array::from(vec![partition]),
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: &self.group,
            topics: Array::from(vec![topic]),
            ..OffsetCommitRequest::default()
        };
        let reply = self.connection.call(VERSIONS, &request, PATIENCE).await?;
        let answer: OffsetCommitResponse<'_> = reply.read()?;
        let topic = answer.topics.first();
        let partition = topic.and_then(|topic| topic.partitions.first());
        let partition = partition.ok_or("a commit was answered with nothing")?;
        expect(partition.error_code, "commit")
    }
}
