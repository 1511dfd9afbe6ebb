//! The committed state of producers as bytes, kept beside the segments.
//!
//! Little-endian. Version 2: version u8, count u32, then for each producer id i64, epoch i16, last
//! timestamp i64, coordinator epoch i32, first offset of the open transaction i64 (-1: none), offset
//! of the last marker i64 (-1: none), batch count u8, and for each batch base sequence i32, last
//! sequence i32, base offset i64, last offset i64; then the count u32 of aborted transactions, and for
//! each producer id i64, first offset i64, offset of its marker i64. Version 1, of brokers without
//! transactions, has neither the three fields after the timestamp nor what follows the producers.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use corelog_base::{Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::producers::{Appended, BATCHES_MAX, Producer};
use crate::{Aborted, AbortedIndex, Producers};

const VERSION: u8 = 2;
const VERSION_WITHOUT_TRANSACTIONS: u8 = 1;

/// The checkpoint's bytes are not what `checkpoint` writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestoreError;

impl Producers {
    pub fn checkpoint(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_u32_le(self.committed.len() as u32);
        for (id, producer) in &self.committed {
            out.put_i64_le(id.0);
            put_producer(&mut out, producer);
        }
        out.put_u32_le(self.aborted().len() as u32);
        for aborted in self.aborted().iter() {
            out.put_i64_le(aborted.producer.0);
            out.put_i64_le(aborted.first.0);
            out.put_i64_le(aborted.last.0);
        }
        out.freeze()
    }

    /// The reverse of [`Producers::checkpoint`], of this version or the one before.
    ///
    /// # Errors
    /// If the bytes are something else.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let mut input = Input(bytes);
        let version = input.u8()?;
        if !matches!(version, VERSION | VERSION_WITHOUT_TRANSACTIONS) {
            return Err(RestoreError);
        }
        let mut committed = BTreeMap::new();
        for _ in 0..input.u32()? {
            let id = ProducerId(input.i64()?);
            committed.insert(id, producer(&mut input, version)?);
        }
        let mut aborted = AbortedIndex::default();
        if version == VERSION {
            for _ in 0..input.u32()? {
                let next = Aborted {
                    producer: ProducerId(input.i64()?),
                    first: Offset(input.i64()?),
                    last: Offset(input.i64()?),
                };
                if aborted
                    .iter()
                    .next_back()
                    .is_some_and(|b| b.last >= next.last)
                {
                    return Err(RestoreError);
                }
                aborted.note(next);
            }
        }
        match input.0.is_empty() {
            true => Ok(Self::of(committed, aborted)),
            false => Err(RestoreError),
        }
    }
}

fn put_producer(out: &mut BytesMut, producer: &Producer) {
    out.put_i16_le(producer.epoch.0);
    out.put_i64_le(producer.last_timestamp.0);
    out.put_i32_le(producer.coordinator_epoch);
    out.put_i64_le(producer.transaction.map_or(-1, |offset| offset.0));
    out.put_i64_le(producer.ended.map_or(-1, |offset| offset.0));
    out.put_u8(producer.batches.len() as u8);
    for batch in &producer.batches {
        out.put_i32_le(batch.base_sequence);
        out.put_i32_le(batch.last_sequence);
        out.put_i64_le(batch.base.0);
        out.put_i64_le(batch.last.0);
    }
}

fn producer(input: &mut Input<'_>, version: u8) -> Result<Producer, RestoreError> {
    let mut producer = Producer::new(ProducerEpoch(input.i16()?));
    producer.last_timestamp = TimestampMs(input.i64()?);
    if version == VERSION {
        producer.coordinator_epoch = input.i32()?;
        producer.transaction = input.offset()?;
        producer.ended = input.offset()?;
    }
    let batches = input.u8()?;
    if usize::from(batches) > BATCHES_MAX {
        return Err(RestoreError);
    }
    for _ in 0..batches {
        producer.batches.push_back(Appended {
            base_sequence: input.i32()?,
            last_sequence: input.i32()?,
            base: Offset(input.i64()?),
            last: Offset(input.i64()?),
        });
    }
    Ok(producer)
}

/// Reads a checkpoint; every read is bounded by the bytes that remain.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(RestoreError)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, RestoreError> {
        Ok(self.take::<1>()?[0])
    }

    fn i16(&mut self) -> Result<i16, RestoreError> {
        Ok(i16::from_le_bytes(self.take()?))
    }

    fn u32(&mut self) -> Result<u32, RestoreError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn i32(&mut self) -> Result<i32, RestoreError> {
        Ok(i32::from_le_bytes(self.take()?))
    }

    fn i64(&mut self) -> Result<i64, RestoreError> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    /// -1 is none.
    fn offset(&mut self) -> Result<Option<Offset>, RestoreError> {
        let offset = self.i64()?;
        Ok((offset >= 0).then_some(Offset(offset)))
    }
}
