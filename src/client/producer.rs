//! Writing records.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{Offset, PartitionIndex, ProducerEpoch, ProducerId, TimestampMs, entropy};
use corelog_record::{Codec, Header, Sticky, key_partition, record_bytes_max};
use corelog_wire::kafka::{InitProducerIdRequest, InitProducerIdResponse};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::backoff::Backoff;
use crate::error::check;
use crate::lane::Lane;
use crate::pool::Pool;
use crate::{Client, Error, Kind, TopicFilter, TopicPartition};

/// Whose acknowledgement counts as delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acks {
    /// Nobody's: a record counts as delivered when it is sent.
    None,
    Leader,
    /// All in-sync replicas'.
    All,
}

impl Acks {
    pub(crate) fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// Bounds and habits of a producer.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    pub acks: Acks,
    pub codec: Codec,
    /// Retries never write twice. Needs `Acks::All`.
    pub idempotent: bool,
    /// Records of one batch, uncompressed. One record that is larger goes alone.
    pub batch_bytes_max: usize,
    /// Records that are not delivered yet, in all; `send` waits for room.
    pub buffered_bytes_max: u32,
    /// How long a batch is tried.
    pub delivery_timeout: Duration,
    /// Lets brokers create a topic that is missing.
    pub create_topics: bool,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            codec: Codec::None,
            idempotent: true,
            batch_bytes_max: 1_000_000,
            buffered_bytes_max: 32 << 20,
            delivery_timeout: Duration::from_secs(120),
            create_topics: false,
        }
    }
}

/// A record to write.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NewRecord {
    pub topic: String,
    /// None: by the key as Java's client does, or where there is no key, by turns.
    pub partition: Option<PartitionIndex>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// None: now.
    pub timestamp: Option<TimestampMs>,
}

/// Where a record went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivered {
    pub partition: Arc<TopicPartition>,
    /// None with `Acks::None`, and where the broker knew the batch from an earlier try without
    /// saying its place.
    pub offset: Option<Offset>,
    pub timestamp: TimestampMs,
}

/// Resolves when a record is delivered or given up. Dropping it changes nothing.
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<Delivered, Error>>);

impl Future for Delivery {
    type Output = Result<Delivered, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|result| result.unwrap_or_else(|_| Err(closed())))
    }
}

fn closed() -> Error {
    Error::new(Kind::Closed, "the producer was closed")
}

/// A record on its way, with its share of the buffer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) record: NewRecord,
    pub(crate) timestamp: TimestampMs,
    pub(crate) delivered: oneshot::Sender<Result<Delivered, Error>>,
    pub(crate) _room: OwnedSemaphorePermit,
}

impl Pending {
    /// What the record takes in a batch at most.
    pub(crate) fn bytes(&self) -> usize {
        record_bytes(&self.record)
    }
}

fn record_bytes(record: &NewRecord) -> usize {
    record_bytes_max(
        record.key.as_deref(),
        record.value.as_deref(),
        &headers(record),
    )
}

pub(crate) fn headers(record: &NewRecord) -> Vec<Header<'_>> {
    let each = record.headers.iter();
    each.map(|(key, value)| Header {
        key,
        value: value.as_deref(),
    })
    .collect()
}

/// Writes records to any topic. Each partition has its own lane: one batch in flight, and the next
/// fills meanwhile, so order is kept and batches grow with the load. Clones share the lanes.
#[derive(Clone, Debug)]
pub struct Producer {
    shared: Arc<Shared>,
}

/// What lanes and callers share.
#[derive(Debug)]
struct Shared {
    parts: Arc<Parts>,
    lanes: Mutex<BTreeMap<TopicPartition, mpsc::UnboundedSender<Pending>>>,
    /// One a topic, for records without a key.
    sticky: Mutex<BTreeMap<String, Sticky>>,
    room: Arc<Semaphore>,
}

/// What a lane needs.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) options: ProducerOptions,
    pub(crate) pool: Pool,
    pub(crate) identity: OnceCell<Identity>,
}

/// What makes retries recognisable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
}

/// What a record takes in memory beside its bytes.
const RECORD_OVERHEAD_BYTES: usize = 128;

impl Producer {
    /// A producer. Nothing is sent before the first record.
    ///
    /// # Errors
    /// `Invalid` for options that contradict each other.
    pub fn new(client: &Client, options: ProducerOptions) -> Result<Self, Error> {
        if options.idempotent && options.acks != Acks::All {
            let what = "an idempotent producer needs acks from all replicas";
            return Err(Error::new(Kind::Invalid, what));
        }
        let room = usize::try_from(options.buffered_bytes_max).unwrap_or(usize::MAX);
        let parts = Arc::new(Parts {
            client: client.clone(),
            options,
            pool: Pool::default(),
            identity: OnceCell::new(),
        });
        Ok(Self {
            shared: Arc::new(Shared {
                parts,
                lanes: Mutex::default(),
                sticky: Mutex::default(),
                room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            }),
        })
    }

    /// Hands a record over, waiting for room in the buffer and, the first time, for what is known of
    /// its topic. Records of one partition are written in the order of these calls.
    ///
    /// # Errors
    /// `Invalid` for a record that no buffer holds or a partition that the topic does not have; an
    /// unknown topic.
    pub async fn send(&self, record: NewRecord) -> Result<Delivery, Error> {
        let bytes = record_bytes(&record);
        let held = u32::try_from(bytes.saturating_add(RECORD_OVERHEAD_BYTES))
            .ok()
            .filter(|held| *held <= self.shared.parts.options.buffered_bytes_max)
            .ok_or_else(|| Error::new(Kind::Invalid, "the record is larger than the buffer"))?;
        let partition = self.choose(&record, bytes).await?;
        let room = Arc::clone(&self.shared.room).acquire_many_owned(held).await;
        let (to, from) = oneshot::channel();
        let pending = Pending {
            timestamp: record.timestamp.unwrap_or_else(now),
            record,
            delivered: to,
            _room: room.map_err(|_| closed())?,
        };
        self.lane(partition).send(pending).map_err(|_| closed())?;
        Ok(Delivery(from))
    }

    async fn choose(&self, record: &NewRecord, bytes: usize) -> Result<TopicPartition, Error> {
        let count = self.partition_count(&record.topic).await?;
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) if partition.0 < 0 || partition.0 >= count => {
                let topic = &record.topic;
                let context = format!(
                    "topic '{topic}' has no partition {partition}: it has {count}, from 0 on"
                );
                return Err(Error::new(Kind::Invalid, context));
            }
            (Some(partition), _) => partition,
            (None, Some(key)) => key_partition(key, count),
            (None, None) => {
                let sticky = self.shared.sticky.lock();
                let mut sticky = sticky.unwrap_or_else(PoisonError::into_inner);
                let topic = sticky.entry(record.topic.clone());
                let sticky = topic.or_insert_with(|| Sticky::new(entropy()));
                sticky.next(bytes, count)
            }
        };
        Ok(TopicPartition::new(record.topic.clone(), partition))
    }

    /// How many partitions the topic has; at least one.
    async fn partition_count(&self, topic: &str) -> Result<i32, Error> {
        let parts = &self.shared.parts;
        let counted = |partitions: usize| i32::try_from(partitions).ok().filter(|count| *count > 0);
        if let Some(known) = parts.client.known().topics.get(topic)
            && let Some(count) = counted(known.partitions.len())
        {
            return Ok(count);
        }
        let names = [topic];
        let filter = if parts.options.create_topics {
            TopicFilter::OrCreate(&names)
        } else {
            TopicFilter::Named(&names)
        };
        let topics = parts.client.topics(filter).await?;
        let found = topics.get(topic).map(|topic| topic.partitions.len());
        found
            .and_then(counted)
            .ok_or_else(|| Error::new(Kind::Protocol, format!("topic '{topic}' has no partitions")))
    }

    fn lane(&self, partition: TopicPartition) -> mpsc::UnboundedSender<Pending> {
        let lanes = self.shared.lanes.lock();
        let mut lanes = lanes.unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(partition.clone()).or_insert_with(|| {
            // Unbounded in length, bounded in bytes: each record holds its room.
            let (to, from) = mpsc::unbounded_channel();
            let parts = Arc::clone(&self.shared.parts);
            tokio::spawn(Lane::new(parts, partition).run(from));
            to
        });
        lane.clone()
    }

    /// Waits until every record handed over so far is delivered or given up.
    ///
    /// # Errors
    /// `Closed`.
    pub async fn flush(&self) -> Result<(), Error> {
        // Room is given in order: all of it is free once all earlier records have left.
        let all = self.shared.parts.options.buffered_bytes_max;
        let room = self.shared.room.acquire_many(all).await;
        room.map(drop).map_err(|_| closed())
    }
}

impl Parts {
    /// The producer's identity, asked for once.
    pub(crate) async fn identity(&self) -> Result<Identity, Error> {
        let found = self.identity.get_or_try_init(|| self.new_identity());
        found.await.copied()
    }

    /// Another identity, from any broker.
    pub(crate) async fn new_identity(&self) -> Result<Identity, Error> {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            ..Default::default()
        };
        let mut backoff = Backoff::new(self.client.options());
        loop {
            let asked = self.client.call_any(&request).await;
            match asked.and_then(|reply| identity_of(&reply.read()?)) {
                Ok(identity) => return Ok(identity),
                Err(error) => self.client.recover(&mut backoff, error).await?,
            }
        }
    }
}

fn identity_of(response: &InitProducerIdResponse) -> Result<Identity, Error> {
    check(response.error_code, None, || {
        "get a producer id".to_string()
    })?;
    Ok(Identity {
        id: ProducerId(response.producer_id),
        epoch: ProducerEpoch(response.producer_epoch),
    })
}

/// The wall clock.
fn now() -> TimestampMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |time| time.as_millis());
    TimestampMs(i64::try_from(millis).unwrap_or(i64::MAX))
}
