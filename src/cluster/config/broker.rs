//! The table of broker configurations that DescribeConfigs lists.
//!
//! `Told` rows say what this broker does under the name that tools know; they cannot be set, for
//! nothing would read them. `File` rows are read at start, `Dynamic` ones at any time.

use super::topic::{CODECS, DURABILITIES, POLICIES, TIMESTAMPS};
use super::{Access, Check, ConfigType, Definition};
use Access::{Dynamic, File, Told};
use ConfigType::{Boolean, Double, Int, List, Long, Short, String};

const MAX: i64 = i64::MAX;
const INT_MAX: i64 = i32::MAX as i64;

const fn row(
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    check: Check,
    access: Access,
    documentation: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default,
        check,
        access,
        synonyms: &[],
        documentation,
    }
}

const fn told(
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    documentation: &'static str,
) -> Definition {
    row(name, kind, default, Check::Any, Told, documentation)
}

const DEFAULT_OF_TOPICS: &str = "The default of the topic configuration of the same meaning.";
const NOT_READ: &str = "The default of a topic configuration that has no effect here.";

/// Sorted by name.
static DEFINITIONS: &[Definition] = &[
    told(
        "advertised.listeners",
        List,
        Some(""),
        "Where clients connect: --advertise-kafka.",
    ),
    row(
        "auto.create.topics.enable",
        Boolean,
        Some("true"),
        Check::Any,
        File,
        "Whether asking for a topic's metadata creates it. Off by default when the broker listens beyond loopback.",
    ),
    told(
        "auto.leader.rebalance.enable",
        Boolean,
        Some("true"),
        "Leadership moves back to preferred replicas by itself.",
    ),
    told(
        "background.threads",
        Int,
        Some("1"),
        "One thread a core does cold file work.",
    ),
    told(
        "broker.id",
        Int,
        Some("0"),
        "This node's id, kept in its data directory.",
    ),
    told("broker.rack", String, None, "The rack of this node."),
    row(
        "compression.gzip.level",
        Int,
        Some("-1"),
        Check::Range(-1, 9),
        Dynamic,
        NOT_READ,
    ),
    row(
        "compression.lz4.level",
        Int,
        Some("9"),
        Check::Range(1, 17),
        Dynamic,
        NOT_READ,
    ),
    row(
        "compression.type",
        String,
        Some("producer"),
        Check::OneOf(CODECS),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "compression.zstd.level",
        Int,
        Some("3"),
        Check::Range(-131_072, 22),
        Dynamic,
        NOT_READ,
    ),
    row(
        "connections.max.idle.ms",
        Long,
        Some("600000"),
        Check::Range(-1, MAX),
        File,
        "A connection without a request for this long is closed; -1 keeps it.",
    ),
    told(
        "controller.quorum.voters",
        List,
        Some(""),
        "The metadata group is one more group of the brokers; there are no separate controllers.",
    ),
    row(
        "corelog.durability",
        String,
        Some("disk"),
        Check::OneOf(DURABILITIES),
        Dynamic,
        "The durability of topics that have none of their own: disk, written or memory.",
    ),
    row(
        "default.replication.factor",
        Int,
        Some("1"),
        Check::Range(1, 32_767),
        File,
        "How many replicas the partitions of a topic have that is created without a factor.",
    ),
    row(
        "delete.topic.enable",
        Boolean,
        Some("true"),
        Check::Any,
        File,
        "Whether topics may be deleted.",
    ),
    told(
        "fetch.max.bytes",
        Int,
        Some("57671680"),
        "The most that one fetch returns, in bytes; less where memory is short.",
    ),
    row(
        "group.consumer.heartbeat.interval.ms",
        Int,
        Some("5000"),
        Check::Range(1, INT_MAX),
        Dynamic,
        "Heartbeat of members of consumer groups.",
    ),
    row(
        "group.consumer.session.timeout.ms",
        Int,
        Some("45000"),
        Check::Range(1, INT_MAX),
        Dynamic,
        "Session of members of consumer groups.",
    ),
    row(
        "group.initial.rebalance.delay.ms",
        Int,
        Some("3000"),
        Check::Range(0, INT_MAX),
        Dynamic,
        "How long a new group waits for more members.",
    ),
    row(
        "group.max.session.timeout.ms",
        Int,
        Some("1800000"),
        Check::Range(1, INT_MAX),
        Dynamic,
        "The longest session that a member may ask for.",
    ),
    row(
        "group.max.size",
        Int,
        Some("2147483647"),
        Check::Range(1, INT_MAX),
        Dynamic,
        "How many members a group may have.",
    ),
    row(
        "group.min.session.timeout.ms",
        Int,
        Some("6000"),
        Check::Range(1, INT_MAX),
        Dynamic,
        "The shortest session that a member may ask for.",
    ),
    told(
        "inter.broker.listener.name",
        String,
        Some("PLAINTEXT"),
        "How brokers reach each other.",
    ),
    told(
        "listener.security.protocol.map",
        List,
        Some("PLAINTEXT:PLAINTEXT"),
        "The security of each listener.",
    ),
    told(
        "listeners",
        List,
        Some("PLAINTEXT://127.0.0.1:9092"),
        "Where this broker listens: --listen-kafka.",
    ),
    row(
        "log.cleaner.backoff.ms",
        Long,
        Some("15000"),
        Check::Range(0, MAX),
        Dynamic,
        "How often a compacted partition is looked at; at most once a second.",
    ),
    row(
        "log.cleaner.delete.retention.ms",
        Long,
        Some("86400000"),
        Check::Range(0, MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    told(
        "log.cleaner.enable",
        Boolean,
        Some("true"),
        "Compaction cannot be switched off as a whole.",
    ),
    row(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        Some("9223372036854775807"),
        Check::Range(1, MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "log.cleaner.min.cleanable.ratio",
        Double,
        Some("0.5"),
        Check::Fraction,
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "log.cleaner.min.compaction.lag.ms",
        Long,
        Some("0"),
        Check::Range(0, MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    told(
        "log.cleaner.threads",
        Int,
        Some("1"),
        "Each core compacts its own partitions.",
    ),
    row(
        "log.cleanup.policy",
        List,
        Some("delete"),
        Check::Each(POLICIES),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    told(
        "log.dir",
        String,
        Some("corelog-data"),
        "The data directory: --data.",
    ),
    told("log.dirs", String, None, "The data directory: --data."),
    row(
        "log.flush.interval.messages",
        Long,
        Some("9223372036854775807"),
        Check::Range(1, MAX),
        Dynamic,
        NOT_READ,
    ),
    row(
        "log.flush.interval.ms",
        Long,
        Some("9223372036854775807"),
        Check::Range(0, MAX),
        Dynamic,
        NOT_READ,
    ),
    row(
        "log.index.interval.bytes",
        Int,
        Some("4096"),
        Check::Range(0, INT_MAX),
        Dynamic,
        NOT_READ,
    ),
    row(
        "log.index.size.max.bytes",
        Int,
        Some("10485760"),
        Check::Range(4, INT_MAX),
        Dynamic,
        NOT_READ,
    ),
    row(
        "log.local.retention.bytes",
        Long,
        Some("-2"),
        Check::Range(-2, MAX),
        Dynamic,
        NOT_READ,
    ),
    row(
        "log.local.retention.ms",
        Long,
        Some("-2"),
        Check::Range(-2, MAX),
        Dynamic,
        NOT_READ,
    ),
    row(
        "log.message.timestamp.after.max.ms",
        Long,
        Some("3600000"),
        Check::Range(0, MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "log.message.timestamp.before.max.ms",
        Long,
        Some("9223372036854775807"),
        Check::Range(0, MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "log.message.timestamp.type",
        String,
        Some("CreateTime"),
        Check::OneOf(TIMESTAMPS),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "log.preallocate",
        Boolean,
        Some("false"),
        Check::Any,
        Dynamic,
        NOT_READ,
    ),
    row(
        "log.retention.bytes",
        Long,
        Some("-1"),
        Check::Range(-1, MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    told(
        "log.retention.check.interval.ms",
        Long,
        Some("300000"),
        "How often retention looks at a partition, at most.",
    ),
    row(
        "log.retention.hours",
        Int,
        Some("168"),
        Check::Range(-1, INT_MAX),
        File,
        "The default of retention.ms, in hours; log.retention.minutes and log.retention.ms come before it.",
    ),
    row(
        "log.retention.minutes",
        Int,
        None,
        Check::Range(-1, INT_MAX),
        File,
        "The default of retention.ms, in minutes; log.retention.ms comes before it.",
    ),
    row(
        "log.retention.ms",
        Long,
        None,
        Check::Range(-1, MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "log.roll.hours",
        Int,
        Some("168"),
        Check::Range(1, INT_MAX),
        File,
        "The default of segment.ms, in hours; log.roll.ms comes before it.",
    ),
    row(
        "log.roll.jitter.hours",
        Int,
        Some("0"),
        Check::Range(0, INT_MAX),
        File,
        NOT_READ,
    ),
    row(
        "log.roll.jitter.ms",
        Long,
        None,
        Check::Range(0, MAX),
        Dynamic,
        NOT_READ,
    ),
    row(
        "log.roll.ms",
        Long,
        None,
        Check::Range(1, MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "log.segment.bytes",
        Int,
        Some("1073741824"),
        Check::Range(1 << 20, INT_MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    row(
        "log.segment.delete.delay.ms",
        Long,
        Some("60000"),
        Check::Range(0, MAX),
        Dynamic,
        NOT_READ,
    ),
    told(
        "max.connections",
        Int,
        Some("2147483647"),
        "Connections are bounded by memory and by the limit on open files.",
    ),
    told(
        "max.incremental.fetch.session.cache.slots",
        Int,
        Some("1000"),
        "How many fetch sessions each core keeps.",
    ),
    row(
        "message.max.bytes",
        Int,
        Some("1048588"),
        Check::Range(0, INT_MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    told(
        "metadata.log.dir",
        String,
        None,
        "The metadata lies in the data directory with everything else.",
    ),
    row(
        "min.insync.replicas",
        Int,
        Some("1"),
        Check::Range(1, INT_MAX),
        Dynamic,
        DEFAULT_OF_TOPICS,
    ),
    told(
        "node.id",
        Int,
        Some("0"),
        "This node's id, kept in its data directory.",
    ),
    told(
        "num.io.threads",
        Int,
        Some("1"),
        "Each core is one thread that does its own network and disk work: --cores.",
    ),
    told(
        "num.network.threads",
        Int,
        Some("1"),
        "Each core is one thread that does its own network and disk work: --cores.",
    ),
    row(
        "num.partitions",
        Int,
        Some("1"),
        Check::Range(1, INT_MAX),
        File,
        "How many partitions a topic has that is created without a count.",
    ),
    told(
        "num.recovery.threads.per.data.dir",
        Int,
        Some("2"),
        "Each core recovers its own partitions.",
    ),
    told(
        "num.replica.fetchers",
        Int,
        Some("1"),
        "Replication is pushed by the leader, core to core.",
    ),
    row(
        "offset.metadata.max.bytes",
        Int,
        Some("4096"),
        Check::Range(0, INT_MAX),
        Dynamic,
        "The longest metadata that a committed offset may carry.",
    ),
    told(
        "offsets.commit.timeout.ms",
        Int,
        Some("5000"),
        "How long a commit of offsets may take.",
    ),
    row(
        "offsets.retention.minutes",
        Int,
        Some("10080"),
        Check::Range(1, INT_MAX),
        Dynamic,
        "How long the offsets of an empty group are kept.",
    ),
    row(
        "offsets.topic.num.partitions",
        Int,
        Some("50"),
        Check::Range(1, 10_000),
        Dynamic,
        "Partitions of __consumer_offsets.",
    ),
    told(
        "offsets.topic.replication.factor",
        Short,
        Some("1"),
        "Replicas of __consumer_offsets.",
    ),
    told(
        "offsets.topic.segment.bytes",
        Int,
        Some("104857600"),
        "Segments of __consumer_offsets.",
    ),
    told(
        "process.roles",
        List,
        Some("broker,controller"),
        "Every node is both.",
    ),
    row(
        "producer.id.expiration.ms",
        Int,
        Some("86400000"),
        Check::Range(1, INT_MAX),
        File,
        "An idempotent producer that writes nothing for this long is forgotten.",
    ),
    told(
        "queued.max.requests",
        Int,
        Some("500"),
        "Requests are bounded by memory.",
    ),
    row(
        "replica.lag.time.max.ms",
        Long,
        Some("30000"),
        Check::Range(1, MAX),
        File,
        "A replica that has not caught up for this long is not in sync.",
    ),
    told(
        "request.timeout.ms",
        Int,
        Some("30000"),
        "How long a broker waits for another.",
    ),
    told(
        "sasl.enabled.mechanisms",
        List,
        Some(""),
        "None: there is no authentication yet.",
    ),
    told(
        "security.inter.broker.protocol",
        String,
        Some("PLAINTEXT"),
        "How brokers reach each other.",
    ),
    told(
        "socket.receive.buffer.bytes",
        Int,
        Some("-1"),
        "The kernel decides.",
    ),
    row(
        "socket.request.max.bytes",
        Int,
        Some("104857600"),
        Check::Range(1024, INT_MAX),
        File,
        "The largest request, in bytes; the connection of a larger one is closed.",
    ),
    told(
        "socket.send.buffer.bytes",
        Int,
        Some("-1"),
        "The kernel decides.",
    ),
    row(
        "transaction.max.timeout.ms",
        Int,
        Some("900000"),
        Check::Range(1, INT_MAX),
        Dynamic,
        "The longest transaction that a producer may ask for.",
    ),
    told(
        "transaction.state.log.min.isr",
        Int,
        Some("1"),
        "Of __transaction_state.",
    ),
    row(
        "transaction.state.log.num.partitions",
        Int,
        Some("50"),
        Check::Range(1, 10_000),
        Dynamic,
        "Partitions of __transaction_state.",
    ),
    told(
        "transaction.state.log.replication.factor",
        Short,
        Some("1"),
        "Replicas of __transaction_state.",
    ),
    row(
        "transactional.id.expiration.ms",
        Int,
        Some("604800000"),
        Check::Range(1, INT_MAX),
        Dynamic,
        "How long an unused transactional id is kept.",
    ),
    row(
        "unclean.leader.election.enable",
        Boolean,
        Some("false"),
        Check::Only(
            "false",
            "a replica that lacks acknowledged records never leads",
        ),
        Told,
        "Whether a replica that lacks acknowledged records may lead: never.",
    ),
];

/// Every broker configuration that is listed, sorted by name.
pub fn broker_definitions() -> &'static [Definition] {
    DEFINITIONS
}

pub(crate) fn broker_definition(name: &str) -> Option<&'static Definition> {
    let place = DEFINITIONS.binary_search_by(|d| d.name.cmp(name)).ok()?;
    DEFINITIONS.get(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_and_sound() {
        assert!(DEFINITIONS.is_sorted_by(|a, b| a.name < b.name));
        for definition in DEFINITIONS {
            if let Some(default) = definition.default {
                let parsed = definition.parse(default);
                assert_eq!(parsed.as_deref(), Ok(default), "{}", definition.name);
            }
        }
    }

    #[test]
    fn what_topics_obey_may_be_set() {
        for definition in crate::topic_definitions() {
            for (synonym, _) in definition.synonyms {
                let access = broker_definition(synonym).expect("listed").access;
                let fixed = *synonym == "unclean.leader.election.enable";
                assert_eq!(access == Told, fixed, "{synonym}");
            }
        }
    }
}
