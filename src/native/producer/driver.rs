//! The task that sends a producer's batches.
//!
//! It alone knows what is under way. It never waits for one thing: connecting, looking for the owner
//! of a partition and getting another number are tasks that report back, so one core that is gone
//! holds up no other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{CoreId, PartitionIndex};
use corelog_wire::native::Api;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::answers::outcomes;
use super::builder::{self, Options};
use super::handle::Shared;
use super::lane::{Identity, Lane, Request};
use super::request::Parts;
use super::roads::Roads;
use super::tended::Tended;
use crate::client::Wanted;
use crate::connection::Connection;
use crate::reply::Reply;
use crate::topics::Topic;
use crate::{Client, Error, Kind};

/// How often it looks at times that are up, while something is under way.
const TICK: Duration = Duration::from_millis(10);

/// What a task or a link reports.
pub(super) enum Event {
    Answered(Request, Result<Reply, Error>),
    Opened(CoreId, Result<Connection, Error>),
    Found(Result<Topic, Error>),
    Identified(Result<Identity, Error>),
}

pub(super) struct Driver {
    client: Client,
    topic: Topic,
    options: Options,
    shared: Arc<Shared>,
    identity: Option<Identity>,
    /// By partition.
    lanes: Vec<Tended>,
    /// Partitions that may have something to send.
    ready: Vec<PartitionIndex>,
    /// Those that nobody leads, as far as is known.
    homeless: Vec<PartitionIndex>,
    roads: Roads,
    requests: HashMap<Request, Vec<PartitionIndex>>,
    next_request: Request,
    /// What is known of the topic is to be looked at again.
    stale: bool,
    finding: bool,
    identifying: bool,
    found_at: Instant,
    events: UnboundedReceiver<Event>,
    report: UnboundedSender<Event>,
    tasks: JoinSet<()>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Driver {
    pub(super) fn new(
        client: Client,
        topic: Topic,
        identity: Option<Identity>,
        options: Options,
        shared: &Arc<Shared>,
    ) -> Self {
        let (report, events) = unbounded_channel();
        let mut driver = Self {
            roads: Roads::new(client.options()),
            client,
            options,
            shared: Arc::clone(shared),
            identity,
            lanes: Vec::new(),
            ready: Vec::new(),
            homeless: Vec::new(),
            requests: HashMap::new(),
            next_request: 0,
            stale: false,
            finding: false,
            identifying: false,
            found_at: Instant::now(),
            events,
            report,
            tasks: JoinSet::new(),
            topic,
        };
        driver.grow();
        driver
    }

    fn grow(&mut self) {
        while self.lanes.len() < self.topic.partitions.len() {
            let lane = Lane::new(self.identity, self.options.in_flight);
            self.lanes.push(Tended::new(lane));
        }
    }

    /// Until all handles are gone and all is written or given up.
    pub(super) async fn run(mut self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.send();
            let abandoned = self.shared.abandoned.load(Ordering::Acquire);
            let idle = self.shared.open().is_empty();
            if abandoned && idle {
                return;
            }
            tokio::select! {
                Some(event) = self.events.recv() => {
                    self.take(event);
                    while let Ok(event) = self.events.try_recv() {
                        self.take(event);
                    }
                }
                () = self.shared.wake.notified() => {}
                _ = tick.tick(), if !idle => self.tend(),
            }
        }
    }

    fn lane(&mut self, partition: PartitionIndex) -> &mut Tended {
        &mut self.lanes[partition.0.unsigned_abs() as usize]
    }

    /// Sends what may be sent. A request takes one batch of each partition, so that the answer to
    /// one does not wait for another's.
    fn send(&mut self) {
        self.shared.open().take_fresh(&mut self.ready);
        let now = Instant::now();
        while !self.ready.is_empty() {
            let mut round = std::mem::take(&mut self.ready);
            round.sort_unstable();
            round.dedup();
            let mut requests: BTreeMap<CoreId, (Request, Parts)> = BTreeMap::new();
            for partition in round {
                self.fill(partition, &mut requests, now);
            }
            for (core, (request, parts)) in requests {
                self.post(core, request, parts);
            }
        }
    }

    /// Adds the next batch of a partition to the request of its core.
    fn fill(
        &mut self,
        partition: PartitionIndex,
        requests: &mut BTreeMap<CoreId, (Request, Parts)>,
        now: Instant,
    ) {
        let Some((core, bytes_max)) = self.road(partition, now) else {
            return;
        };
        let request = match requests.get(&core) {
            Some((request, _)) => *request,
            None => self.number(),
        };
        let Some(batch) = self.next_batch(partition, request, now) else {
            return;
        };
        self.ready.push(partition);
        let parts = requests.entry(core).or_insert((request, Parts::default()));
        if !parts.1.is_empty() && parts.1.bytes() + batch.len() > bytes_max {
            // What is full leaves at once. The batch goes with the next request, by whose number
            // its lane must know it.
            let (_, full) = std::mem::replace(parts, (self.next_request + 1, Parts::default()));
            let next = self.number();
            self.lane(partition).lane.moved(request, next);
            self.post(core, request, full);
        }
        if let Some((_, parts)) = requests.get_mut(&core) {
            parts.add(partition, batch);
        }
    }

    fn number(&mut self) -> Request {
        self.next_request += 1;
        self.next_request
    }

    /// The owner of a partition, and what a request to it may have. None if it cannot be sent to
    /// now: then it becomes ready later.
    fn road(&mut self, partition: PartitionIndex, now: Instant) -> Option<(CoreId, usize)> {
        let Ok(core) = self.client.owner(&self.topic, partition) else {
            self.homeless.push(partition);
            self.stale = true;
            return None;
        };
        let Some((road, bytes_max)) = self.roads.open(core) else {
            self.roads.wait(core, partition);
            self.open(core, now);
            return None;
        };
        // What is under way elsewhere has its answer first: two connections have no order.
        let tended = self.lane(partition);
        if !tended.takes(road) {
            tended.waits = true;
            return None;
        }
        Some((core, bytes_max))
    }

    /// What a partition sends with this request, if it may and has something.
    fn next_batch(
        &mut self,
        partition: PartitionIndex,
        request: Request,
        now: Instant,
    ) -> Option<Bytes> {
        let time = self.options.delivery_timeout;
        let shared = Arc::clone(&self.shared);
        let tended = self.lane(partition);
        if let Some(again) = tended.lane.resend(now, request) {
            return Some(again);
        }
        if !tended.lane.has_room() {
            tended.waits = true;
            return None;
        }
        let open = shared.open().take(partition)?;
        let deadline = open.since + time;
        Some(tended.lane.send(open, deadline, request))
    }

    fn post(&mut self, core: CoreId, request: Request, parts: Parts) {
        if parts.is_empty() {
            return;
        }
        self.requests.insert(request, parts.partitions.clone());
        let report = self.report.clone();
        let answer = Box::new(move |answer| drop(report.send(Event::Answered(request, answer))));
        let Some(connection) = self.roads.connection(core) else {
            let ended = Error::new(Kind::Disconnected, "the connection ended");
            return answer(Err(ended));
        };
        let version = match connection.hello().version(Api::Produce) {
            Ok(version) => version,
            Err(error) => return answer(Err(error)),
        };
        let wait = self.client.options().request_timeout.as_millis();
        let timing = (
            self.options.acks.number(),
            u32::try_from(wait).unwrap_or(u32::MAX),
        );
        let topic = self.topic.id;
        connection.ask(
            |correlation| parts.encode(correlation, version, topic, timing),
            answer,
        );
    }

    fn open(&mut self, core: CoreId, now: Instant) {
        if !self.roads.may_open(core, now) {
            return;
        }
        let (client, report) = (self.client.clone(), self.report.clone());
        let address = client.address(core);
        self.tasks.spawn(async move {
            let opened = match address {
                Ok(address) => client.open(&address).await,
                Err(error) => Err(error),
            };
            let _ = report.send(Event::Opened(core, opened));
        });
    }

    fn take(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Answered(request, answer) => self.answered(request, answer, now),
            Event::Opened(core, opened) => {
                self.stale |= opened.is_err();
                let waiting = self.roads.opened(core, opened, now);
                self.ready.extend(waiting);
            }
            Event::Found(found) => {
                self.finding = false;
                self.found_at = now;
                match found {
                    Ok(topic) => {
                        self.topic = topic;
                        self.grow();
                        self.shared.open().grow(self.topic.partitions.len());
                        self.ready.append(&mut self.homeless);
                    }
                    Err(_) => self.stale = true,
                }
            }
            Event::Identified(identified) => {
                self.identifying = false;
                if let Ok(identity) = identified {
                    self.identity = Some(identity);
                    let lanes = (0..).zip(&mut self.lanes);
                    let lanes = lanes.filter(|(_, tended)| tended.lane.needs_identity());
                    for (partition, tended) in lanes {
                        tended.lane.set_identity(identity);
                        self.ready.push(PartitionIndex(partition));
                    }
                }
            }
        }
    }

    fn answered(&mut self, request: Request, answer: Result<Reply, Error>, now: Instant) {
        let Some(partitions) = self.requests.remove(&request) else {
            return;
        };
        let outcomes = answer.and_then(|reply| outcomes(&reply, partitions.len()));
        match outcomes {
            Ok(outcomes) => {
                for (partition, outcome) in partitions.into_iter().zip(outcomes) {
                    self.lane(partition).lane.answered(request, outcome);
                    self.follow_up(partition, now);
                }
            }
            Err(error) => {
                for partition in partitions {
                    self.lane(partition)
                        .lane
                        .answered(request, Err(error.clone()));
                    self.follow_up(partition, now);
                }
            }
        }
    }

    /// What an answer to a partition's batch brings with it.
    fn follow_up(&mut self, partition: PartitionIndex, now: Instant) {
        let client = self.client.clone();
        let tended = self.lane(partition);
        let looked = tended.tend(client.options(), now);
        let waits = std::mem::take(&mut tended.waits);
        let settled = tended.lane.take_settled();
        self.stale |= looked.stale;
        if waits || looked.ready {
            self.ready.push(partition);
        }
        self.shared.settled(&settled);
    }

    /// Looks at what is overdue, and at what has waited long enough.
    fn tend(&mut self) {
        let now = Instant::now();
        let before = now.checked_sub(self.options.delivery_timeout);
        for at in 0..self.lanes.len() {
            let partition = PartitionIndex(i32::try_from(at).unwrap_or(i32::MAX));
            let tended = &mut self.lanes[at];
            if tended.lane.is_overdue(now) {
                let error = tended.overdue(self.roads.trouble());
                tended.lane.give_up(&error);
                self.follow_up(partition, now);
            } else if tended.lane.paused_until().is_some_and(|until| until <= now) {
                self.ready.push(partition);
            }
            if let Some(before) = before {
                self.expire(partition, before);
            }
        }
        for core in self.roads.wanted(now) {
            self.open(core, now);
        }
        self.stale |= now.duration_since(self.found_at) >= self.client.options().metadata_age_max;
        if self.stale && !self.finding {
            self.find(now);
        }
        let exhausted = self.lanes.iter().any(|tended| tended.lane.needs_identity());
        if exhausted && !self.identifying {
            self.identifying = true;
            let (client, report) = (self.client.clone(), self.report.clone());
            self.tasks.spawn(async move {
                let identified = client.retrying(|| builder::identity(&client)).await;
                let _ = report.send(Event::Identified(identified));
            });
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Fails batches that were never sent in their time. They have no number yet.
    fn expire(&mut self, partition: PartitionIndex, before: Instant) {
        let older = self.shared.open().take_older(partition, before);
        for batch in older {
            let error = self.lane(partition).lane.last_error().cloned();
            let error = super::tended::timed_out(error.as_ref().or(self.roads.trouble()));
            batch.settles.0.settle(Err(error));
            self.shared.settled(&[batch.id]);
        }
    }

    fn find(&mut self, now: Instant) {
        let pause = self.client.options().backoff_min;
        if now.duration_since(self.found_at) < pause {
            return;
        }
        self.finding = true;
        self.stale = false;
        let (client, report) = (self.client.clone(), self.report.clone());
        let name = self.topic.name.clone();
        self.tasks.spawn(async move {
            let found = client.find(Wanted::Named(&name)).await;
            let _ = report.send(Event::Found(found));
        });
    }
}
