//! What one member that comes or goes costs the others of a group of KIP-848.
//!
//! COUNT members (500) share two partitions each and heartbeat every BEAT_MS (500), spread evenly
//! over that time. In each round nothing happens for a while, then one more joins until it has its
//! share and all partitions have one owner again, then it leaves until the same holds. Every
//! heartbeat of the others is timed from its sending, also those that answer a change at once. Who
//! was sent partitions is counted: *moved* if they are others than before, *told* if the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use corelog_base::TopicId;
use corelog_client::Connection;
use corelog_wire::kafka::{
    Array, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatTopicPartitions,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval_at, timeout};

use crate::{Outcome, PATIENCE, Plan, Times, expect};

const ROUNDS: usize = 5;
const PARTITIONS_EACH: usize = 2;
const VERSIONS: std::ops::RangeInclusive<i16> = 0..=i16::MAX;
const JOIN: i32 = 0;
const LEAVE: i32 = -1;

pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let count = plan.count.unwrap_or(500);
    let beat = plan.beat.unwrap_or(Duration::from_millis(500));
    let topic = plan.prepare(count * PARTITIONS_EACH).await?;
    let (told, beats) = mpsc::unbounded_channel();
    let start = async |index: usize| {
        let member = Member {
            connection: plan.connect().await?,
            group: plan.group.clone(),
            topic: topic.clone(),
            id: format!("member-{index:06}"),
            index,
            beat,
            epoch: JOIN,
            owned: Partitions::new(),
            told: told.clone(),
        };
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(member.run(stopped));
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(stop)
    };
    let mut watch = Watch {
        beats,
        owners: BTreeMap::new(),
        members: count,
        partitions: count * PARTITIONS_EACH,
    };
    let mut stable = Vec::new();
    let mut paced = tokio::time::interval(beat / u32::try_from(count)?);
    for index in 0..count {
        paced.tick().await;
        stable.push(start(index).await?);
    }
    watch.until_settled(count, Duration::ZERO).await?;
    let [mut before, mut join, mut leave] = [(); 3].map(|()| Phase::default());
    for round in 0..ROUNDS {
        before.add(watch.until_settled(count, 3 * beat).await?);
        let index = count + round;
        let newcomer = start(index).await?;
        join.add(watch.until_settled(count + 1, beat).await?);
        drop(newcomer);
        // What it said before it knew of its end must not make it an owner again.
        watch.until_left(index, &mut leave).await?;
        leave.add(watch.until_settled(count, beat).await?);
    }
    println!("KIP-848 group of {count}, a heartbeat every {beat:?}, {ROUNDS} rounds");
    Times::head();
    before.print("before");
    join.print("one joins");
    leave.print("one leaves");
    Ok(())
}

type Partitions = BTreeSet<(TopicId, i32)>;

/// An answer to a member's heartbeat.
struct Beat {
    index: usize,
    took: Duration,
    sent: Sent,
}

/// What the answer says of partitions.
enum Sent {
    Nothing,
    /// The same as before.
    Told,
    Moved(Partitions),
    /// The member left.
    Gone,
}

/// All that was seen between two changes.
#[derive(Default)]
struct Phase {
    beats: Times,
    settled: Times,
    told: usize,
    moved: BTreeSet<usize>,
    moved_most: usize,
}

impl Phase {
    fn add(&mut self, other: Phase) {
        self.beats.0.extend(other.beats.0);
        self.settled.0.extend(other.settled.0);
        self.told += other.told;
        self.moved_most = self.moved_most.max(other.moved.len());
    }

    fn count(&mut self, beat: &Beat) {
        self.beats.0.push(beat.took);
        match beat.sent {
            Sent::Told => self.told += 1,
            Sent::Moved(_) => _ = self.moved.insert(beat.index),
            Sent::Nothing | Sent::Gone => {}
        }
    }

    fn print(&mut self, what: &str) {
        self.beats.print(&format!("{what}: heartbeats"));
        if what != "before" {
            self.settled.print(&format!("{what}: until all is owned"));
        }
        println!(
            "  members with other partitions: at most {} in a round; told the same again: {}",
            self.moved_most, self.told
        );
    }
}

struct Watch {
    beats: mpsc::UnboundedReceiver<Outcome<Beat>>,
    owners: BTreeMap<usize, Partitions>,
    /// Those with lower indexes stay from begin to end.
    members: usize,
    partitions: usize,
}

impl Watch {
    /// Until `count` members own all partitions once, and `least` has passed.
    async fn until_settled(&mut self, count: usize, least: Duration) -> Outcome<Phase> {
        let begin = Instant::now();
        let mut phase = Phase::default();
        loop {
            if phase.settled.0.is_empty() && self.is_settled(count) {
                phase.settled.0.push(begin.elapsed());
            }
            if begin.elapsed() >= least && !phase.settled.0.is_empty() {
                return Ok(phase);
            }
            let beat = self.next().await?;
            self.keep(beat, &mut phase);
        }
    }

    async fn until_left(&mut self, index: usize, phase: &mut Phase) -> Outcome<()> {
        let mut seen = Phase::default();
        while self.owners.contains_key(&index) {
            let beat = self.next().await?;
            self.keep(beat, &mut seen);
        }
        phase.add(seen);
        Ok(())
    }

    async fn next(&mut self) -> Outcome<Beat> {
        let beat = timeout(PATIENCE, self.beats.recv()).await?;
        beat.ok_or("no member is left")?
    }

    fn keep(&mut self, beat: Beat, phase: &mut Phase) {
        // The one that comes and goes is not one of the others.
        if beat.index < self.members {
            phase.count(&beat);
        }
        match beat.sent {
            Sent::Moved(partitions) => _ = self.owners.insert(beat.index, partitions),
            Sent::Gone => _ = self.owners.remove(&beat.index),
            Sent::Nothing | Sent::Told => {}
        }
    }

    fn is_settled(&self, count: usize) -> bool {
        let owners = || self.owners.values().filter(|owned| !owned.is_empty());
        let total: usize = owners().map(BTreeSet::len).sum();
        owners().count() == count
            && total == self.partitions
            && owners().flatten().collect::<BTreeSet<_>>().len() == total
    }
}

struct Member {
    connection: Connection,
    group: String,
    topic: String,
    id: String,
    index: usize,
    beat: Duration,
    epoch: i32,
    owned: Partitions,
    told: mpsc::UnboundedSender<Outcome<Beat>>,
}

impl Member {
    /// Takes part until `stopped`, then leaves.
    async fn run(mut self, stopped: oneshot::Receiver<()>) {
        if let Err(error) = self.take_part(stopped).await {
            let _ = self.told.send(Err(error));
        }
    }

    async fn take_part(&mut self, mut stopped: oneshot::Receiver<()>) -> Outcome<()> {
        let mut beats = interval_at(tokio::time::Instant::now(), self.beat);
        loop {
            tokio::select! {
                _ = beats.tick() => {}
                _ = &mut stopped => {
                    self.epoch = LEAVE;
                    self.heartbeat(false).await?;
                    return Ok(());
                }
            }
            let mut is_changed = self.heartbeat(self.epoch == JOIN).await?;
            // What it gives up or takes is said at once, as clients do.
            while is_changed {
                is_changed = self.heartbeat(true).await?;
            }
        }
    }

    /// Whether other partitions were sent. `with_owned` says what the member has.
    async fn heartbeat(&mut self, with_owned: bool) -> Outcome<bool> {
        let first = self.epoch == JOIN;
        let topics = [self.topic.as_str()];
        let request = ConsumerGroupHeartbeatRequest {
            group_id: &self.group,
            member_id: &self.id,
            member_epoch: self.epoch,
            rebalance_timeout_ms: if first { 60_000 } else { -1 },
            subscribed_topic_names: first.then(|| Array::from(&topics[..])),
            topic_partitions: with_owned.then(|| wire(&self.owned)),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        let begin = Instant::now();
        let reply = self.connection.call(VERSIONS, &request, PATIENCE).await?;
        let took = begin.elapsed();
        let answer: ConsumerGroupHeartbeatResponse<'_> = reply.read()?;
        expect(answer.error_code, "heartbeat")?;
        let left = self.epoch == LEAVE;
        self.epoch = answer.member_epoch;
        let assigned = answer.assignment.map(|assignment| {
            let topics = assignment.topic_partitions.iter();
            let each = topics.flat_map(|topic| {
                let partitions = topic.partitions.iter().collect::<Vec<_>>();
                partitions
                    .into_iter()
                    .map(move |index| (topic.topic_id, index))
            });
            each.collect::<Partitions>()
        });
        let sent = match assigned {
            _ if left => Sent::Gone,
            None => Sent::Nothing,
            Some(partitions) if partitions == self.owned => Sent::Told,
            Some(partitions) => {
                self.owned.clone_from(&partitions);
                Sent::Moved(partitions)
            }
        };
        let is_changed = matches!(sent, Sent::Moved(_));
        let _ = self.told.send(Ok(Beat {
            index: self.index,
            took,
            sent,
        }));
        Ok(is_changed)
    }
}

fn wire(owned: &Partitions) -> Array<'static, ConsumerGroupHeartbeatTopicPartitions<'static>> {
    let mut of_topic = BTreeMap::<TopicId, Vec<i32>>::new();
    for (topic, index) in owned {
        of_topic.entry(*topic).or_default().push(*index);
    }
    let each = of_topic.into_iter();
    each.map(
        |(topic_id, partitions)| ConsumerGroupHeartbeatTopicPartitions {
            topic_id,
            partitions: Array::from(partitions),
        },
    )
    .collect()
}
