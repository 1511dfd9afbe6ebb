//! Building a batch record by record.

use bytes::{BufMut, BytesMut};
use corelog_base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::cursor::{put_varlong, varlong_bytes};
use crate::header::{Attributes, LENGTH_AT, UNCOUNTED_BYTES};
use crate::stamp::{put, stamp_crc};
use crate::{BatchHeader, Codec, Error, Header, Kind, compress};

/// The records of a batch take at most this many bytes, so that its length fits an i32 with room.
pub(crate) const RECORDS_BYTES_MAX: usize = 1 << 30;

/// Who wrote a batch, for idempotence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerState {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
    /// The sequence of the batch's first record, 0 or above; -1 without an id.
    pub base_sequence: i32,
}

impl ProducerState {
    pub const NONE: ProducerState = ProducerState {
        id: ProducerId::NONE,
        epoch: ProducerEpoch(-1),
        base_sequence: -1,
    };
}

/// A batch in the making. Its first record gets offset 0 until the broker stamps the batch.
#[derive(Debug)]
pub struct BatchBuilder {
    codec: Codec,
    producer: ProducerState,
    attributes: i16,
    base_offset: Offset,
    epoch: LeaderEpoch,
    base_timestamp: TimestampMs,
    max_timestamp: TimestampMs,
    count: i32,
    /// Room for the header, then the records, uncompressed.
    bytes: BytesMut,
}

impl BatchBuilder {
    pub fn new(codec: Codec) -> Self {
        let mut bytes = BytesMut::new();
        bytes.put_bytes(0, BatchHeader::BYTES);
        Self {
            codec,
            producer: ProducerState::NONE,
            attributes: 0,
            base_offset: Offset(0),
            epoch: LeaderEpoch::UNKNOWN,
            base_timestamp: TimestampMs::NONE,
            max_timestamp: TimestampMs::NONE,
            count: 0,
            bytes,
        }
    }

    /// Marks the batch as written by an idempotent producer.
    pub fn producer(&mut self, producer: ProducerState) -> &mut Self {
        self.producer = producer;
        self
    }

    /// Marks the batch as part of a transaction.
    pub fn transactional(&mut self) -> &mut Self {
        self.attributes |= Attributes::TRANSACTIONAL;
        self
    }

    /// Marks the batch as the broker's own; see [`Attributes::is_control`].
    pub fn control(&mut self) -> &mut Self {
        self.attributes |= Attributes::CONTROL;
        self
    }

    /// Stamps the batch from the start, as [`crate::stamp`] does later.
    pub fn stamp(&mut self, base_offset: Offset, epoch: LeaderEpoch) -> &mut Self {
        self.base_offset = base_offset;
        self.epoch = epoch;
        self
    }

    /// Adds a record at the next offset.
    ///
    /// # Errors
    /// `TooLarge` if the batch would pass 1 GiB or 2^31 - 1 records, `Timestamp` if it is too far
    /// from the first record's. The batch stays as it was.
    pub fn push(
        &mut self,
        timestamp: TimestampMs,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), Error> {
        let base = match self.count {
            0 => timestamp,
            _ => self.base_timestamp,
        };
        let timestamp_delta = timestamp.0.checked_sub(base.0).ok_or(Error::new(
            Kind::Timestamp,
            "the timestamps are too far apart",
        ))?;
        let body_bytes = 1
            + varlong_bytes(timestamp_delta)
            + varlong_bytes(i64::from(self.count))
            + nullable_bytes(key)
            + nullable_bytes(value)
            + headers_bytes(headers);
        let room = RECORDS_BYTES_MAX.saturating_sub(self.records_bytes());
        if body_bytes + 10 > room || self.count == i32::MAX {
            return Err(Error::new(Kind::TooLarge, "the batch would be too large"));
        }
        self.base_timestamp = base;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let out = &mut self.bytes;
        out.reserve(body_bytes + 10);
        put_varlong(out, length(body_bytes));
        out.put_u8(0);
        put_varlong(out, timestamp_delta);
        put_varlong(out, i64::from(self.count));
        put_nullable(out, key);
        put_nullable(out, value);
        put_varlong(out, length(headers.len()));
        for header in headers {
            put_nullable(out, Some(header.key));
            put_nullable(out, header.value);
        }
        self.count += 1;
        Ok(())
    }

    pub fn count(&self) -> i32 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch's bytes if it were sent uncompressed now.
    pub fn uncompressed_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn records_bytes(&self) -> usize {
        self.bytes.len() - BatchHeader::BYTES
    }

    /// The whole batch, with its CRC.
    ///
    /// # Panics
    /// If the batch is empty: Kafka has no batch without records.
    pub fn finish(mut self) -> BytesMut {
        assert!(self.count > 0, "a batch has records");
        let header = self.header();
        if self.codec != Codec::None {
            let packed = compress(self.codec, &self.bytes[BatchHeader::BYTES..]);
            self.bytes.truncate(BatchHeader::BYTES);
            self.bytes.extend_from_slice(&packed);
        }
        self.bytes[..BatchHeader::BYTES].copy_from_slice(&header);
        seal(&mut self.bytes);
        self.bytes
    }

    /// The header but for length and CRC.
    fn header(&self) -> [u8; BatchHeader::BYTES] {
        let mut header = [0; BatchHeader::BYTES];
        let mut out = &mut header[..];
        out.put_i64(self.base_offset.0);
        out.put_i32(0);
        out.put_i32(self.epoch.0);
        out.put_i8(2);
        out.put_u32(0);
        out.put_i16(self.attributes | self.codec as i16);
        out.put_i32(self.count - 1);
        out.put_i64(self.base_timestamp.0);
        out.put_i64(self.max_timestamp.0);
        out.put_i64(self.producer.id.0);
        out.put_i16(self.producer.epoch.0);
        out.put_i32(self.producer.base_sequence);
        out.put_i32(self.count);
        debug_assert!(out.is_empty());
        header
    }
}

/// Writes length and CRC of a batch that is otherwise complete.
pub(crate) fn seal(batch: &mut [u8]) {
    let counted = batch.len() - UNCOUNTED_BYTES;
    let counted = i32::try_from(counted).expect("a batch is at most 1 GiB");
    put(batch, LENGTH_AT, counted.to_be_bytes());
    stamp_crc(batch);
}

/// What a record adds to a batch at most, uncompressed: for limits that are checked beforehand.
pub fn record_bytes_max(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> usize {
    // Length, attributes, timestamp delta and offset delta at their longest.
    const FRAME_BYTES_MAX: usize = 5 + 1 + 10 + 5;
    FRAME_BYTES_MAX + nullable_bytes(key) + nullable_bytes(value) + headers_bytes(headers)
}

fn headers_bytes(headers: &[Header<'_>]) -> usize {
    let each = headers
        .iter()
        .map(|header| nullable_bytes(Some(header.key)) + nullable_bytes(header.value));
    varlong_bytes(length(headers.len())) + each.sum::<usize>()
}

fn nullable_bytes(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => varlong_bytes(-1),
        Some(bytes) => varlong_bytes(length(bytes.len())) + bytes.len(),
    }
}

fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(out, -1),
        Some(bytes) => {
            put_varlong(out, length(bytes.len()));
            out.put_slice(bytes);
        }
    }
}

/// A length in memory always fits.
fn length(count: usize) -> i64 {
    i64::try_from(count).expect("memory is smaller than 2^63")
}
