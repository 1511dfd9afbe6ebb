//! The 61 bytes before the records.

use corelog_base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::cursor::Cursor;
use crate::{Codec, Error, Kind};

/// Positions of what is written in place; the table stands in the crate's documentation.
pub(crate) const LENGTH_AT: usize = 8;
pub(crate) const EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
pub(crate) const CRC_AT: usize = 17;
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const BASE_TIMESTAMP_AT: usize = 27;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
/// Id, epoch and base sequence, one after the other.
pub(crate) const PRODUCER_AT: usize = 43;
pub(crate) const RECORD_COUNT_AT: usize = 57;

/// The bytes that the length field does not count: base offset and itself.
pub(crate) const UNCOUNTED_BYTES: usize = 12;

const _: () = assert!(ATTRIBUTES_AT == CRC_AT + 4 && CRC_AT == MAGIC_AT + 1);
const _: () = assert!(EPOCH_AT == UNCOUNTED_BYTES && MAGIC_AT == EPOCH_AT + 4);

/// Bits 0 to 2 codec, 3 append time, 4 transactional, 5 control, 6 delete horizon.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Attributes(pub i16);

impl Attributes {
    pub(crate) const CODEC_MASK: i16 = 0x07;
    pub(crate) const APPEND_TIME: i16 = 0x08;
    pub(crate) const TRANSACTIONAL: i16 = 0x10;
    pub(crate) const CONTROL: i16 = 0x20;
    pub(crate) const DELETE_HORIZON: i16 = 0x40;

    /// # Errors
    /// `Kind::Codec` for the numbers 5 to 7, which Kafka has not given away.
    pub fn codec(self) -> Result<Codec, Error> {
        Codec::from_bits(self.0 & Self::CODEC_MASK)
            .ok_or(Error::new(Kind::Codec, "the batch names an unknown codec"))
    }

    /// The broker's clock at append counts, not the producer's: all records have max timestamp.
    pub fn is_append_time(self) -> bool {
        self.0 & Self::APPEND_TIME != 0
    }

    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// A mark of the broker's own, such as the end of a transaction; never shown to consumers.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }
}

/// A parsed header. That it parses says nothing about the CRC or the records: see `verify`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// The whole batch, the first 12 bytes included: 61 or more.
    pub batch_bytes: u32,
    pub leader_epoch: LeaderEpoch,
    /// Always 2.
    pub magic: i8,
    pub crc: u32,
    pub attributes: Attributes,
    /// 0 or above.
    pub last_offset_delta: i32,
    pub base_timestamp: TimestampMs,
    pub max_timestamp: TimestampMs,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    /// 0 to `last_offset_delta + 1`: compaction takes records away and leaves the offsets.
    pub record_count: i32,
}

impl BatchHeader {
    pub const BYTES: usize = 61;

    /// Reads the first 61 bytes.
    ///
    /// # Errors
    /// `Truncated` below 61 bytes, `Magic`, `Length` for a length field below what the header
    /// takes, `Count` for counts that contradict each other or offsets that overflow.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() < Self::BYTES {
            return Err(Error::new(
                Kind::Truncated,
                "the batch is shorter than its header",
            ));
        }
        let mut cursor = Cursor::new(bytes);
        let base_offset = i64::from_be_bytes(cursor.array()?);
        let length = i32::from_be_bytes(cursor.array()?);
        let leader_epoch = i32::from_be_bytes(cursor.array()?);
        let magic = i8::from_be_bytes(cursor.array()?);
        if magic != 2 {
            return Err(Error::new(
                Kind::Magic,
                "the batch is not of format version 2",
            ));
        }
        let header = Self {
            base_offset: Offset(base_offset),
            batch_bytes: batch_bytes(length)?,
            leader_epoch: LeaderEpoch(leader_epoch),
            magic,
            crc: u32::from_be_bytes(cursor.array()?),
            attributes: Attributes(i16::from_be_bytes(cursor.array()?)),
            last_offset_delta: i32::from_be_bytes(cursor.array()?),
            base_timestamp: TimestampMs(i64::from_be_bytes(cursor.array()?)),
            max_timestamp: TimestampMs(i64::from_be_bytes(cursor.array()?)),
            producer_id: ProducerId(i64::from_be_bytes(cursor.array()?)),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(cursor.array()?)),
            base_sequence: i32::from_be_bytes(cursor.array()?),
            record_count: i32::from_be_bytes(cursor.array()?),
        };
        header.check_counts()?;
        Ok(header)
    }

    fn check_counts(&self) -> Result<(), Error> {
        if self.last_offset_delta < 0 || self.record_count < 0 {
            return Err(Error::new(Kind::Count, "a count of the batch is negative"));
        }
        if i64::from(self.record_count) > i64::from(self.last_offset_delta) + 1 {
            return Err(Error::new(
                Kind::Count,
                "the batch has more records than offsets",
            ));
        }
        let next = i64::from(self.last_offset_delta) + 1;
        if self.base_offset.0.checked_add(next).is_none() {
            return Err(Error::new(Kind::Count, "the batch's offsets overflow"));
        }
        Ok(())
    }

    /// From when on the batch's tombstones, or the marker that it is, may go: compaction has set it
    /// in place of the base timestamp (KIP-534).
    pub fn delete_horizon(&self) -> Option<TimestampMs> {
        let is_set = self.attributes.0 & Attributes::DELETE_HORIZON != 0;
        is_set.then_some(self.base_timestamp)
    }

    /// The time of a record with this timestamp delta.
    pub(crate) fn time_of(&self, delta: i64) -> Result<TimestampMs, Error> {
        if self.attributes.is_append_time() {
            return Ok(self.max_timestamp);
        }
        self.base_timestamp
            .0
            .checked_add(delta)
            .map(TimestampMs)
            .ok_or(Error::new(
                Kind::Timestamp,
                "a record's timestamp overflows",
            ))
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// The sequence number of the last record; sequences wrap from 2^31 - 1 to 0. -1 without one.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        let wrapped = sum & i64::from(i32::MAX);
        i32::try_from(wrapped).unwrap_or(i32::MAX)
    }
}

fn batch_bytes(length: i32) -> Result<u32, Error> {
    let whole = i64::from(length) + UNCOUNTED_BYTES as i64;
    u32::try_from(whole)
        .ok()
        .filter(|whole| *whole as usize >= BatchHeader::BYTES)
        .ok_or(Error::new(
            Kind::Length,
            "the batch's length is below its header's",
        ))
}
