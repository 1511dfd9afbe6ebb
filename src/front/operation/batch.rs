//! What a topic asks of a batch before it is submitted.

use std::time::Duration;

use bytes::BytesMut;
use corelog_base::{PartitionIndex, TimestampMs, TopicId};
use corelog_broker::{Broker, PartitionKey};
use corelog_cluster::{Compression, TopicSettings, is_internal};
use corelog_record::{BatchHeader, Codec, Kind, Policy, recompress, validate};
use corelog_rt::Runtime;
use corelog_wire::kafka::ErrorCode;

use super::Fault;
use super::error::batch_code;

/// How a client names a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TopicRef<'a> {
    Name(&'a str),
    Id(TopicId),
}

/// Whether a client may send zstd: those that cannot read it may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Zstd {
    Taken,
    Refused,
}

/// Why a partition's batch is not submitted.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// The record at fault, counted from 0.
    pub(crate) record: Option<i32>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            record: None,
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Fault::from(code).into()
    }
}

impl From<corelog_record::Error> for Refusal {
    fn from(error: corelog_record::Error) -> Self {
        Self {
            fault: Fault::new(batch_code(error.kind), error.to_string()),
            record: error.record.and_then(|record| i32::try_from(record).ok()),
        }
    }
}

/// A batch that may be submitted.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) key: PartitionKey,
    pub(crate) header: BatchHeader,
    pub(crate) recompressed: Option<BytesMut>,
}

/// Of one topic, for one request.
pub(crate) struct Rules {
    topic: TopicId,
    zstd: Zstd,
    batch_bytes_max: usize,
    policy: Policy,
    /// Store with this codec, whatever is sent.
    codec: Option<Codec>,
}

impl Rules {
    /// The rules of a topic. What is decompressed takes `decompressed_bytes_max` at most.
    pub(crate) fn of<R: Runtime>(
        broker: &Broker<R>,
        topic: TopicRef<'_>,
        zstd: Zstd,
        decompressed_bytes_max: u32,
    ) -> Result<Rules, Refusal> {
        let now = broker.runtime().wall();
        let cap = decompressed_bytes_max as usize;
        broker.image(|image| {
            let topic = match topic {
                TopicRef::Id(id) => image.topic(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?,
                TopicRef::Name(name) => image
                    .topic_named(name)
                    .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?,
            };
            if is_internal(&topic.name) {
                let why = "clients may not write to the broker's own topics";
                return Err(Fault::new(ErrorCode::INVALID_TOPIC_EXCEPTION, why).into());
            }
            Ok(Rules::new(topic.id, topic.settings(), zstd, now, cap))
        })
    }

    fn new(
        topic: TopicId,
        settings: &TopicSettings,
        zstd: Zstd,
        now: TimestampMs,
        decompressed_bytes_max: usize,
    ) -> Rules {
        let millis = |bound: Duration| i64::try_from(bound.as_millis()).unwrap_or(i64::MAX);
        // A topic that stamps its own time takes any.
        let bound = |bound: Option<Duration>| bound.filter(|_| !settings.append_time).map(millis);
        let (before, after) = (
            bound(settings.timestamp_before_max),
            bound(settings.timestamp_after_max),
        );
        Rules {
            topic,
            zstd,
            batch_bytes_max: settings.message_bytes_max as usize,
            policy: Policy {
                walk: settings.append_time,
                keys_required: settings.cleanup.compact,
                timestamp_min: TimestampMs(before.map_or(i64::MIN, |ms| now.0.saturating_sub(ms))),
                timestamp_max: TimestampMs(after.map_or(i64::MAX, |ms| now.0.saturating_add(ms))),
                decompressed_bytes_max,
            },
            codec: match settings.compression {
                Compression::Producer => None,
                Compression::Uncompressed => Some(Codec::None),
                Compression::Gzip => Some(Codec::Gzip),
                Compression::Snappy => Some(Codec::Snappy),
                Compression::Lz4 => Some(Codec::Lz4),
                Compression::Zstd => Some(Codec::Zstd),
            },
        }
    }

    /// Whether a batch may have to be decompressed, which takes the core's time.
    pub(crate) fn may_decompress(&self) -> bool {
        self.policy.walk || self.policy.keys_required || self.codec.is_some()
    }

    /// Checks what was sent for one partition: exactly one good batch of format 2.
    pub(crate) fn check(&self, partition: i32, bytes: &[u8]) -> Result<Checked, Refusal> {
        check_shape(bytes)?;
        self.check_size(bytes)?;
        let header = validate(bytes, &self.policy)?;
        let codec = header.attributes.codec()?;
        if codec == Codec::Zstd && self.zstd == Zstd::Refused {
            let why = "zstd needs Produce version 7 or later";
            return Err(Fault::new(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, why).into());
        }
        let mut checked = Checked {
            key: PartitionKey {
                topic: self.topic,
                partition: PartitionIndex(partition),
            },
            header,
            recompressed: None,
        };
        if let Some(wanted) = self.codec.filter(|wanted| *wanted != codec) {
            let batch = recompress(bytes, wanted, self.policy.decompressed_bytes_max)?;
            // What is stored must be within the bound too: consumers size their buffers by it.
            self.check_size(&batch)?;
            checked.header = BatchHeader::parse(&batch)?;
            checked.recompressed = Some(batch);
        }
        Ok(checked)
    }

    fn check_size(&self, batch: &[u8]) -> Result<(), Refusal> {
        let (bytes, bytes_max) = (batch.len(), self.batch_bytes_max);
        if bytes <= bytes_max {
            return Ok(());
        }
        let why = format!("the batch has {bytes} bytes, and max.message.bytes is {bytes_max}");
        Err(Fault::new(ErrorCode::MESSAGE_TOO_LARGE, why).into())
    }
}

/// Tells what is no single batch of format 2 (87) from what is one and damaged (2).
fn check_shape(bytes: &[u8]) -> Result<(), Refusal> {
    /// Where formats 0, 1 and 2 have their number.
    const MAGIC_AT: usize = 16;
    let refuse = |why: &str| Err(Fault::new(ErrorCode::INVALID_RECORD, why).into());
    if bytes.is_empty() {
        return refuse("a partition needs exactly one batch, and there is none");
    }
    if bytes.get(MAGIC_AT).is_some_and(|magic| *magic < 2) {
        return refuse("batches of format 0 and 1 are not taken");
    }
    if let Ok(first) = BatchHeader::parse(bytes) {
        let rest = bytes.get(first.batch_bytes as usize..).unwrap_or_default();
        if BatchHeader::parse(rest).is_ok() {
            return refuse("a partition needs exactly one batch, and there are more");
        }
        if let Err(error) = first.attributes.codec() {
            debug_assert_eq!(error.kind, Kind::Codec);
            let why = error.to_string();
            return Err(Fault::new(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, why).into());
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "batch_test.rs"]
mod tests;
