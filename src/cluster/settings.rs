//! What configurations mean: typed, in units, resolved through all layers.

use std::time::Duration;

use crate::config::{Layers, broker_definition, topic_definition};
use crate::image::Configs;

/// When a record counts as stored. The choice of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// Flushed to the disk before it is acknowledged: survives power loss.
    #[default]
    Disk,
    /// Written by direct I/O: survives the process, not power loss.
    Written,
    /// In memory, written soon after.
    Memory,
}

impl Durability {
    /// As it is configured.
    pub fn name(self) -> &'static str {
        match self {
            Durability::Disk => "disk",
            Durability::Written => "written",
            Durability::Memory => "memory",
        }
    }
}

/// Which codec a topic's batches are stored with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// As the producer sent them.
    #[default]
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// How old records go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cleanup {
    /// Retention by time and size.
    pub delete: bool,
    /// The last value of each key stays; a record without a key is refused.
    pub compact: bool,
}

/// How a compacted topic is compacted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compaction {
    /// A record stays uncompacted at least this long.
    pub lag_min: Duration,
    /// And at most this long; None is any.
    pub lag_max: Option<Duration>,
    /// How much of the bytes must be uncompacted before the next pass, in millionths.
    pub dirty_ppm_min: u32,
    /// How long markers of deleted keys stay once they are compacted.
    pub delete_retention: Duration,
}

/// What a topic's partitions obey.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicSettings {
    pub durability: Durability,
    pub segment_bytes: u64,
    pub segment_age: Duration,
    /// None keeps any amount.
    pub retention_bytes: Option<u64>,
    /// None keeps for ever.
    pub retention_age: Option<Duration>,
    pub cleanup: Cleanup,
    pub compaction: Compaction,
    /// The largest record batch, all of it, in bytes.
    pub message_bytes_max: u32,
    pub compression: Compression,
    /// The broker stamps the time of the append (LogAppendTime).
    pub append_time: bool,
    /// How far a record's time may lie behind the broker's; None is any.
    pub timestamp_before_max: Option<Duration>,
    /// How far a record's time may lie ahead of the broker's; None is any.
    pub timestamp_after_max: Option<Duration>,
    pub min_insync_replicas: u32,
}

/// What a broker obeys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerSettings {
    pub auto_create_topics: bool,
    pub delete_topics: bool,
    /// Of a topic created without a count.
    pub partitions_default: u32,
    /// Of a topic created without a factor.
    pub replication_default: u16,
    /// A replica that has not caught up for this long is out of sync.
    pub replica_lag_time_max: Duration,
    /// The largest request, in bytes.
    pub request_bytes_max: u32,
    /// A connection without a request for this long is closed; None keeps it.
    pub connection_idle_max: Option<Duration>,
    /// An idempotent producer that writes nothing for this long is forgotten.
    pub producer_id_expiration: Duration,
    /// How often a compacted partition is looked at.
    pub compaction_backoff: Duration,
    pub groups: GroupLimits,
    pub transactions: TransactionLimits,
}

/// What coordinators of transactions obey.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionLimits {
    /// The longest that a producer may ask for.
    pub timeout_max: Duration,
    /// How long an unused transactional id is kept.
    pub id_expiration: Duration,
    /// Partitions of the internal topic, when it is made.
    pub state_partitions: u32,
}

/// What coordinators of groups obey.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupLimits {
    pub session_min: Duration,
    pub session_max: Duration,
    /// How long an empty classic group waits for more members.
    pub initial_delay: Duration,
    /// Members of one group.
    pub members_max: u32,
    /// Of what is committed with an offset.
    pub offset_metadata_bytes_max: u32,
    /// How long offsets outlive their group's last member.
    pub offsets_retention: Duration,
    /// Partitions of the internal topic, when it is made.
    pub offsets_partitions: u32,
    pub consumer_session: Duration,
    pub consumer_heartbeat: Duration,
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

/// Kafka writes "no bound" as a negative number or the largest one.
fn bounded(value: i64) -> Option<Duration> {
    (value >= 0 && value != i64::MAX).then(|| millis(value))
}

impl TopicSettings {
    pub(crate) fn resolve(configs: &Configs, layers: &Layers<'_>) -> Self {
        let text = |name| layers.topic_value(configs, topic_definition(name));
        let long = |name: &'static str| number(name, &text(name));
        let cleanup = text("cleanup.policy");
        let policy = |which| cleanup.split(',').any(|part| part.trim() == which);
        Self {
            durability: match text("durability").as_str() {
                "written" => Durability::Written,
                "memory" => Durability::Memory,
                _ => Durability::Disk,
            },
            segment_bytes: u64::try_from(long("segment.bytes")).unwrap_or(0),
            segment_age: millis(long("segment.ms")),
            retention_bytes: u64::try_from(long("retention.bytes")).ok(),
            retention_age: bounded(long("retention.ms")),
            cleanup: Cleanup {
                delete: policy("delete"),
                compact: policy("compact"),
            },
            compaction: Compaction {
                lag_min: millis(long("min.compaction.lag.ms")),
                lag_max: bounded(long("max.compaction.lag.ms")),
                dirty_ppm_min: millionths(&text("min.cleanable.dirty.ratio")),
                delete_retention: millis(long("delete.retention.ms")),
            },
            message_bytes_max: u32::try_from(long("max.message.bytes")).unwrap_or(0),
            compression: match text("compression.type").as_str() {
                "uncompressed" => Compression::Uncompressed,
                "gzip" => Compression::Gzip,
                "snappy" => Compression::Snappy,
                "lz4" => Compression::Lz4,
                "zstd" => Compression::Zstd,
                _ => Compression::Producer,
            },
            append_time: text("message.timestamp.type") == "LogAppendTime",
            timestamp_before_max: bounded(long("message.timestamp.before.max.ms")),
            timestamp_after_max: bounded(long("message.timestamp.after.max.ms")),
            min_insync_replicas: u32::try_from(long("min.insync.replicas")).unwrap_or(1),
        }
    }
}

impl BrokerSettings {
    pub(crate) fn resolve(layers: &Layers<'_>) -> Self {
        let text = |name| {
            let definition = broker_definition(name).expect("a name of the table");
            layers.broker_value(definition).unwrap_or_default()
        };
        let long = |name: &'static str| number(name, &text(name));
        Self {
            auto_create_topics: text("auto.create.topics.enable") == "true",
            delete_topics: text("delete.topic.enable") == "true",
            partitions_default: u32::try_from(long("num.partitions")).unwrap_or(1),
            replication_default: u16::try_from(long("default.replication.factor")).unwrap_or(1),
            replica_lag_time_max: millis(long("replica.lag.time.max.ms")),
            request_bytes_max: u32::try_from(long("socket.request.max.bytes")).unwrap_or(0),
            connection_idle_max: bounded(long("connections.max.idle.ms")),
            producer_id_expiration: millis(long("producer.id.expiration.ms")),
            compaction_backoff: millis(long("log.cleaner.backoff.ms")),
            transactions: TransactionLimits {
                timeout_max: millis(long("transaction.max.timeout.ms")),
                id_expiration: millis(long("transactional.id.expiration.ms")),
                state_partitions: u32::try_from(long("transaction.state.log.num.partitions"))
                    .unwrap_or(1),
            },
            groups: GroupLimits {
                session_min: millis(long("group.min.session.timeout.ms")),
                session_max: millis(long("group.max.session.timeout.ms")),
                initial_delay: millis(long("group.initial.rebalance.delay.ms")),
                members_max: u32::try_from(long("group.max.size")).unwrap_or(u32::MAX),
                offset_metadata_bytes_max: u32::try_from(long("offset.metadata.max.bytes"))
                    .unwrap_or(0),
                offsets_retention: millis(long("offsets.retention.minutes") * 60_000),
                offsets_partitions: u32::try_from(long("offsets.topic.num.partitions"))
                    .unwrap_or(1),
                consumer_session: millis(long("group.consumer.session.timeout.ms")),
                consumer_heartbeat: millis(long("group.consumer.heartbeat.interval.ms")),
            },
        }
    }
}

/// A fraction that passed the definition's check.
fn millionths(text: &str) -> u32 {
    let fraction: f64 = text.parse().unwrap_or(1.0);
    // Between 0 and 1, so that it fits.
    (fraction.clamp(0.0, 1.0) * 1e6).round() as u32
}

/// # Panics
/// If it is no number: layers give only values that pass the definition's check.
fn number(name: &str, text: &str) -> i64 {
    text.parse()
        .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}"))
}
