//! The table of topic configurations: all of Kafka 4's, and ours.

use super::{Access, Check, ConfigType, Definition};
use ConfigType::{Boolean, Double, Int, List, Long, String};

const MAX: i64 = i64::MAX;
const INT_MAX: i64 = i32::MAX as i64;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

const fn row(
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    check: Check,
    synonyms: &'static [(&'static str, i64)],
    documentation: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default: Some(default),
        check,
        access: Access::Topic,
        synonyms,
        documentation,
    }
}

pub(super) const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
pub(super) const POLICIES: &[&str] = &["delete", "compact"];
pub(super) const TIMESTAMPS: &[&str] = &["CreateTime", "LogAppendTime"];
pub(super) const DURABILITIES: &[&str] = &["disk", "written", "memory"];
const NOT_TIERED: Check = Check::Only("false", "this broker has no tiered storage");

/// Sorted by name.
static DEFINITIONS: &[Definition] = &[
    row(
        "cleanup.policy",
        List,
        "delete",
        Check::Each(POLICIES),
        &[("log.cleanup.policy", 1)],
        "How old records go: delete whole segments by time and size, or compact, which keeps the last value of each key; or both.",
    ),
    row(
        "compression.gzip.level",
        Int,
        "-1",
        Check::Range(-1, 9),
        &[("compression.gzip.level", 1)],
        "The level of gzip where the broker compresses. Accepted; the broker uses its own level.",
    ),
    row(
        "compression.lz4.level",
        Int,
        "9",
        Check::Range(1, 17),
        &[("compression.lz4.level", 1)],
        "The level of lz4 where the broker compresses. Accepted; the broker uses its own level.",
    ),
    row(
        "compression.type",
        String,
        "producer",
        Check::OneOf(CODECS),
        &[("compression.type", 1)],
        "The codec in which batches are stored; 'producer' keeps them as they were sent.",
    ),
    row(
        "compression.zstd.level",
        Int,
        "3",
        Check::Range(-131_072, 22),
        &[("compression.zstd.level", 1)],
        "The level of zstd where the broker compresses. Accepted; the broker uses its own level.",
    ),
    row(
        "delete.retention.ms",
        Long,
        "86400000",
        Check::Range(0, MAX),
        &[("log.cleaner.delete.retention.ms", 1)],
        "How long a compacted topic keeps the markers of deleted keys, and of transactions of which nothing is left, once it was compacted.",
    ),
    row(
        "durability",
        String,
        "disk",
        Check::OneOf(DURABILITIES),
        &[("corelog.durability", 1)],
        "When a record is acknowledged: 'disk' once it is flushed and survives power loss, 'written' once it is written and survives the process, 'memory' at once.",
    ),
    row(
        "file.delete.delay.ms",
        Long,
        "60000",
        Check::Range(0, MAX),
        &[("log.segment.delete.delay.ms", 1)],
        "Accepted without effect: files are removed as soon as nobody reads them.",
    ),
    row(
        "flush.messages",
        Long,
        "9223372036854775807",
        Check::Range(1, MAX),
        &[("log.flush.interval.messages", 1)],
        "Accepted without effect: 'durability' decides when records are flushed.",
    ),
    row(
        "flush.ms",
        Long,
        "9223372036854775807",
        Check::Range(0, MAX),
        &[("log.flush.interval.ms", 1)],
        "Accepted without effect: 'durability' decides when records are flushed.",
    ),
    row(
        "follower.replication.throttled.replicas",
        List,
        "",
        Check::Throttled,
        &[],
        "Accepted without effect: replication is not throttled by replica.",
    ),
    row(
        "index.interval.bytes",
        Int,
        "4096",
        Check::Range(0, INT_MAX),
        &[("log.index.interval.bytes", 1)],
        "Accepted without effect: indexes have an interval of their own.",
    ),
    row(
        "leader.replication.throttled.replicas",
        List,
        "",
        Check::Throttled,
        &[],
        "Accepted without effect: replication is not throttled by replica.",
    ),
    row(
        "local.retention.bytes",
        Long,
        "-2",
        Check::Range(-2, MAX),
        &[("log.local.retention.bytes", 1)],
        "Accepted without effect: nothing is tiered, so all of the log is local.",
    ),
    row(
        "local.retention.ms",
        Long,
        "-2",
        Check::Range(-2, MAX),
        &[("log.local.retention.ms", 1)],
        "Accepted without effect: nothing is tiered, so all of the log is local.",
    ),
    row(
        "max.compaction.lag.ms",
        Long,
        "9223372036854775807",
        Check::Range(1, MAX),
        &[("log.cleaner.max.compaction.lag.ms", 1)],
        "How old a record of a compacted topic gets before its segment is closed and compacted, whatever the share of others.",
    ),
    row(
        "max.message.bytes",
        Int,
        "1048588",
        Check::Range(0, INT_MAX),
        &[("message.max.bytes", 1)],
        "The largest record batch that is taken, in bytes.",
    ),
    row(
        "message.timestamp.after.max.ms",
        Long,
        "3600000",
        Check::Range(0, MAX),
        &[("log.message.timestamp.after.max.ms", 1)],
        "How far a record's time may lie ahead of the broker's clock.",
    ),
    row(
        "message.timestamp.before.max.ms",
        Long,
        "9223372036854775807",
        Check::Range(0, MAX),
        &[("log.message.timestamp.before.max.ms", 1)],
        "How far a record's time may lie behind the broker's clock.",
    ),
    row(
        "message.timestamp.type",
        String,
        "CreateTime",
        Check::OneOf(TIMESTAMPS),
        &[("log.message.timestamp.type", 1)],
        "Whether a record keeps the producer's time or gets that of the append.",
    ),
    row(
        "min.cleanable.dirty.ratio",
        Double,
        "0.5",
        Check::Fraction,
        &[("log.cleaner.min.cleanable.ratio", 1)],
        "How much of a compacted partition's closed segments must be uncompacted before it is compacted again.",
    ),
    row(
        "min.compaction.lag.ms",
        Long,
        "0",
        Check::Range(0, MAX),
        &[("log.cleaner.min.compaction.lag.ms", 1)],
        "The shortest that a record of a compacted topic stays uncompacted.",
    ),
    row(
        "min.insync.replicas",
        Int,
        "1",
        Check::Range(1, INT_MAX),
        &[("min.insync.replicas", 1)],
        "With acks=all, how many replicas must have a record before it is acknowledged.",
    ),
    row(
        "preallocate",
        Boolean,
        "false",
        Check::Any,
        &[("log.preallocate", 1)],
        "Accepted without effect: the journal is always written ahead.",
    ),
    row(
        "remote.log.copy.disable",
        Boolean,
        "false",
        Check::Any,
        &[],
        "Accepted without effect: this broker has no tiered storage.",
    ),
    row(
        "remote.log.delete.on.disable",
        Boolean,
        "false",
        Check::Any,
        &[],
        "Accepted without effect: this broker has no tiered storage.",
    ),
    row(
        "remote.storage.enable",
        Boolean,
        "false",
        NOT_TIERED,
        &[],
        "This broker has no tiered storage.",
    ),
    row(
        "retention.bytes",
        Long,
        "-1",
        Check::Range(-1, MAX),
        &[("log.retention.bytes", 1)],
        "How much a partition keeps, in bytes, before its oldest segments go; -1 is no bound.",
    ),
    row(
        "retention.ms",
        Long,
        "604800000",
        Check::Range(-1, MAX),
        &[
            ("log.retention.ms", 1),
            ("log.retention.minutes", MINUTE),
            ("log.retention.hours", HOUR),
        ],
        "How long a partition keeps records before their segment goes; -1 is for ever.",
    ),
    row(
        "segment.bytes",
        Int,
        "1073741824",
        Check::Range(1 << 20, INT_MAX),
        &[("log.segment.bytes", 1)],
        "The size of a segment, in bytes. Retention takes whole segments.",
    ),
    row(
        "segment.index.bytes",
        Int,
        "10485760",
        Check::Range(4, INT_MAX),
        &[("log.index.size.max.bytes", 1)],
        "Accepted without effect: indexes grow as they must.",
    ),
    row(
        "segment.jitter.ms",
        Long,
        "0",
        Check::Range(0, MAX),
        &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR)],
        "Accepted without effect: cores roll their segments one after another anyway.",
    ),
    row(
        "segment.ms",
        Long,
        "604800000",
        Check::Range(1, MAX),
        &[("log.roll.ms", 1), ("log.roll.hours", HOUR)],
        "The age at which a segment is rolled even if it is not full, so that retention can take it.",
    ),
    row(
        "unclean.leader.election.enable",
        Boolean,
        "false",
        Check::Only(
            "false",
            "a replica that lacks acknowledged records never leads",
        ),
        &[("unclean.leader.election.enable", 1)],
        "Whether a replica that lacks acknowledged records may lead: never.",
    ),
];

/// Every configuration that a topic has, sorted by name.
pub fn topic_definitions() -> &'static [Definition] {
    DEFINITIONS
}

pub(crate) fn find_topic_definition(name: &str) -> Option<&'static Definition> {
    let place = DEFINITIONS.binary_search_by(|d| d.name.cmp(name)).ok()?;
    DEFINITIONS.get(place)
}

/// # Panics
/// If the table does not have the name.
pub(crate) fn topic_definition(name: &str) -> &'static Definition {
    find_topic_definition(name).expect("a name of the table")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, broker_definition};
    use std::collections::BTreeMap;

    #[test]
    fn sorted_sound_and_with_the_default_of_their_synonyms() {
        assert!(DEFINITIONS.is_sorted_by(|a, b| a.name < b.name));
        for definition in DEFINITIONS {
            let default = definition.default.expect("a default");
            assert_eq!(
                definition.parse(default).as_deref(),
                Ok(default),
                "{}",
                definition.name
            );
            let resolved = Layers::default().topic_value(&BTreeMap::new(), definition);
            assert_eq!(resolved, default, "{}", definition.name);
            for (synonym, factor) in definition.synonyms {
                let synonym = broker_definition(synonym).expect("a broker's configuration");
                if *factor == 1 {
                    assert_eq!(synonym.check, definition.check, "{}", definition.name);
                }
            }
        }
    }

    #[test]
    fn all_of_kafka_4_and_ours() {
        assert_eq!(DEFINITIONS.len(), 34);
        assert!(find_topic_definition("retention.ms").is_some());
        assert!(find_topic_definition("retention").is_none());
    }
}
