//! The coordinators of this core: one in each partition of an internal topic that it leads.
//!
//! A coordinator changes its state at once and leaves records to append. What it answers waits until
//! all that it had appended before is committed, so nothing is told that a crash could take back. If
//! leadership or an append is lost, the instance is dropped whole, who waits is sent to ask for the
//! coordinator again, and the state is read again from the log.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use corelog_base::{GroupId, Offset, TimestampMs, TopicId};
use corelog_cluster::{Change, Image};
use corelog_coordinator::{
    At, Coordinator, Effect, Error as Refusal, Event, GroupSettings, Kind, Marker, Producer,
    Reply as Answer, Result as Answered, Settings, Stored, Token, Topics, TransactionSettings,
    transactions::Mark,
};
use corelog_partition::Origin;
use corelog_record::{BatchBuilder, BatchHeader, Codec, ProducerState, records};
use corelog_rt::Runtime;

use super::Shard;
use super::group::{Appender, Held};
use super::job::Job;
use super::load::LoadJob;
use super::mark::MarkJob;
use crate::Result;
use crate::api::Produced;
use crate::effects::Effects;
use crate::message::{CoordinateVisit, Reply, ReplyTo};

/// Requests that one coordinator holds at a time; beyond it, clients are told to come again.
const REQUESTS_MAX: usize = 100_000;
/// A coordinator's records go into batches of about this size.
const BATCH_BYTES: usize = 512 << 10;
/// A marker's batch holds one record of a few bytes.
const MARKER_BYTES_MAX: usize = 4 << 10;

#[derive(Default)]
pub(super) struct Coordinators {
    hosted: BTreeMap<GroupId, Hosted>,
    /// How many instances there have been.
    instances: u64,
    /// Topics were made, grown or deleted since the last tick.
    topics_changed: bool,
    topics_deleted: Vec<TopicId>,
}

/// One coordinator.
struct Hosted {
    instance: u64,
    machine: Box<dyn Coordinator>,
    loading: bool,
    /// Batches that it has left, and how many of them are committed.
    appended: u64,
    committed: u64,
    /// What waits for that many commits, ascending.
    waiting: VecDeque<(u64, Waiting)>,
    /// Where the answers go.
    asked: BTreeMap<Token, ReplyTo>,
}

/// What a coordinator wants done once all that it had left before is committed.
enum Waiting {
    Answer(Token, Answered<Answer>),
    Mark(Mark),
}

impl Coordinators {
    /// Whether it is still the one that asked.
    pub(super) fn is_current(&self, id: GroupId, instance: u64) -> bool {
        let hosted = self.hosted.get(&id);
        hosted.is_some_and(|hosted| hosted.instance == instance)
    }

    pub(super) fn note(&mut self, change: &Change) {
        self.topics_changed |= !matches!(change, Change::Nothing | Change::BrokersConfigured);
        if let Change::TopicDeleted { topic, .. } = change {
            self.topics_deleted.push(*topic);
        }
    }
}

/// The image, as coordinators see it.
struct ImageTopics<'a>(&'a Image);

impl Topics for ImageTopics<'_> {
    fn named(&self, name: &str) -> Option<(TopicId, u32)> {
        let topic = self.0.topic_named(name)?;
        Some((topic.id, topic.partition_count()))
    }

    fn with_id(&self, id: TopicId) -> Option<(&str, u32)> {
        let topic = self.0.topic(id)?;
        Some((&topic.name, topic.partition_count()))
    }

    fn each(&self, take: &mut dyn FnMut(&str, TopicId, u32)) {
        for topic in self.0.topics() {
            take(&topic.name, topic.id, topic.partition_count());
        }
    }
}

impl<R: Runtime> Shard<R> {
    /// A group of this core leads and knows what is committed: if it is a partition of an internal
    /// topic, its coordinator begins to load.
    pub(super) fn host(&mut self, id: GroupId, fx: &mut Effects) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let topic = self.image.topic(group.key.topic);
        let kind = topic.and_then(|topic| Kind::of_topic(&topic.name));
        let Some(kind) = kind else {
            return;
        };
        if !group.partition.is_ready() || group.check_health().is_err() {
            return;
        }
        let (from, until) = (group.partition.log_start(), group.partition.next_offset());
        let machine = kind.coordinator(self.rt.random());
        self.unhost(id, fx);
        self.coordinators.instances += 1;
        let instance = self.coordinators.instances;
        let hosted = Hosted {
            instance,
            machine,
            loading: true,
            appended: 0,
            committed: 0,
            waiting: VecDeque::new(),
            asked: BTreeMap::new(),
        };
        self.coordinators.hosted.insert(id, hosted);
        let job = LoadJob {
            group: id,
            instance,
            from,
            until,
        };
        fx.jobs.push(Job::Load(job));
    }

    /// Leadership or an append is lost. Fine where there is no coordinator.
    pub(super) fn unhost(&mut self, id: GroupId, fx: &mut Effects) {
        let Some(hosted) = self.coordinators.hosted.remove(&id) else {
            return;
        };
        // What it left and what was not proposed yet must not follow on what the next one reads.
        if let Some(group) = self.groups.get_mut(&id) {
            let others = |held: &Held| !matches!(held.appender, Appender::Coordinator(..));
            group.held.retain(others);
        }
        for to in hosted.asked.into_values() {
            fx.reply(to, Reply::Coordinated(Err(Refusal::NotCoordinator)));
        }
    }

    pub(super) fn coordinate(&mut self, to: ReplyTo, visit: CoordinateVisit, fx: &mut Effects) {
        fx.reply(to, Reply::Coordinating);
        let CoordinateVisit {
            group,
            answer,
            request,
        } = visit;
        let no_room = !request.only_reads() && self.check_append(group, false, 0).is_err();
        let token = Token(answer.wait_id());
        let refusal = match self.coordinators.hosted.get_mut(&group) {
            None => Refusal::NotCoordinator,
            Some(hosted) if hosted.loading => Refusal::Loading,
            Some(hosted) if no_room || hosted.asked.len() >= REQUESTS_MAX => Refusal::Unavailable,
            Some(hosted) => {
                hosted.asked.insert(token, answer);
                return self.step_coordinator(group, Event::Request { token, request }, fx);
            }
        };
        fx.reply(answer, Reply::Coordinated(Err(refusal)));
    }

    pub(super) fn step_coordinator(&mut self, id: GroupId, event: Event, fx: &mut Effects) {
        let effects = self.with_coordinator(id, |hosted, at| {
            let mut effects = Vec::new();
            hosted.machine.step(at, event, &mut effects);
            effects
        });
        self.take_coordinator_effects(id, effects.unwrap_or_default(), fx);
    }

    fn with_coordinator<O>(
        &mut self,
        id: GroupId,
        step: impl FnOnce(&mut Hosted, &At<'_>) -> O,
    ) -> Option<O> {
        // Offsets expire by it: a clock that jumps ahead must not make them.
        let wall = self.retention_clock();
        let hosted = self.coordinators.hosted.get_mut(&id)?;
        let settings = settings(&self.image);
        let at = At {
            now: self.rt.now(),
            wall,
            topics: &ImageTopics(&self.image),
            settings: &settings,
        };
        Some(step(hosted, &at))
    }

    fn take_coordinator_effects(&mut self, id: GroupId, effects: Vec<Effect>, fx: &mut Effects) {
        for effect in effects {
            match effect {
                Effect::Append { records, producer } => {
                    self.append_coordinated(id, &records, producer, fx);
                }
                Effect::Reply { token, reply } => {
                    let Some(hosted) = self.coordinators.hosted.get_mut(&id) else {
                        return;
                    };
                    let answer = Waiting::Answer(token, reply);
                    hosted.waiting.push_back((hosted.appended, answer));
                }
                Effect::Mark(mark) => {
                    let Some(hosted) = self.coordinators.hosted.get_mut(&id) else {
                        return;
                    };
                    let mark = Waiting::Mark(mark);
                    hosted.waiting.push_back((hosted.appended, mark));
                }
            }
        }
        self.answer_coordinated(id, fx);
    }

    /// Sends the answers, and begins with the markers, that wait for nothing any more.
    fn answer_coordinated(&mut self, id: GroupId, fx: &mut Effects) {
        let epoch = self.leadership(id).epoch;
        let Some(hosted) = self.coordinators.hosted.get_mut(&id) else {
            return;
        };
        while let Some((after, _)) = hosted.waiting.front()
            && *after <= hosted.committed
            && let Some((_, waiting)) = hosted.waiting.pop_front()
        {
            match waiting {
                Waiting::Answer(token, reply) => {
                    if let Some(to) = hosted.asked.remove(&token) {
                        fx.reply(to, Reply::Coordinated(reply));
                    }
                }
                Waiting::Mark(mark) => fx.jobs.push(Job::Mark(MarkJob {
                    group: id,
                    instance: hosted.instance,
                    epoch: epoch.0,
                    mark,
                })),
            }
        }
    }

    fn append_coordinated(
        &mut self,
        id: GroupId,
        records: &[Stored],
        producer: Option<Producer>,
        fx: &mut Effects,
    ) {
        for batch in batches(records, producer, self.rt.wall()) {
            let Some(hosted) = self.coordinators.hosted.get_mut(&id) else {
                return;
            };
            hosted.appended += 1;
            let instance = hosted.instance;
            let header = BatchHeader::parse(&batch).expect("it was just built");
            let held = Held {
                appender: Appender::Coordinator(id, instance),
                origin: Origin::Coordinator,
                header,
                batch,
                in_sync: false,
            };
            self.append(id, held, fx);
        }
    }

    /// A batch of a coordinator has committed, or it will not.
    pub(super) fn coordinator_appended(
        &mut self,
        id: GroupId,
        instance: u64,
        outcome: Result<Produced>,
        fx: &mut Effects,
    ) {
        let hosted = self.coordinators.hosted.get_mut(&id);
        let Some(hosted) = hosted.filter(|hosted| hosted.instance == instance) else {
            return;
        };
        match outcome {
            Ok(_) => {
                hosted.committed += 1;
                self.answer_coordinated(id, fx);
            }
            Err(error) => {
                tracing::warn!(group = id.0, "a coordinator's append failed: {error}");
                self.unhost(id, fx);
                self.host(id, fx);
            }
        }
    }

    /// A committed batch that may end a transaction of the coordinator's partition.
    pub(super) fn coordinator_marker(
        &mut self,
        id: GroupId,
        header: &BatchHeader,
        batch: &[u8],
        fx: &mut Effects,
    ) {
        let hosted = self.coordinators.hosted.get(&id);
        // One that loads will read it.
        if hosted.is_some_and(|hosted| !hosted.loading)
            && let Some(marker) = marker(header, batch)
        {
            self.step_coordinator(id, Event::Marker(marker), fx);
        }
    }

    /// Timers, and what has changed in the metadata.
    pub(super) fn tick_coordinators(&mut self, fx: &mut Effects) {
        let now = self.rt.now();
        let changed = std::mem::take(&mut self.coordinators.topics_changed);
        let deleted = std::mem::take(&mut self.coordinators.topics_deleted);
        let hosted = self.coordinators.hosted.iter();
        let loaded = hosted.filter(|(_, hosted)| !hosted.loading);
        let due: Vec<(GroupId, bool)> = loaded
            .map(|(id, hosted)| (*id, hosted.machine.deadline().is_some_and(|at| at <= now)))
            .filter(|(_, due)| *due || changed)
            .collect();
        for (id, due) in due {
            if !deleted.is_empty() {
                self.step_coordinator(id, Event::TopicsDeleted(deleted.clone()), fx);
            }
            if changed {
                self.step_coordinator(id, Event::TopicsChanged, fx);
            }
            if due {
                self.step_coordinator(id, Event::Tick, fx);
            }
        }
    }

    /// Where a load goes on, or that it is over.
    pub(super) fn loads(&self, job: &LoadJob) -> Option<Offset> {
        let hosted = self.coordinators.hosted.get(&job.group)?;
        let group = self.groups.get(&job.group)?;
        let current = hosted.loading && hosted.instance == job.instance;
        current.then(|| job.from.max(group.partition.log_start()))
    }

    /// Gives a batch of the log to the coordinator that loads.
    pub(super) fn replay_coordinated(&mut self, job: &LoadJob, header: &BatchHeader, batch: &[u8]) {
        if self.loads(job).is_none() {
            return;
        }
        let id = job.group;
        if header.attributes.is_control() {
            if let Some(marker) = marker(header, batch) {
                self.with_coordinator(id, |hosted, _| hosted.machine.replay_marker(&marker));
            }
            return;
        }
        let unread = self.with_coordinator(id, |hosted, at| replay(hosted, at, header, batch));
        if let Some(Err(why)) = unread {
            tracing::error!(
                group = id.0,
                offset = header.base_offset.0,
                "a coordinator's record cannot be read, and is left out: {why}"
            );
        }
    }

    /// All is replayed: requests are served.
    pub(super) fn loaded(&mut self, id: GroupId, fx: &mut Effects) {
        let effects = self.with_coordinator(id, |hosted, at| {
            hosted.loading = false;
            let mut effects = Vec::new();
            hosted.machine.loaded(at, &mut effects);
            effects
        });
        self.take_coordinator_effects(id, effects.unwrap_or_default(), fx);
    }
}

fn settings(image: &Image) -> Settings {
    let limits = image.broker_settings().groups;
    let transactions = image.broker_settings().transactions;
    Settings {
        transactions: TransactionSettings {
            timeout_max: transactions.timeout_max,
            id_expiration: transactions.id_expiration,
        },
        groups: GroupSettings {
            session_min: limits.session_min,
            session_max: limits.session_max,
            initial_delay: limits.initial_delay,
            members_max: limits.members_max,
            offset_metadata_bytes_max: limits.offset_metadata_bytes_max,
            offsets_retention: limits.offsets_retention,
            consumer_session: limits.consumer_session,
            consumer_heartbeat: limits.consumer_heartbeat,
        },
        ..Settings::default()
    }
}

fn producer_of(header: &BatchHeader) -> Producer {
    Producer {
        id: header.producer_id,
        epoch: header.producer_epoch,
    }
}

/// What a control batch says of its transaction.
fn marker(header: &BatchHeader, batch: &[u8]) -> Option<Marker> {
    if !header.attributes.is_control() {
        return None;
    }
    let records = records(batch, MARKER_BYTES_MAX).ok()?;
    let record = records.iter().next()?.ok()?;
    // Version and type: 0 aborts, 1 commits.
    let kind = record.key?.get(2..4)?.try_into().ok()?;
    let committed = match i16::from_be_bytes(kind) {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Marker {
        producer: producer_of(header),
        committed,
    })
}

fn replay(
    hosted: &mut Hosted,
    at: &At<'_>,
    header: &BatchHeader,
    batch: &[u8],
) -> std::result::Result<(), String> {
    let transactional = header.attributes.is_transactional();
    let producer = transactional.then(|| producer_of(header));
    let records = records(batch, crate::start::REPLAY_BYTES_MAX as usize);
    let mut unread = Ok(());
    for record in records.map_err(|e| e.to_string())?.iter() {
        let record = record.map_err(|e| e.to_string())?;
        let Some(key) = record.key else {
            continue;
        };
        let replayed = corelog_coordinator::Replayed {
            key,
            value: record.value,
            timestamp: record.timestamp,
            producer,
        };
        if let Err(error) = hosted.machine.replay(at, &replayed) {
            unread = Err(error.to_string());
        }
    }
    unread
}

/// Builds batches of about [`BATCH_BYTES`].
fn batches(records: &[Stored], producer: Option<Producer>, now: TimestampMs) -> Vec<BytesMut> {
    let mut done = Vec::new();
    let mut open: Option<BatchBuilder> = None;
    for record in records {
        let builder = open.get_or_insert_with(|| builder(producer));
        let (key, value) = (&record.key[..], record.value.as_deref());
        let pushed = builder.push(now, Some(key), value, &[]);
        pushed.expect("a coordinator's records are bounded by the requests that they come from");
        if builder.uncompressed_bytes() >= BATCH_BYTES
            && let Some(full) = open.take()
        {
            done.push(full.finish());
        }
    }
    done.extend(open.map(BatchBuilder::finish));
    done
}

fn builder(producer: Option<Producer>) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Codec::None);
    if let Some(producer) = producer {
        // Without sequences, as Kafka writes them: the coordinator is the only writer here.
        builder.transactional().producer(ProducerState {
            id: producer.id,
            epoch: producer.epoch,
            base_sequence: -1,
        });
    }
    builder
}
