//! Producers and consumers that write down what they do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use corelog_base::{Offset, PartitionIndex, Random};
use corelog_client::{
    Assignment, Client, ConsumedRecord, Consumer, ConsumerOptions, Delivery, Error, Isolation,
    NewRecord, NewTopic, OffsetAt, Options, Producer, ProducerOptions, Start, TopicFilter,
    TopicPartition,
};
use corelog_wire::kafka::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::value::{bytes_of, value_of};
use crate::{Acks, History, Kind, Op, Place, Seen, pause};

/// What a scenario's clients share.
#[derive(Clone)]
pub struct Bench {
    pub address: String,
    pub topic: String,
    pub partitions: i32,
    history: Arc<Mutex<History>>,
    processes: Arc<AtomicU32>,
    /// How sends that are not ok ended, by the error's code or kind.
    errors: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// How a producer writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Acks all; tries until it is delivered.
    Idempotent,
    /// Tries once.
    Once(Acks),
}

/// All of them, for a mixed load.
pub const STYLES: [Style; 5] = [
    Style::Idempotent,
    Style::Idempotent,
    Style::Once(Acks::Leader),
    Style::Once(Acks::All),
    Style::Once(Acks::Leader),
];

/// How long a client is refused before that counts.
const CONNECT_FOR: Duration = Duration::from_secs(5);

/// Records that a producer has under way.
const OUTSTANDING_MAX: usize = 64;

/// Clients that are at work.
pub struct Load {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Bench {
    pub fn new(address: String, topic: &str, partitions: i32, history: History) -> Self {
        Self {
            address,
            topic: topic.to_owned(),
            partitions,
            history: Arc::new(Mutex::new(history)),
            processes: Arc::default(),
            errors: Arc::default(),
        }
    }

    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sends were not acknowledged, by the error's code or kind.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        let errors = self.errors.lock();
        errors.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count_error(&self, error: &Error) {
        let name = match error.code() {
            Some(code) => code.to_string(),
            None => format!("{:?}", error.kind),
        };
        let errors = self.errors.lock();
        let mut errors = errors.unwrap_or_else(PoisonError::into_inner);
        *errors.entry(name).or_default() += 1;
    }

    pub fn fault(&self, what: impl Into<String>) {
        let what = what.into();
        self.history().add(0, Kind::Info, Op::Fault { what });
    }

    fn process(&self) -> u32 {
        self.processes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A client that tries for `retry_for`.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub async fn client(&self, retry_for: Duration) -> Result<Client, Error> {
        let options = Options {
            retry_for,
            request_timeout: Duration::from_secs(20),
            backoff_min: Duration::from_millis(10),
            backoff_max: Duration::from_millis(100),
            ..Options::default()
        };
        // When a broker has recovered, the listener that said so goes, and with it connections that
        // nobody has taken yet.
        let since = Instant::now();
        loop {
            match Client::connect(&[&self.address], options.clone()).await {
                Err(error) if error.is_retriable() && since.elapsed() < CONNECT_FOR => {
                    pause(Duration::from_millis(10)).await;
                }
                connected => return connected,
            }
        }
    }

    /// Creates the topic and waits for its leaders.
    ///
    /// # Errors
    /// If that is refused.
    pub async fn create_topic(&self, configs: &[(&str, &str)]) -> Result<(), Error> {
        let client = self.client(Duration::from_secs(20)).await?;
        let configs = configs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let topic = NewTopic {
            name: self.topic.clone(),
            partitions: Some(self.partitions),
            replicas: Some(1),
            configs: configs.collect(),
        };
        for (_, created) in client.create_topics(&[topic], false).await? {
            created?;
        }
        let names = [self.topic.as_str()];
        client.topics(TopicFilter::Named(&names)).await.map(drop)
    }

    pub(crate) fn partition(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), PartitionIndex(partition))
    }

    /// Starts one producer of each style and `consumers` readers of everything.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub async fn start(&self, styles: &[Style], consumers: u32, seed: u64) -> Result<Load, Error> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut random = Random::new(seed);
        for style in styles {
            let client = self.client(Duration::from_secs(30)).await?;
            let task = produce(
                self.clone(),
                client,
                *style,
                random.next_u64(),
                stopped.clone(),
            );
            tasks.spawn(task);
        }
        for _ in 0..consumers {
            let client = self.client(Duration::from_secs(30)).await?;
            tasks.spawn(consume(self.clone(), client, stopped.clone()));
        }
        Ok(Load { stop, tasks })
    }

    /// Writes `count` records, one after the other to a random partition each, and waits for all of
    /// them. Gives how many were acknowledged.
    ///
    /// # Errors
    /// If the broker cannot be reached.
    pub async fn write(&self, style: Style, count: u32, seed: u64) -> Result<u32, Error> {
        let client = self.client(Duration::from_secs(30)).await?;
        let mut writer = Writer::new(self.clone(), &client, style, seed);
        for _ in 0..count {
            writer.send().await;
        }
        Ok(writer.finish().await)
    }

    /// Reads every partition from its begin to its end.
    ///
    /// # Errors
    /// What the broker says instead of serving.
    pub async fn read_whole(&self) -> Result<(), Error> {
        let client = self.client(Duration::from_secs(20)).await?;
        let process = self.process();
        for partition in 0..self.partitions {
            let whole = |end| Op::Whole { partition, end };
            self.history().add(process, Kind::Invoke, whole(0));
            let place = self.partition(partition);
            let asked = vec![(place.clone(), OffsetAt::Latest)];
            let mut end = Offset(0);
            for (_, found) in client.list_offsets(asked, Isolation::Uncommitted).await {
                end = found?.offset.unwrap_or_default();
            }
            let mut consumer = self.assign(&client, process, &[(partition, 0)]).await?;
            while consumer.position(&place).is_some_and(|at| at < end) {
                let records = consumer.poll().await?;
                self.polled(process, &records);
            }
            self.history().add(process, Kind::Ok, whole(end.0));
        }
        Ok(())
    }

    /// Reads the first records of each partition, and writes nothing down.
    ///
    /// # Errors
    /// What the broker says instead of serving.
    pub async fn read_first(&self) -> Result<(), Error> {
        let client = self.client(Duration::from_secs(20)).await?;
        for partition in 0..self.partitions {
            let mut consumer = self.consumer(&client, &[(partition, 0)]).await?;
            consumer.poll().await?;
        }
        Ok(())
    }

    async fn assign(
        &self,
        client: &Client,
        process: u32,
        positions: &[(i32, i64)],
    ) -> Result<Consumer, Error> {
        let consumer = self.consumer(client, positions).await?;
        for (partition, offset) in positions {
            let (partition, offset) = (*partition, *offset);
            let op = Op::Assign { partition, offset };
            self.history().add(process, Kind::Ok, op);
        }
        Ok(consumer)
    }

    /// A consumer that writes nothing down.
    ///
    /// # Errors
    /// If the topic is not there.
    pub(crate) async fn consumer(
        &self,
        client: &Client,
        positions: &[(i32, i64)],
    ) -> Result<Consumer, Error> {
        let assignments = positions.iter().map(|(partition, offset)| Assignment {
            partition: self.partition(*partition),
            start: Start::Offset(Offset(*offset)),
        });
        let options = ConsumerOptions {
            fetch_wait: Duration::from_millis(100),
            ..ConsumerOptions::default()
        };
        Consumer::assign(client, options, assignments.collect()).await
    }

    fn polled(&self, process: u32, records: &[ConsumedRecord]) {
        let Some(first) = records.first() else {
            return;
        };
        let seen = records.iter().map(|record| Seen {
            offset: record.offset.0,
            value: record.value.as_deref().and_then(value_of),
        });
        let op = Op::Poll {
            partition: first.partition.partition.0,
            records: seen.collect(),
        };
        self.history().add(process, Kind::Ok, op);
    }
}

impl Load {
    /// Lets the clients end what they have begun, and waits for them.
    ///
    /// # Panics
    /// If a client's task did.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("clients do not panic");
        }
    }
}

/// One producer, with what it has under way.
struct Writer {
    bench: Bench,
    producer: Producer,
    style: Style,
    process: u32,
    next: u64,
    random: Random,
    room: Arc<Semaphore>,
    /// To the task that writes the ends down, in the order of the sends: sends of one partition
    /// end in their order.
    sent: mpsc::UnboundedSender<(Place, Delivery, OwnedSemaphorePermit)>,
    ends: tokio::task::JoinHandle<u32>,
}

impl Writer {
    fn new(bench: Bench, client: &Client, style: Style, seed: u64) -> Self {
        let acks = match style {
            Style::Idempotent | Style::Once(Acks::All) => corelog_client::Acks::All,
            Style::Once(Acks::Leader) => corelog_client::Acks::Leader,
        };
        let idempotent = style == Style::Idempotent;
        let options = ProducerOptions {
            acks,
            idempotent,
            batch_bytes_max: 16 << 10,
            delivery_timeout: Duration::from_secs(if idempotent { 120 } else { 0 }),
            ..ProducerOptions::default()
        };
        let producer = Producer::new(client, options).expect("the options agree");
        let process = bench.process();
        let (sent, ends) = mpsc::unbounded_channel();
        let ends = tokio::spawn(write_ends(bench.clone(), process, style, ends));
        Self {
            bench,
            producer,
            style,
            process,
            next: 0,
            random: Random::new(seed),
            room: Arc::new(Semaphore::new(OUTSTANDING_MAX)),
            sent,
            ends,
        }
    }

    /// Sends one record.
    async fn send(&mut self) {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.expect("it is never closed");
        self.next += 1;
        let value = u64::from(self.process) << 32 | self.next;
        let partition = self
            .random
            .below(self.bench.partitions.unsigned_abs().into());
        let place = Place {
            partition: i32::try_from(partition).expect("it is below an i32"),
            value,
            acks: match self.style {
                Style::Idempotent => Acks::All,
                Style::Once(acks) => acks,
            },
            offset: None,
            transaction: None,
            error: None,
        };
        let invoke = Op::Send(place.clone());
        self.bench.history().add(self.process, Kind::Invoke, invoke);
        let record = NewRecord {
            topic: self.bench.topic.clone(),
            partition: Some(PartitionIndex(place.partition)),
            value: Some(bytes_of(value)),
            ..NewRecord::default()
        };
        match self.producer.send(record).await {
            Ok(delivery) => {
                let _ = self.sent.send((place, delivery, room));
            }
            // It was never handed over.
            Err(error) => {
                let error = Some(error.to_string());
                let op = Op::Send(Place { error, ..place });
                self.bench.history().add(self.process, Kind::Fail, op);
                pause(Duration::from_millis(5)).await;
            }
        }
    }

    /// Waits for all ends; gives how many are ok.
    async fn finish(self) -> u32 {
        drop(self.sent);
        self.ends.await.expect("it does not panic")
    }
}

async fn write_ends(
    bench: Bench,
    process: u32,
    style: Style,
    mut sent: mpsc::UnboundedReceiver<(Place, Delivery, OwnedSemaphorePermit)>,
) -> u32 {
    let mut delivered = 0;
    while let Some((place, delivery, _room)) = sent.recv().await {
        let (kind, place) = match delivery.await {
            Ok(delivered) => {
                let offset = delivered.offset.map(|offset| offset.0);
                (Kind::Ok, Place { offset, ..place })
            }
            Err(error) => {
                bench.count_error(&error);
                let kind = match style {
                    Style::Once(_) if has_no_effect(&error) => Kind::Fail,
                    // An earlier try may have had its effect.
                    _ => Kind::Info,
                };
                let error = Some(error.to_string());
                (kind, Place { error, ..place })
            }
        };
        let failed = kind != Kind::Ok;
        delivered += u32::from(!failed);
        bench.history().add(process, kind, Op::Send(place));
        if failed {
            // A broker that is away refuses thousands of times a second.
            pause(Duration::from_millis(2)).await;
        }
    }
    delivered
}

/// Whether a single try that ended like this has certainly written nothing. A storage error is not
/// among them: a full disk answers it before it appends, a log that fails also after.
fn has_no_effect(error: &Error) -> bool {
    const REFUSED: [ErrorCode; 4] = [
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::MESSAGE_TOO_LARGE,
        ErrorCode::CORRUPT_MESSAGE,
        ErrorCode::INVALID_RECORD,
    ];
    error.kind == corelog_client::Kind::Connect
        || error.code().is_some_and(|code| REFUSED.contains(&code))
}

async fn produce(
    bench: Bench,
    client: Client,
    style: Style,
    seed: u64,
    stopped: watch::Receiver<bool>,
) {
    let mut random = Random::new(seed);
    let mut writer = Writer::new(bench, &client, style, random.next_u64());
    while !*stopped.borrow() {
        for _ in 0..random.below(32) {
            writer.send().await;
        }
        pause(Duration::from_micros(random.below(20_000))).await;
    }
    writer.finish().await;
}

/// Reads everything from the begin on, and goes on where it was after an error.
async fn consume(bench: Bench, client: Client, mut stopped: watch::Receiver<bool>) {
    let process = bench.process();
    let mut positions: BTreeMap<i32, i64> = (0..bench.partitions).map(|p| (p, 0)).collect();
    while !*stopped.borrow() {
        let places: Vec<(i32, i64)> = positions.iter().map(|(p, at)| (*p, *at)).collect();
        let read = read_on(&bench, &client, process, &places, &mut positions);
        let error = tokio::select! {
            Err(error) = read => error,
            _ = stopped.changed() => return,
        };
        bench.fault(format!("consumer {process}: {error}"));
        pause(Duration::from_millis(20)).await;
    }
}

/// Never ends but by an error.
async fn read_on(
    bench: &Bench,
    client: &Client,
    process: u32,
    places: &[(i32, i64)],
    positions: &mut BTreeMap<i32, i64>,
) -> Result<std::convert::Infallible, Error> {
    let mut consumer = bench.assign(client, process, places).await?;
    loop {
        let records = consumer.poll().await?;
        bench.polled(process, &records);
        if let Some(last) = records.last() {
            positions.insert(last.partition.partition.0, last.offset.0 + 1);
        }
    }
}
