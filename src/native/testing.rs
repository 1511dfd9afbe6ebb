//! A broker in memory, for tests: it keeps batches, numbers them, knows producers as a partition
//! does, and fails as it is told to.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_base::{LeaderEpoch, Offset};
use corelog_record::{BatchHeader, first_at_or_after, stamp};
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::v1::*;
use corelog_wire::native::{
    Api, ApiRange, FLAG_MORE, HEADER_BYTES, Header, Limits, META_BYTES_MAX, Meta, encode, v2,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::{Builder, Client};

pub(crate) const TOPIC: &str = "t";
const ID: [u8; 16] = [7; 16];
const WAIT: Duration = Duration::from_secs(20);

/// What becomes of the next batches that are produced, one each.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Fate {
    /// Written and answered.
    Sound,
    Refused(ErrorCode),
    /// The connection breaks before it is written.
    Lost,
    /// It is written, and the connection breaks before the answer.
    Unanswered,
}

/// A producer as a partition knows it.
#[derive(Default)]
struct Known {
    epoch: i16,
    next_sequence: i32,
    /// The last five batches: sequence and offset.
    last: VecDeque<(i32, i64)>,
}

#[derive(Default)]
struct Log {
    batches: Vec<Bytes>,
    next: i64,
    start: i64,
    producers: HashMap<i64, Known>,
}

#[derive(Default)]
pub(crate) struct State {
    logs: BTreeMap<i32, Log>,
    ports: Vec<u16>,
    pub fates: VecDeque<Fate>,
    /// Partitions are owned by the core of their index and this, by turns.
    pub shift: i32,
    pub ranges: Vec<ApiRange>,
    /// Answers to Produce are held back.
    pub held: bool,
    /// Versions and counts of parts of the Produces that came.
    pub produces: Vec<(u16, usize)>,
    /// Cores and credits of subscriptions.
    pub subscribed: Vec<(u16, u64)>,
    /// What subscriptions have sent.
    pub sent_bytes: usize,
    next_producer: i64,
}

pub(crate) struct Fake {
    pub state: Arc<Mutex<State>>,
    pub changed: Arc<Notify>,
    broken: Arc<Notify>,
    tasks: JoinSet<()>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What must come soon, comes.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, what).await.expect("it comes")
}

impl Fake {
    pub(crate) async fn start(cores: usize, partitions: i32) -> Self {
        let mut fake = Self {
            state: Arc::new(Mutex::new(State {
                logs: (0..partitions).map(|p| (p, Log::default())).collect(),
                ranges: Api::ALL.into_iter().map(Api::range).collect(),
                ..State::default()
            })),
            changed: Arc::new(Notify::new()),
            broken: Arc::new(Notify::new()),
            tasks: JoinSet::new(),
        };
        for core in 0..cores {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            lock(&fake.state)
                .ports
                .push(listener.local_addr().unwrap().port());
            let peer = Peer {
                state: Arc::clone(&fake.state),
                changed: Arc::clone(&fake.changed),
                broken: Arc::clone(&fake.broken),
                core: u16::try_from(core).unwrap(),
            };
            fake.tasks.spawn(async move {
                let mut peers = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    peers.spawn(peer.clone().serve(stream));
                }
            });
        }
        fake
    }

    pub(crate) fn builder(&self) -> Builder {
        let port = lock(&self.state).ports[0];
        let ms = Duration::from_millis;
        Client::builder()
            .bootstrap(format!("127.0.0.1:{port}"))
            .backoff(ms(1), ms(20))
            .retry_for(ms(2000))
    }

    pub(crate) async fn client(&self) -> Client {
        self.builder().connect().await.unwrap()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_waiters();
    }

    /// All connections break.
    pub(crate) fn break_all(&self) {
        self.broken.notify_waiters();
    }

    /// The batches of a partition.
    pub(crate) fn batches(&self, partition: i32) -> Vec<Bytes> {
        lock(&self.state).logs[&partition].batches.clone()
    }

    pub(crate) fn truncate_front(&self, partition: i32, start: i64) {
        self.change(|state| {
            let log = state.logs.get_mut(&partition).unwrap();
            log.start = start;
        });
    }

    /// Waits until the state is as it should be.
    pub(crate) async fn until(&self, is: impl Fn(&State) -> bool) {
        soon(async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if is(&lock(&self.state)) {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }
}

impl Log {
    /// As a partition judges.
    fn append(&mut self, batch: &[u8]) -> Result<i64, ErrorCode> {
        let header = BatchHeader::parse(batch).unwrap();
        corelog_record::verify(batch).unwrap();
        let id = header.producer_id.0;
        let sequence = header.base_sequence;
        if id >= 0 {
            let fresh = |next_sequence| Known {
                epoch: header.producer_epoch.0,
                next_sequence,
                last: VecDeque::new(),
            };
            // A partition that has never seen a producer takes any sequence.
            let known = self.producers.entry(id).or_insert_with(|| fresh(sequence));
            if header.producer_epoch.0 < known.epoch {
                return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            if header.producer_epoch.0 > known.epoch {
                *known = fresh(0);
            }
            if let Some((_, offset)) = known.last.iter().find(|(at, _)| *at == sequence) {
                return Ok(*offset);
            }
            if sequence != known.next_sequence {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
            known.next_sequence = sequence.wrapping_add(header.record_count) & i32::MAX;
            known.last.push_back((sequence, self.next));
            if known.last.len() > 5 {
                known.last.pop_front();
            }
        }
        let offset = self.next;
        let mut batch = batch.to_vec();
        stamp(&mut batch, Offset(offset), LeaderEpoch(1));
        self.next += i64::from(header.record_count);
        self.batches.push(batch.into());
        Ok(offset)
    }

    /// Whole batches from the one on that holds `from`.
    fn read(&self, from: i64, bytes_max: u64) -> (Vec<Bytes>, i64) {
        let (mut found, mut bytes, mut next) = (Vec::new(), 0, from);
        for batch in &self.batches {
            let header = BatchHeader::parse(batch).unwrap();
            let fits = found.is_empty() || bytes + batch.len() as u64 <= bytes_max;
            if header.last_offset().0 < from {
                continue;
            }
            if !fits {
                break;
            }
            bytes += batch.len() as u64;
            next = header.next_offset().0;
            found.push(batch.clone());
        }
        (found, next)
    }

    fn list(&self, time: i64) -> i64 {
        match time {
            -1 => self.next,
            -2 => self.start,
            time => {
                let time = corelog_base::TimestampMs(time);
                let mut all = self.batches.iter();
                all.find_map(|batch| first_at_or_after(batch, time, 1 << 20).unwrap())
                    .map_or(-1, |(offset, _)| offset.0)
            }
        }
    }
}

#[derive(Clone)]
struct Peer {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    broken: Arc<Notify>,
    core: u16,
}

type Out = mpsc::UnboundedSender<Vec<Bytes>>;

impl Peer {
    async fn serve(self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let (read, mut write) = stream.into_split();
        let (to, mut from) = mpsc::unbounded_channel::<Vec<Bytes>>();
        let writer = async move {
            while let Some(parts) = from.recv().await {
                write.write_all(&parts.concat()).await.ok()?;
            }
            Some(())
        };
        let broken = Arc::clone(&self.broken);
        tokio::select! {
            _ = writer => {}
            _ = self.read(read, to) => {}
            () = broken.notified() => {}
        }
    }

    /// None once the connection is to end.
    async fn read(self, mut socket: OwnedReadHalf, out: Out) -> Option<()> {
        let limits = Limits {
            meta_bytes_max: META_BYTES_MAX,
            payload_bytes_max: 1 << 26,
        };
        let mut buffer = BytesMut::new();
        let mut streams: HashMap<u64, mpsc::UnboundedSender<u64>> = HashMap::new();
        let mut tasks = JoinSet::new();
        loop {
            while buffer.len() < HEADER_BYTES {
                (socket.read_buf(&mut buffer).await.ok()? > 0).then_some(())?;
            }
            let header = Header::parse(&buffer, limits).unwrap();
            while buffer.len() < header.frame_bytes() {
                (socket.read_buf(&mut buffer).await.ok()? > 0).then_some(())?;
            }
            let frame = buffer.split_to(header.frame_bytes()).freeze();
            let meta = Meta::of(header, &frame).unwrap();
            let payload = frame.slice(header.payload_at()..);
            match Api::from_number(header.api).unwrap() {
                Api::Produce => self.produce(&meta, &payload, &out).await?,
                Api::Subscribe => {
                    let (credit, given) = mpsc::unbounded_channel();
                    streams.insert(header.correlation, credit);
                    tasks.spawn(self.clone().stream(meta, out.clone(), given));
                }
                Api::Credit => {
                    let request = meta.read::<CreditRequest>().unwrap();
                    let stream = streams.get(&request.subscription.to_native());
                    stream.map(|s| s.send(request.bytes.to_native()));
                }
                Api::Unsubscribe => {
                    let request = meta.read::<UnsubscribeRequest>().unwrap();
                    streams.remove(&request.subscription.to_native());
                }
                api => out.send(self.answer(api, &meta)).ok()?,
            }
        }
    }

    fn answer(&self, api: Api, meta: &Meta) -> Vec<Bytes> {
        let mut state = lock(&self.state);
        let correlation = meta.header().correlation;
        match api {
            Api::Hello => {
                let ranges = state.ranges.iter().map(|r| Range {
                    api: r.api,
                    min: r.min,
                    max: r.max,
                });
                let hello = HelloResponse {
                    error: 0,
                    message: String::new(),
                    node: 3,
                    cluster: [1; 16],
                    ranges: ranges.collect(),
                    host: "127.0.0.1".into(),
                    ports: state.ports.clone(),
                    core: self.core,
                    payload_bytes_max: 1 << 26,
                    topics: vec![],
                };
                encode(correlation, 0, &hello, vec![]).unwrap()
            }
            Api::Metadata => {
                let asked = meta.read::<MetadataRequest>().unwrap();
                let known = vec![state.topic()];
                let topics = match asked.topics.as_ref() {
                    None => known,
                    Some(names) => names.iter().map(|n| state.named(n.as_str())).collect(),
                };
                let metadata = MetadataResponse {
                    error: 0,
                    message: String::new(),
                    topics,
                };
                encode(correlation, 0, &metadata, vec![]).unwrap()
            }
            Api::InitProducer => {
                state.next_producer += 1;
                let response = InitProducerResponse {
                    error: 0,
                    id: state.next_producer,
                    epoch: 0,
                };
                encode(correlation, 0, &response, vec![]).unwrap()
            }
            Api::ListOffsets => {
                let asked = meta.read::<ListOffsetsRequest>().unwrap();
                let parts = asked.parts.iter().map(|part| Listed {
                    error: 0,
                    offset: state.logs[&part.partition.to_native()].list(part.time.to_native()),
                    time: -1,
                    epoch: -1,
                });
                let response = ListOffsetsResponse {
                    parts: parts.collect(),
                };
                encode(correlation, 0, &response, vec![]).unwrap()
            }
            api => panic!("{api:?} is not asked for here"),
        }
    }

    async fn produce(&self, meta: &Meta, payload: &Bytes, out: &Out) -> Option<()> {
        let version = meta.header().version;
        let parts: Vec<(i32, Bytes)> = match version {
            1 => slices(&meta.read::<ProduceRequest>().unwrap().parts, payload),
            _ => slices(&meta.read::<v2::ProduceRequest>().unwrap().parts, payload),
        };
        let mut produced = Vec::new();
        let mut broken = false;
        {
            let mut state = lock(&self.state);
            state.produces.push((version, parts.len()));
            for (partition, batch) in parts {
                let fate = state.fates.pop_front().unwrap_or(Fate::Sound);
                let mine = state.core_of(partition) == self.core;
                let outcome = match fate {
                    _ if !mine => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
                    Fate::Refused(code) => Err(code),
                    Fate::Lost => {
                        broken = true;
                        break;
                    }
                    Fate::Sound | Fate::Unanswered => {
                        state.logs.get_mut(&partition).unwrap().append(&batch)
                    }
                };
                broken |= fate == Fate::Unanswered;
                produced.push(Produced {
                    error: outcome.err().map_or(0, |code| code.0),
                    base_offset: outcome.unwrap_or(-1),
                });
            }
        }
        self.changed.notify_waiters();
        if broken {
            return None;
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !lock(&self.state).held {
                break;
            }
            changed.await;
        }
        let correlation = meta.header().correlation;
        let response = ProduceResponse { parts: produced };
        let frame = match version {
            1 => encode(correlation, 0, &response, vec![]).unwrap(),
            _ => encode(correlation, 0, &v2::ProduceResponse::from(response), vec![]).unwrap(),
        };
        out.send(frame).ok()
    }

    /// One subscription, until its connection ends or its credit's sender is dropped.
    async fn stream(self, meta: Meta, out: Out, mut given: mpsc::UnboundedReceiver<u64>) {
        let request = meta.read::<SubscribeRequest>().unwrap();
        let mut credit = i64::try_from(request.credit_bytes.to_native()).unwrap();
        let mut places: Vec<(i32, i64)> = Vec::new();
        for part in request.parts.iter() {
            places.push((part.partition.to_native(), part.offset.to_native()));
        }
        let bytes_max = u64::from(request.bytes_max.to_native());
        self.change(|state| {
            state
                .subscribed
                .push((self.core, request.credit_bytes.to_native()))
        });
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            for (at, place) in places.iter_mut().enumerate() {
                while credit > 0
                    && let Some((sent, bytes)) =
                        self.next_frame(at, place, bytes_max.min(credit.unsigned_abs()))
                {
                    let sent_bytes = bytes.iter().map(Bytes::len).sum::<usize>();
                    credit -= i64::try_from(sent_bytes).unwrap();
                    self.change(|state| state.sent_bytes += sent_bytes);
                    let response = SubscribeResponse {
                        error: 0,
                        parts: vec![sent],
                    };
                    let correlation = meta.header().correlation;
                    if out
                        .send(encode(correlation, FLAG_MORE, &response, bytes).unwrap())
                        .is_err()
                    {
                        return;
                    }
                }
            }
            tokio::select! {
                more = given.recv() => match more {
                    Some(more) => credit += i64::try_from(more).unwrap(),
                    None => return,
                },
                () = changed => {}
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_waiters();
    }

    fn next_frame(
        &self,
        at: usize,
        (partition, offset): &mut (i32, i64),
        bytes_max: u64,
    ) -> Option<(Sent, Vec<Bytes>)> {
        let state = lock(&self.state);
        let log = &state.logs[partition];
        let mine = state.core_of(*partition) == self.core;
        let (error, batches, next) = match *offset {
            i64::MAX => return None,
            _ if !mine => (ErrorCode::NOT_LEADER_OR_FOLLOWER, vec![], i64::MAX),
            o if o < log.start || o > log.next => {
                (ErrorCode::OFFSET_OUT_OF_RANGE, vec![], i64::MAX)
            }
            o if o == log.next => return None,
            o => {
                let (batches, next) = log.read(o, bytes_max);
                (ErrorCode::NONE, batches, next)
            }
        };
        *offset = next;
        let bytes = batches.iter().map(Bytes::len).sum::<usize>();
        let fetched = Fetched {
            error: error.0,
            high_watermark: log.next,
            log_start: log.start,
            position: 0,
            bytes: u32::try_from(bytes).unwrap(),
        };
        let part = u32::try_from(at).unwrap();
        Some((Sent { part, fetched }, batches))
    }
}

impl State {
    fn core_of(&self, partition: i32) -> u16 {
        let cores = i32::try_from(self.ports.len()).unwrap();
        u16::try_from((partition + self.shift) % cores).unwrap()
    }

    fn topic(&self) -> Topic {
        let partitions = self.logs.keys().map(|index| Partition {
            index: *index,
            leader: 3,
            epoch: 1,
            core: self.core_of(*index),
        });
        Topic {
            name: TOPIC.into(),
            id: ID,
            error: 0,
            partitions: partitions.collect(),
        }
    }

    fn named(&self, name: &str) -> Topic {
        match name == TOPIC {
            true => self.topic(),
            false => Topic {
                name: name.into(),
                id: [0; 16],
                error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
                partitions: vec![],
            },
        }
    }

    pub(crate) fn add_partition(&mut self) {
        let next = i32::try_from(self.logs.len()).unwrap();
        self.logs.insert(next, Log::default());
    }
}

fn slices(parts: &[ArchivedProducePart], payload: &Bytes) -> Vec<(i32, Bytes)> {
    let each = parts.iter().map(|part| {
        assert_eq!(part.topic, ID);
        let begin = part.position.to_native() as usize;
        let end = begin + part.bytes.to_native() as usize;
        (part.partition.to_native(), payload.slice(begin..end))
    });
    each.collect()
}
