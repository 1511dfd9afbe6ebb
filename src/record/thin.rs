//! A batch without some of its records: what compaction leaves of it.
//!
//! Offsets stay: the batch keeps its base offset, its last offset delta, its producer and its
//! sequences, and has fewer records than offsets. Records are copied as they are. A *delete
//! horizon* (KIP-534) is the time from which a batch's tombstones, or a marker of a transaction
//! that has nothing left, may go: bit 6 of the attributes is set, and the base timestamp is the
//! horizon; the records' timestamp deltas are written anew, so that their times stay.

use std::ops::Range;

use bytes::BytesMut;
use corelog_base::{Offset, TimestampMs};

use crate::cursor::{Cursor, put_varlong, varlong_bytes};
use crate::header::{
    ATTRIBUTES_AT, Attributes, BASE_TIMESTAMP_AT, MAX_TIMESTAMP_AT, RECORD_COUNT_AT,
};
use crate::stamp::{get, put};
use crate::walk::head;
use crate::{BatchHeader, Codec, Error, Kind, builder, compress};

/// What compaction looks at of a record; its headers are not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BareRecord<'a> {
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub key: Option<&'a [u8]>,
    /// A record with a key and without a value is a tombstone.
    pub has_value: bool,
    /// Its place in the section, with its length.
    place: Range<usize>,
}

/// The records of a batch as compaction sees them; each costs the same, whatever its size.
#[derive(Clone, Debug)]
pub struct BareRecords<'a> {
    header: BatchHeader,
    bytes: usize,
    cursor: Cursor<'a>,
    left: i32,
    delta_min: i32,
}

impl<'a> BareRecords<'a> {
    /// `section`: what [`crate::section`] returns for the batch of this header.
    pub fn new(header: &BatchHeader, section: &'a [u8]) -> Self {
        Self {
            header: *header,
            bytes: section.len(),
            cursor: Cursor::new(section),
            left: header.record_count,
            delta_min: 0,
        }
    }

    fn at(&self) -> usize {
        self.bytes - self.cursor.remaining()
    }

    fn record(&mut self) -> Result<BareRecord<'a>, Error> {
        let start = self.at();
        let head = head(&mut self.cursor, &self.header, &mut self.delta_min)?;
        Ok(BareRecord {
            offset: head.offset,
            timestamp: head.timestamp,
            key: head.key,
            has_value: head.value.is_some(),
            place: start..self.at(),
        })
    }
}

impl<'a> Iterator for BareRecords<'a> {
    type Item = Result<BareRecord<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let record = self.record();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}

/// Which records of a batch stay.
#[derive(Clone, Debug)]
pub struct Thinning {
    header: BatchHeader,
    /// Ascending, joined where they touch.
    places: Vec<Range<usize>>,
    kept: i32,
    max_timestamp: TimestampMs,
    has_tombstone: bool,
}

impl Thinning {
    /// Of the batch with this header; nothing stays yet.
    pub fn new(header: &BatchHeader) -> Self {
        Self {
            header: *header,
            places: Vec::new(),
            kept: 0,
            max_timestamp: TimestampMs::NONE,
            has_tombstone: false,
        }
    }

    /// This record stays. In the order of offsets.
    pub fn keep(&mut self, record: &BareRecord<'_>) {
        match self.places.last_mut() {
            Some(last) if last.end == record.place.start => last.end = record.place.end,
            _ => self.places.push(record.place.clone()),
        }
        self.kept += 1;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.has_tombstone |= !record.has_value;
    }

    pub fn kept(&self) -> i32 {
        self.kept
    }

    pub fn has_tombstone(&self) -> bool {
        self.has_tombstone
    }

    /// Whether every record stays.
    pub fn is_whole(&self) -> bool {
        self.kept == self.header.record_count
    }

    /// The batch with what stays, under its own codec. `batch` is the whole batch, `section` its
    /// records, decompressed. A `horizon` is set if the batch has none yet.
    ///
    /// # Errors
    /// `Timestamp` if a record's time is too far from the horizon, `TooLarge` if the result does
    /// not fit a batch's length, and those of [`BatchHeader::parse`].
    ///
    /// # Panics
    /// If nothing stays: see [`without_records`].
    pub fn finish(
        self,
        batch: &[u8],
        section: &[u8],
        horizon: Option<TimestampMs>,
    ) -> Result<BytesMut, Error> {
        assert!(self.kept > 0, "a batch that keeps records");
        let attributes = self.header.attributes;
        let horizon = horizon.filter(|_| self.header.delete_horizon().is_none());
        let bytes: usize = self.places.iter().map(Range::len).sum();
        let mut kept = Vec::with_capacity(bytes);
        for place in &self.places {
            kept.extend_from_slice(section.get(place.clone()).unwrap_or_default());
        }
        if let Some(horizon) = horizon
            && !attributes.is_append_time()
        {
            kept = shifted(&kept, self.header.base_timestamp, horizon)?;
        }
        let codec = attributes.codec()?;
        let packed = match codec {
            Codec::None => kept,
            _ => compress(codec, &kept),
        };
        if packed.len() > builder::RECORDS_BYTES_MAX {
            return Err(Error::new(
                Kind::TooLarge,
                "the batch does not fit its length",
            ));
        }
        let mut out = header_of(batch, packed.len())?;
        out.extend_from_slice(&packed);
        if let Some(horizon) = horizon {
            let attributes = attributes.0 | Attributes::DELETE_HORIZON;
            put(&mut out, ATTRIBUTES_AT, attributes.to_be_bytes());
            put(&mut out, BASE_TIMESTAMP_AT, horizon.0.to_be_bytes());
        }
        if !attributes.is_append_time() {
            put(
                &mut out,
                MAX_TIMESTAMP_AT,
                self.max_timestamp.0.to_be_bytes(),
            );
        }
        put(&mut out, RECORD_COUNT_AT, self.kept.to_be_bytes());
        builder::seal(&mut out);
        Ok(out)
    }
}

/// Only the batch's header, as Kafka's cleaner leaves it: it says what its producer wrote last.
///
/// # Errors
/// `Truncated` if the batch is shorter than a header.
pub fn without_records(batch: &[u8]) -> Result<BytesMut, Error> {
    let mut out = header_of(batch, 0)?;
    let gone = Attributes::CODEC_MASK | Attributes::DELETE_HORIZON;
    let attributes = get(&out, ATTRIBUTES_AT) & !gone;
    put(&mut out, ATTRIBUTES_AT, attributes.to_be_bytes());
    put(
        &mut out,
        BASE_TIMESTAMP_AT,
        TimestampMs::NONE.0.to_be_bytes(),
    );
    put(&mut out, RECORD_COUNT_AT, 0i32.to_be_bytes());
    builder::seal(&mut out);
    Ok(out)
}

fn header_of(batch: &[u8], room: usize) -> Result<BytesMut, Error> {
    let header = batch.get(..BatchHeader::BYTES).ok_or(Error::new(
        Kind::Truncated,
        "the batch is shorter than its header",
    ))?;
    let mut out = BytesMut::with_capacity(BatchHeader::BYTES + room);
    out.extend_from_slice(header);
    Ok(out)
}

/// The same records with their timestamps counted from another base.
fn shifted(section: &[u8], from: TimestampMs, to: TimestampMs) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(section.len() + section.len() / 8);
    let mut cursor = Cursor::new(section);
    while cursor.remaining() > 0 {
        let record = cursor
            .nullable_bytes()?
            .ok_or(Error::new(Kind::Length, "a record's length is negative"))?;
        let mut rest = Cursor::new(record);
        let attributes = rest.u8()?;
        let delta = rest.varlong()?;
        let far = Error::new(Kind::Timestamp, "a record's time is far from the horizon");
        let delta = from
            .0
            .checked_add(delta)
            .and_then(|time| time.checked_sub(to.0))
            .ok_or(far)?;
        let behind = rest.take(rest.remaining())?;
        let bytes = 1 + varlong_bytes(delta) + behind.len();
        let length = i64::try_from(bytes)
            .map_err(|_| Error::new(Kind::TooLarge, "a record is too large"))?;
        put_varlong(&mut out, length);
        out.push(attributes);
        put_varlong(&mut out, delta);
        out.extend_from_slice(behind);
    }
    Ok(out)
}

#[cfg(test)]
#[path = "thin_test.rs"]
mod thin_test;
