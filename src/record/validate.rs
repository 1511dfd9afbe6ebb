//! Checking a batch: its own integrity, and what a producer may send.

use corelog_base::{ProducerId, TimestampMs, crc32c};

use crate::header::ATTRIBUTES_AT;
use crate::records::section_of;
use crate::{BatchHeader, Codec, Error, Kind, Record, RecordIter};

/// What a topic asks of a producer's batch.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Walk the records even where that means to decompress them. Uncompressed ones always are.
    pub walk: bool,
    /// A compacted topic: each record needs a key. Implies `walk`.
    pub keys_required: bool,
    /// The lowest and highest timestamp that a record may have, both inclusive; -1 (none) always
    /// may. Records that are not walked are judged by the batch's base and max timestamp.
    pub timestamp_min: TimestampMs,
    pub timestamp_max: TimestampMs,
    /// The cap where records are decompressed.
    pub decompressed_bytes_max: usize,
}

impl Default for Policy {
    /// Walks nothing that is compressed, takes any timestamp, and decompresses at most 100 MiB.
    fn default() -> Self {
        Self {
            walk: false,
            keys_required: false,
            timestamp_min: TimestampMs(i64::MIN),
            timestamp_max: TimestampMs(i64::MAX),
            decompressed_bytes_max: 100 << 20,
        }
    }
}

/// Checks what must hold of every batch, stored or received: exactly one whole batch of format 2,
/// the CRC, and counts that can be. Records are not walked. Batches that compaction thinned pass.
///
/// # Errors
/// `Truncated`, `Magic`, `Length` (bytes follow the batch, too), `Count`, `Checksum`.
pub fn verify(batch: &[u8]) -> Result<BatchHeader, Error> {
    let header = BatchHeader::parse(batch)?;
    let whole = header.batch_bytes as usize;
    if batch.len() < whole {
        return Err(Error::new(Kind::Truncated, "the batch is not whole"));
    }
    if batch.len() > whole {
        return Err(Error::new(Kind::Length, "bytes follow the batch"));
    }
    let covered = batch.get(ATTRIBUTES_AT..).unwrap_or_default();
    if crc32c(covered) != header.crc {
        return Err(Error::new(Kind::Checksum, "the batch's CRC does not match"));
    }
    Ok(header)
}

/// Checks a batch that a producer sent: [`verify`], then what Kafka's broker asks of it.
///
/// - `record_count == last_offset_delta + 1`, at least one record, and offsets without gaps;
/// - a known codec; no control batch; append time is the broker's to set;
/// - a producer id comes with an epoch and a sequence;
/// - timestamps in the policy's range; keys where the policy requires them.
///
/// # Errors
/// Those of [`verify`], and `Codec`, `TooLarge`, `NullKey`, `Timestamp`, `Producer`.
pub fn validate(batch: &[u8], policy: &Policy) -> Result<BatchHeader, Error> {
    let header = verify(batch)?;
    check_header(&header, policy)?;
    let codec = header.attributes.codec()?;
    if codec == Codec::None || policy.walk || policy.keys_required {
        let section = section_of(&header, batch, policy.decompressed_bytes_max)?;
        for (index, record) in (0u32..).zip(RecordIter::new(&header, &section)) {
            check_record(&record?, policy).map_err(|error| error.at(index))?;
        }
    }
    Ok(header)
}

fn check_header(header: &BatchHeader, policy: &Policy) -> Result<(), Error> {
    let count = i64::from(header.record_count);
    if count != i64::from(header.last_offset_delta) + 1 {
        let what = "the record count does not match the last offset delta";
        return Err(Error::new(Kind::Count, what));
    }
    if header.attributes.is_control() {
        return Err(Error::new(
            Kind::Producer,
            "a producer may not send control batches",
        ));
    }
    if header.attributes.is_append_time() {
        return Err(Error::new(
            Kind::Timestamp,
            "append time is the broker's to set",
        ));
    }
    let without_sequence = header.producer_epoch.0 < 0 || header.base_sequence < 0;
    if header.producer_id != ProducerId::NONE && (header.producer_id.0 < 0 || without_sequence) {
        let what = "a producer id needs an epoch and a sequence";
        return Err(Error::new(Kind::Producer, what));
    }
    if header.attributes.is_transactional() && header.producer_id == ProducerId::NONE {
        let what = "a transactional batch needs a producer id";
        return Err(Error::new(Kind::Producer, what));
    }
    check_timestamp(header.base_timestamp, policy)?;
    check_timestamp(header.max_timestamp, policy)
}

fn check_record(record: &Record<'_>, policy: &Policy) -> Result<(), Error> {
    if policy.keys_required && record.key.is_none() {
        return Err(Error::new(
            Kind::NullKey,
            "a compacted topic needs a key in each record",
        ));
    }
    check_timestamp(record.timestamp, policy)
}

fn check_timestamp(timestamp: TimestampMs, policy: &Policy) -> Result<(), Error> {
    let permitted = policy.timestamp_min..=policy.timestamp_max;
    if timestamp == TimestampMs::NONE || permitted.contains(&timestamp) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Timestamp,
        "a timestamp is out of the permitted range",
    ))
}
