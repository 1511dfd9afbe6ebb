//! Idempotent producers: the last batches of each, at two levels.
//!
//! *Committed* state is what every replica agrees on; *proposed* state lies on top of it at the
//! leader and holds what is on its way to commit. Truncation and a change of leader discard the
//! proposed level. Committed state is written beside the segments as a checkpoint, so that a
//! restart replays only what follows.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use corelog_base::{Offset, ProducerEpoch, ProducerId, TimestampMs};

/// How many batches of a producer are remembered; Kafka's clients have at most 5 in flight.
const BATCHES_MAX: usize = 5;
/// How many producers a partition remembers. Above it the one that wrote longest ago is
/// forgotten, as if it had expired.
const PRODUCERS_MAX: usize = 100_000;
const CHECKPOINT_VERSION: u8 = 1;

/// What a batch says of its producer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sequenced {
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    /// The first sequence, 0 or above.
    pub base_sequence: i32,
    /// The number of records less one.
    pub last_offset_delta: i32,
    pub max_timestamp: TimestampMs,
}

impl Sequenced {
    /// Sequences wrap from `i32::MAX` to 0.
    fn last_sequence(&self) -> i32 {
        advance(self.base_sequence, self.last_offset_delta)
    }
}

fn advance(sequence: i32, by: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(by);
    (sum & i64::from(i32::MAX)) as i32
}

/// Whether a batch may be appended.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Append,
    /// The same batch was appended before at `base`; its last record is at `last`.
    Duplicate {
        base: Offset,
        last: Offset,
    },
    /// Appended so long ago that its offset is forgotten.
    Forgotten,
    /// A newer incarnation of the producer has written.
    Fenced,
    /// Records before it are missing.
    Gap,
}

/// A batch that was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Appended {
    base_sequence: i32,
    last_sequence: i32,
    base: Offset,
    last: Offset,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Producer {
    epoch: ProducerEpoch,
    last_timestamp: TimestampMs,
    /// Ascending, at most [`BATCHES_MAX`].
    batches: VecDeque<Appended>,
}

impl Producer {
    fn last_sequence(&self) -> Option<i32> {
        self.batches.back().map(|b| b.last_sequence)
    }

    fn judge(&self, batch: &Sequenced) -> Verdict {
        if batch.epoch < self.epoch {
            return Verdict::Fenced;
        }
        if batch.epoch > self.epoch {
            return match batch.base_sequence {
                0 => Verdict::Append,
                _ => Verdict::Gap,
            };
        }
        let same = |b: &&Appended| {
            b.base_sequence == batch.base_sequence && b.last_sequence == batch.last_sequence()
        };
        if let Some(found) = self.batches.iter().find(same) {
            return Verdict::Duplicate {
                base: found.base,
                last: found.last,
            };
        }
        let Some(last) = self.last_sequence() else {
            return Verdict::Append;
        };
        if batch.base_sequence == advance(last, 1) {
            return Verdict::Append;
        }
        // Half of the ring of sequences counts as the past, as in serial number arithmetic.
        let behind = last.wrapping_sub(batch.last_sequence()) & i32::MAX;
        if behind < i32::MAX / 2 {
            Verdict::Forgotten
        } else {
            Verdict::Gap
        }
    }

    fn append(&mut self, batch: &Sequenced, base: Offset) {
        if batch.epoch != self.epoch {
            self.epoch = batch.epoch;
            self.batches.clear();
        }
        if self.batches.len() == BATCHES_MAX {
            self.batches.pop_front();
        }
        self.last_timestamp = batch.max_timestamp;
        self.batches.push_back(Appended {
            base_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base,
            last: base.plus(i64::from(batch.last_offset_delta)),
        });
    }
}

/// What DescribeProducers tells of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerInfo {
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    pub last_sequence: i32,
    pub last_timestamp: TimestampMs,
}

/// The checkpoint's bytes are not what `checkpoint` writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestoreError;

/// Every producer of one partition.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    committed: BTreeMap<ProducerId, Producer>,
    /// Whole states after the proposals on their way; looked at before `committed`.
    proposed: BTreeMap<ProducerId, Producer>,
}

impl Producers {
    pub fn judge(&self, batch: &Sequenced) -> Verdict {
        let known = self
            .proposed
            .get(&batch.producer)
            .or_else(|| self.committed.get(&batch.producer));
        // A producer that the partition has never seen, or has forgotten, may start anywhere.
        known.map_or(Verdict::Append, |p| p.judge(batch))
    }

    /// The leader proposes a batch that `judge` allowed.
    pub fn propose(&mut self, batch: &Sequenced, base: Offset) {
        let committed = &self.committed;
        self.proposed
            .entry(batch.producer)
            .or_insert_with(|| {
                let fresh = || Producer::new(batch.epoch);
                committed
                    .get(&batch.producer)
                    .cloned()
                    .unwrap_or_else(fresh)
            })
            .append(batch, base);
    }

    /// A batch is committed, here or as a follower. In log order, each once.
    pub fn commit(&mut self, batch: &Sequenced, base: Offset) {
        if !self.committed.contains_key(&batch.producer) && self.committed.len() >= PRODUCERS_MAX {
            self.forget_oldest();
        }
        let state = self
            .committed
            .entry(batch.producer)
            .or_insert_with(|| Producer::new(batch.epoch));
        state.append(batch, base);
        if self
            .proposed
            .get(&batch.producer)
            .is_some_and(|p| p == state)
        {
            self.proposed.remove(&batch.producer);
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .committed
            .iter()
            .min_by_key(|(id, p)| (p.last_timestamp, **id))
            .map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.committed.remove(&id);
        }
    }

    /// Proposals were dropped or cut off: what is committed is all that is known.
    pub fn discard_proposed(&mut self) {
        self.proposed.clear();
    }

    /// Forgets producers whose last record is older than `before` and that have nothing proposed.
    pub fn expire(&mut self, before: TimestampMs) {
        let proposed = &self.proposed;
        self.committed
            .retain(|id, p| p.last_timestamp >= before || proposed.contains_key(id));
    }

    pub fn len(&self) -> usize {
        self.committed.len()
    }

    pub fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }

    /// Committed producers in the order of their ids.
    pub fn list(&self) -> impl Iterator<Item = ProducerInfo> + '_ {
        self.committed.iter().map(|(id, p)| ProducerInfo {
            producer: *id,
            epoch: p.epoch,
            last_sequence: p.last_sequence().unwrap_or(-1),
            last_timestamp: p.last_timestamp,
        })
    }

    /// The committed state as bytes: version u8, count u32, then for each producer id i64,
    /// epoch i16, last timestamp i64, batch count u8, and for each batch base sequence i32, last
    /// sequence i32, base offset i64, last offset i64. Little-endian.
    pub fn checkpoint(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(CHECKPOINT_VERSION);
        out.put_u32_le(self.committed.len() as u32);
        for (id, producer) in &self.committed {
            out.put_i64_le(id.0);
            out.put_i16_le(producer.epoch.0);
            out.put_i64_le(producer.last_timestamp.0);
            out.put_u8(producer.batches.len() as u8);
            for batch in &producer.batches {
                out.put_i32_le(batch.base_sequence);
                out.put_i32_le(batch.last_sequence);
                out.put_i64_le(batch.base.0);
                out.put_i64_le(batch.last.0);
            }
        }
        out.freeze()
    }

    /// The reverse of [`Producers::checkpoint`].
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let mut input = Input(bytes);
        if input.u8()? != CHECKPOINT_VERSION {
            return Err(RestoreError);
        }
        let count = input.u32()?;
        let mut committed = BTreeMap::new();
        for _ in 0..count {
            let id = ProducerId(input.i64()?);
            let mut producer = Producer::new(ProducerEpoch(input.i16()?));
            producer.last_timestamp = TimestampMs(input.i64()?);
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
            committed.insert(id, producer);
        }
        if !input.0.is_empty() {
            return Err(RestoreError);
        }
        Ok(Self {
            committed,
            proposed: BTreeMap::new(),
        })
    }
}

impl Producer {
    fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            last_timestamp: TimestampMs::NONE,
            batches: VecDeque::with_capacity(BATCHES_MAX),
        }
    }
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
}
