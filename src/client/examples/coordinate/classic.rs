//! How long a classic group rebalances.
//!
//! COUNT - 1 members (100 - 1) are stable and heartbeat every BEAT_MS (100). One more joins: the
//! time is from its first JoinGroup until all COUNT members have the answer to their SyncGroup of
//! one new generation. Then it leaves: from its LeaveGroup until all others have theirs. Members
//! learn of a rebalance by their heartbeats alone, so BEAT_MS is within the time by the protocol.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use corelog_client::Connection;
use corelog_wire::kafka::internal::{
    ConsumerProtocolAssignment, ConsumerProtocolPartitions, ConsumerProtocolSubscription,
};
use corelog_wire::kafka::{
    Array, ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    JoinGroupRequestProtocol, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    MemberIdentity, SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval_at, timeout};

use crate::{Outcome, PATIENCE, Plan, Times, expect};

const ROUNDS: usize = 10;
const PROTOCOL: &str = "range";
const VERSIONS: std::ops::RangeInclusive<i16> = 0..=i16::MAX;

pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let count = plan.count.unwrap_or(100);
    let beat = plan.beat.unwrap_or(Duration::from_millis(100));
    let topic = plan.prepare(count).await?;
    let (told, synced) = mpsc::unbounded_channel();
    let mut watch = Watch {
        synced,
        generation: 0,
    };
    let start = async || {
        let member = Member {
            connection: plan.connect().await?,
            group: plan.group.clone(),
            topic: topic.clone(),
            id: String::new(),
            beat,
            told: told.clone(),
        };
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(member.run(stopped));
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(stop)
    };
    let mut stable = Vec::new();
    for _ in 1..count {
        stable.push(start().await?);
    }
    watch.until_all_synced(count - 1).await?;
    let (mut joins, mut leaves) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let newcomer = start().await?;
        joins.0.push(watch.until_all_synced(count).await? - begin);
        let begin = Instant::now();
        drop(newcomer);
        leaves
            .0
            .push(watch.until_all_synced(count - 1).await? - begin);
    }
    println!("classic group of {count}, a heartbeat every {beat:?}");
    Times::head();
    joins.print("a member joins: until all have their SyncGroup");
    leaves.print("a member leaves: until all others have theirs");
    Ok(())
}

/// A member's SyncGroup was answered.
struct Synced {
    generation: i32,
    at: Instant,
}

struct Watch {
    synced: mpsc::UnboundedReceiver<Outcome<Synced>>,
    /// Which all had at last.
    generation: i32,
}

impl Watch {
    /// When the last of `count` members got its answer of a generation that is newer than the last.
    async fn until_all_synced(&mut self, count: usize) -> Outcome<Instant> {
        let mut of_generation = BTreeMap::<i32, usize>::new();
        loop {
            let synced = timeout(PATIENCE, self.synced.recv()).await?;
            let synced = synced.ok_or("no member is left")??;
            if synced.generation <= self.generation {
                continue;
            }
            let have = of_generation.entry(synced.generation).or_default();
            *have += 1;
            if *have == count {
                self.generation = synced.generation;
                return Ok(synced.at);
            }
        }
    }
}

struct Member {
    connection: Connection,
    group: String,
    topic: String,
    id: String,
    beat: Duration,
    told: mpsc::UnboundedSender<Outcome<Synced>>,
}

impl Member {
    /// Takes part until `stopped`, then leaves.
    async fn run(mut self, stopped: oneshot::Receiver<()>) {
        if let Err(error) = self.take_part(stopped).await {
            let _ = self.told.send(Err(error));
        }
    }

    async fn take_part(&mut self, mut stopped: oneshot::Receiver<()>) -> Outcome<()> {
        loop {
            let Some(generation) = self.join().await? else {
                continue;
            };
            let at = Instant::now();
            let _ = self.told.send(Ok(Synced { generation, at }));
            let mut beats = interval_at(tokio::time::Instant::now() + self.beat, self.beat);
            loop {
                tokio::select! {
                    _ = beats.tick() => {}
                    _ = &mut stopped => return self.leave().await,
                }
                if !self.heartbeat(generation).await? {
                    break;
                }
            }
        }
    }

    /// Joins and syncs: the generation, or none if that was overtaken by a next one.
    async fn join(&mut self) -> Outcome<Option<i32>> {
        let topics = [self.topic.as_str()];
        let subscription = ConsumerProtocolSubscription {
            topics: Array::from(&topics[..]),
            ..ConsumerProtocolSubscription::default()
        };
        let metadata = subscription.encode(0)?;
        let reply = loop {
            let request = JoinGroupRequest {
                group_id: &self.group,
                session_timeout_ms: 30_000,
                rebalance_timeout_ms: 60_000,
                member_id: &self.id,
                protocol_type: "consumer",
                protocols: Array::from(vec![JoinGroupRequestProtocol {
                    name: PROTOCOL,
                    metadata: &metadata,
                }]),
                ..JoinGroupRequest::default()
            };
            let reply = self.connection.call(VERSIONS, &request, PATIENCE).await?;
            let answer: JoinGroupResponse<'_> = reply.read()?;
            let code = answer.error_code;
            if code != ErrorCode::MEMBER_ID_REQUIRED {
                expect(code, "join")?;
                break reply;
            }
            self.id = answer.member_id.to_string();
        };
        self.sync(&reply.read()?).await
    }

    async fn sync(&mut self, joined: &JoinGroupResponse<'_>) -> Outcome<Option<i32>> {
        self.id = joined.member_id.to_string();
        let mut shares = Vec::new();
        for (index, member) in (0i32..).zip(joined.members.iter()) {
            let partitions = [index];
            let share = ConsumerProtocolAssignment {
                assigned_partitions: Array::from(vec![ConsumerProtocolPartitions {
                    topic: &self.topic,
                    partitions: Array::from(&partitions[..]),
                }]),
                user_data: None,
            };
            shares.push((member.member_id, share.encode(0)?));
        }
        let assignments = shares.iter().map(|(member_id, share)| {
            let assignment = &share[..];
            SyncGroupRequestAssignment {
                member_id,
                assignment,
            }
        });
        let request = SyncGroupRequest {
            group_id: &self.group,
            generation_id: joined.generation_id,
            member_id: &self.id,
            group_instance_id: None,
            protocol_type: Some("consumer"),
            protocol_name: Some(PROTOCOL),
            assignments: assignments.collect(),
        };
        let reply = self.connection.call(VERSIONS, &request, PATIENCE).await?;
        let answer: SyncGroupResponse<'_> = reply.read()?;
        if answer.error_code == ErrorCode::REBALANCE_IN_PROGRESS {
            return Ok(None);
        }
        expect(answer.error_code, "sync")?;
        Ok(Some(joined.generation_id))
    }

    /// Whether the generation still stands.
    async fn heartbeat(&self, generation: i32) -> Outcome<bool> {
        let request = HeartbeatRequest {
            group_id: &self.group,
            generation_id: generation,
            member_id: &self.id,
            group_instance_id: None,
        };
        let reply = self.connection.call(VERSIONS, &request, PATIENCE).await?;
        let answer: HeartbeatResponse = reply.read()?;
        if answer.error_code == ErrorCode::REBALANCE_IN_PROGRESS {
            return Ok(false);
        }
        expect(answer.error_code, "heartbeat")?;
        Ok(true)
    }

    async fn leave(&self) -> Outcome<()> {
        let request = LeaveGroupRequest {
            group_id: &self.group,
            member_id: &self.id,
            members: Array::from(vec![MemberIdentity {
                member_id: &self.id,
                ..MemberIdentity::default()
            }]),
        };
        let reply = self.connection.call(VERSIONS, &request, PATIENCE).await?;
        let answer: LeaveGroupResponse<'_> = reply.read()?;
        expect(answer.error_code, "leave")
    }
}
