//! What the broker writes into a batch that it accepted.

use corelog_base::{LeaderEpoch, Offset, TimestampMs, crc32c};

use crate::header::{ATTRIBUTES_AT, Attributes, CRC_AT, EPOCH_AT, MAX_TIMESTAMP_AT, PRODUCER_AT};
use crate::{BatchHeader, ProducerState};

/// Gives a batch its offset and leader epoch. The CRC does not cover them.
///
/// # Panics
/// If the batch is shorter than a header: only a validated batch may be stamped.
pub fn stamp(batch: &mut [u8], base_offset: Offset, epoch: LeaderEpoch) {
    put(batch, 0, base_offset.0.to_be_bytes());
    put(batch, EPOCH_AT, epoch.0.to_be_bytes());
}

/// Sets append time: bit 3, the max timestamp, and a new CRC. All records then have this timestamp.
///
/// # Panics
/// Like [`stamp`].
pub fn stamp_append_time(batch: &mut [u8], now: TimestampMs) {
    let attributes = get(batch, ATTRIBUTES_AT) | Attributes::APPEND_TIME;
    put(batch, ATTRIBUTES_AT, attributes.to_be_bytes());
    put(batch, MAX_TIMESTAMP_AT, now.0.to_be_bytes());
    stamp_crc(batch);
}

/// Gives a batch that was not written under its sequence another one, and a new CRC.
///
/// # Panics
/// Like [`stamp`].
pub fn stamp_producer(batch: &mut [u8], producer: ProducerState) {
    put(batch, PRODUCER_AT, producer.id.0.to_be_bytes());
    put(batch, PRODUCER_AT + 8, producer.epoch.0.to_be_bytes());
    put(
        batch,
        PRODUCER_AT + 10,
        producer.base_sequence.to_be_bytes(),
    );
    stamp_crc(batch);
}

/// Writes the CRC of what the batch now holds.
pub(crate) fn stamp_crc(batch: &mut [u8]) {
    assert!(batch.len() >= BatchHeader::BYTES, "a whole batch");
    let crc = crc32c(&batch[ATTRIBUTES_AT..]);
    put(batch, CRC_AT, crc.to_be_bytes());
}

pub(crate) fn get(batch: &[u8], at: usize) -> i16 {
    assert!(batch.len() >= BatchHeader::BYTES, "a whole batch");
    i16::from_be_bytes([batch[at], batch[at + 1]])
}

/// Overwrites one field of the header.
pub(crate) fn put<const N: usize>(batch: &mut [u8], at: usize, field: [u8; N]) {
    assert!(batch.len() >= BatchHeader::BYTES, "a whole batch");
    batch[at..at + N].copy_from_slice(&field);
}
