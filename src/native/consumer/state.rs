//! What a consumer knows, and what it does with what it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use corelog_base::{CoreId, Offset, PartitionIndex, Pauses};
use corelog_wire::kafka::ErrorCode;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::buffered::Buffered;
use super::builder::{Options, OutOfRange};
use super::cursor::Cursor;
use super::subscription::{From, Subscription};
use crate::backoff::pauses;
use crate::client::Wanted;
use crate::connection::Connection;
use crate::offsets::Position;
use crate::reply::Reply;
use crate::topics::Topic;
use crate::{Client, Error, Kind};

/// What a task or a link reports.
pub(super) enum Event {
    Frame {
        generation: u64,
        frame: Result<Reply, Error>,
    },
    Opened(CoreId, Result<Connection, Error>),
    Found(Result<Topic, Error>),
    Located(PartitionIndex, Result<Offset, Error>),
}

/// A series of failures without a success.
struct Trouble {
    pauses: Pauses,
    until: Instant,
}

pub(super) struct State {
    client: Client,
    topic: Topic,
    pub options: Options,
    pub cursors: BTreeMap<PartitionIndex, Cursor>,
    connections: BTreeMap<CoreId, Connection>,
    opening: BTreeSet<CoreId>,
    subscriptions: BTreeMap<CoreId, Subscription>,
    pub buffered: VecDeque<Buffered>,
    generation: u64,
    finding: bool,
    trouble: Option<Trouble>,
    pub events: UnboundedReceiver<Event>,
    report: UnboundedSender<Event>,
    tasks: JoinSet<()>,
}

impl State {
    pub(super) fn new(
        client: Client,
        topic: Topic,
        options: Options,
        positions: BTreeMap<PartitionIndex, Offset>,
    ) -> Self {
        let (report, events) = unbounded_channel();
        let cursors = positions.into_iter();
        let mut state = Self {
            client,
            topic,
            options,
            cursors: cursors
                .map(|(p, offset)| (p, Cursor::new(p, offset)))
                .collect(),
            connections: BTreeMap::new(),
            opening: BTreeSet::new(),
            subscriptions: BTreeMap::new(),
            buffered: VecDeque::new(),
            generation: 0,
            finding: false,
            trouble: None,
            events,
            report,
            tasks: JoinSet::new(),
        };
        state.attach();
        state.look_later();
        state
    }

    fn spawn(&mut self, work: impl Future<Output = Event> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        let report = self.report.clone();
        let work = async move {
            // The consumer is gone if nobody takes it.
            let _ = report.send(work.await);
        };
        self.tasks.spawn_on(work, self.client.runtime());
    }

    /// Gives every partition that no subscription has to its owner's.
    pub(super) fn attach(&mut self) {
        let mut cores = BTreeSet::new();
        let mut lost = false;
        for cursor in self.cursors.values_mut() {
            if cursor.core.is_some() || cursor.locating {
                continue;
            }
            match self.client.owner(&self.topic, cursor.partition) {
                Ok(core) => {
                    cursor.core = Some(core);
                    cores.insert(core);
                }
                Err(_) => lost = true,
            }
        }
        if lost {
            self.find();
        }
        for core in cores {
            self.subscribe(core);
        }
    }

    /// Begins, or begins anew, the subscription of all partitions of a core.
    fn subscribe(&mut self, core: CoreId) {
        if let Some(old) = self.subscriptions.remove(&core) {
            old.end();
        }
        let open = self.connections.get(&core).filter(|open| !open.is_ended());
        let Some(connection) = open.cloned() else {
            return self.open(core);
        };
        let mine = self.cursors.values().filter(|c| c.core == Some(core));
        let parts: Vec<From> = mine
            .map(|cursor| From {
                partition: cursor.partition,
                offset: cursor.fetch_from,
            })
            .collect();
        if parts.is_empty() {
            return;
        }
        self.generation += 1;
        let owners = self.cursors.values().filter_map(|cursor| cursor.core);
        let cores = owners.collect::<BTreeSet<_>>().len() as u64;
        let window = (self.options.buffer_bytes / cores.max(1)).max(1);
        // What is buffered still takes its room, and gives it back to this subscription.
        let mine = self.buffered.iter().filter(|b| b.core == core);
        let credit = window.saturating_sub(mine.map(|b| b.held).sum());
        let begun = Subscription::begin(
            connection,
            (self.topic.id, self.options.isolation),
            &parts,
            (credit, window),
            self.generation,
            self.report.clone(),
        );
        match begun {
            Ok(subscription) => drop(self.subscriptions.insert(core, subscription)),
            // Told like a connection that could not be made.
            Err(error) => drop(self.report.send(Event::Opened(core, Err(error)))),
        }
    }

    fn open(&mut self, core: CoreId) {
        if !self.opening.insert(core) {
            return;
        }
        let client = self.client.clone();
        self.spawn(async move {
            let opened = match client.address(core) {
                Ok(address) => client.open(&address).await,
                Err(error) => Err(error),
            };
            Event::Opened(core, opened)
        });
    }

    /// Looks where the partitions are, after a pause if something went wrong.
    fn find(&mut self) {
        if std::mem::replace(&mut self.finding, true) {
            return;
        }
        let pause = self.trouble.as_mut().map(|trouble| trouble.pauses.draw());
        self.find_after(pause.unwrap_or(self.client.options().backoff_min));
    }

    fn find_after(&mut self, pause: Duration) {
        let (client, name) = (self.client.clone(), self.topic.name.clone());
        self.spawn(async move {
            sleep(pause).await;
            Event::Found(client.find(Wanted::Named(&name)).await)
        });
    }

    /// New partitions are looked for now and then.
    fn look_later(&mut self) {
        if self.options.partitions.is_none() {
            self.find_after(self.client.options().metadata_age_max);
        }
    }

    /// # Errors
    /// What the caller is to know. The consumer stays usable, and tries again.
    pub(super) fn take(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Frame { generation, frame } => self.take_frame(generation, frame),
            Event::Opened(core, opened) => {
                self.opening.remove(&core);
                match opened {
                    Ok(connection) => {
                        self.connections.insert(core, connection);
                        self.subscribe(core);
                        Ok(())
                    }
                    Err(error) => {
                        self.detach(core);
                        self.stumble(error)
                    }
                }
            }
            Event::Found(found) => self.found(found),
            Event::Located(partition, located) => self.located(partition, located),
        }
    }

    fn found(&mut self, found: Result<Topic, Error>) -> Result<(), Error> {
        let asked_for = std::mem::replace(&mut self.finding, false);
        if !asked_for {
            self.look_later();
        }
        match found {
            Ok(topic) => {
                if self.options.partitions.is_none() {
                    for partition in &topic.partitions {
                        let fresh = || Cursor::new(partition.index, Offset(0));
                        self.cursors.entry(partition.index).or_insert_with(fresh);
                    }
                }
                self.topic = topic;
                self.attach();
                Ok(())
            }
            Err(error) if asked_for => self.stumble(error),
            Err(_) => Ok(()),
        }
    }

    /// No subscription has this core's partitions any more.
    fn detach(&mut self, core: CoreId) {
        if let Some(old) = self.subscriptions.remove(&core) {
            old.end();
        }
        let mine = self.cursors.values_mut().filter(|c| c.core == Some(core));
        mine.for_each(|cursor| cursor.core = None);
    }

    /// Something went wrong: it is tried again, and told once retries have lasted too long.
    fn stumble(&mut self, error: Error) -> Result<(), Error> {
        let options = self.client.options();
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            pauses: pauses(options),
            until: Instant::now() + options.retry_for,
        });
        let over = Instant::now() >= trouble.until;
        let tell = over || !error.is_retriable();
        if over {
            trouble.until = Instant::now() + options.retry_for;
        }
        self.find();
        match tell {
            true => Err(error),
            false => Ok(()),
        }
    }

    fn take_frame(&mut self, generation: u64, frame: Result<Reply, Error>) -> Result<(), Error> {
        let mut all = self.subscriptions.iter();
        let Some((core, subscription)) = all.find(|(_, s)| s.generation == generation) else {
            // An older subscription's.
            return Ok(());
        };
        let core = *core;
        let more = frame.as_ref().is_ok_and(Reply::has_more);
        let parts = match frame.and_then(|reply| subscription.read(core, &reply)) {
            Ok(parts) => parts,
            Err(error) => {
                self.detach(core);
                return self.stumble(error);
            }
        };
        self.trouble = None;
        let mut outcome = Ok(());
        for part in parts {
            let Some(cursor) = self.cursors.get_mut(&part.partition) else {
                continue;
            };
            cursor.high_watermark = Some(part.high_watermark).filter(|offset| offset.0 >= 0);
            cursor.log_start = Some(part.log_start).filter(|offset| offset.0 >= 0);
            match part.error {
                Ok(()) => match part.buffered.end() {
                    Ok(Some(end)) => {
                        cursor.fetch_from = end.max(cursor.fetch_from);
                        self.buffered.push_back(part.buffered);
                    }
                    Ok(None) => {}
                    Err(error) => outcome = Err(error),
                },
                Err(error) => outcome = self.part_failed(part.partition, error),
            }
        }
        if !more {
            // The broker has ended it.
            self.detach(core);
            self.find();
        }
        outcome
    }

    /// The subscription goes on without this partition.
    fn part_failed(&mut self, partition: PartitionIndex, error: Error) -> Result<(), Error> {
        let Some(cursor) = self.cursors.get_mut(&partition) else {
            return Ok(());
        };
        cursor.core = None;
        let out_of_range = error.kind == Kind::Broker(ErrorCode::OFFSET_OUT_OF_RANGE);
        let position = match self.options.out_of_range {
            OutOfRange::Earliest if out_of_range => Position::Earliest,
            OutOfRange::Latest if out_of_range => Position::Latest,
            _ => return self.stumble(error),
        };
        self.locate(partition, position, Duration::ZERO);
        Ok(())
    }

    fn locate(&mut self, partition: PartitionIndex, position: Position, pause: Duration) {
        if let Some(cursor) = self.cursors.get_mut(&partition) {
            cursor.locating = true;
        }
        let (client, topic) = (self.client.clone(), self.topic.clone());
        self.spawn(async move {
            sleep(pause).await;
            let wanted = BTreeMap::from([(partition, position)]);
            let found = client.look_up(&topic, &wanted).await;
            let located = found.map(|found| found.get(&partition).copied().unwrap_or_default());
            Event::Located(partition, located)
        });
    }

    fn located(
        &mut self,
        partition: PartitionIndex,
        located: Result<Offset, Error>,
    ) -> Result<(), Error> {
        let Some(cursor) = self.cursors.get_mut(&partition) else {
            return Ok(());
        };
        cursor.locating = false;
        match located {
            Ok(offset) => {
                cursor.fetch_from = offset;
                if !self.buffered.iter().any(|b| b.partition == partition) {
                    cursor.position = offset;
                }
                self.attach();
                Ok(())
            }
            // The offset is out of range still, so it comes here again.
            Err(error) => self.stumble(error),
        }
    }

    /// Goes on elsewhere.
    ///
    /// # Errors
    /// `Invalid` for a partition that is not read.
    pub(super) fn seek(&mut self, partition: PartitionIndex, to: Offset) -> Result<(), Error> {
        let Some(cursor) = self.cursors.get_mut(&partition) else {
            let context = format!("partition {partition} is not read by this consumer");
            return Err(Error::new(Kind::Invalid, context));
        };
        cursor.position = to;
        cursor.fetch_from = to;
        let core = cursor.core;
        self.buffered
            .retain(|buffered| buffered.partition != partition);
        if let Some(core) = core {
            self.subscribe(core);
        }
        Ok(())
    }

    /// Offsets of places in partitions that are read.
    pub(super) async fn look_up(
        &self,
        positions: &BTreeMap<PartitionIndex, Position>,
    ) -> Result<BTreeMap<PartitionIndex, Offset>, Error> {
        self.client.offsets(&self.topic.name, positions).await
    }

    /// What was read gives its room back.
    pub(super) fn done_with(&mut self, buffered: &Buffered) -> Result<(), Error> {
        match self.subscriptions.get_mut(&buffered.core) {
            Some(subscription) => subscription.give_back(buffered.held),
            None => Ok(()),
        }
    }
}
