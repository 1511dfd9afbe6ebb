//! A partition in memory.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use corelog_base::{LeaderEpoch, Offset, TimestampMs};
use corelog_record::{BatchHeader, first_at_or_after, stamp};
use corelog_wire::kafka::ErrorCode;

/// A producer as a partition knows it.
#[derive(Default)]
pub(super) struct Known {
    epoch: i16,
    next_sequence: i32,
    /// The last five batches: sequence and offset.
    last: VecDeque<(i32, i64)>,
}

#[derive(Default)]
pub(super) struct Log {
    pub(super) batches: Vec<Bytes>,
    pub(super) next: i64,
    pub(super) start: i64,
    pub(super) producers: HashMap<i64, Known>,
}

impl Log {
    /// As a partition judges.
    pub(super) fn append(&mut self, batch: &[u8]) -> Result<i64, ErrorCode> {
        let header = BatchHeader::parse(batch).unwrap();
        corelog_record::verify(batch).unwrap();
        let id = header.producer_id.0;
        let sequence = header.base_sequence;
        if id >= 0 {
            let fresh = |next_sequence| Known {
                epoch: header.producer_epoch.0,
                next_sequence,
                last: VecDeque::new(),
            };
            // A partition that has never seen a producer takes any sequence.
            let known = self.producers.entry(id).or_insert_with(|| fresh(sequence));
            if header.producer_epoch.0 < known.epoch {
                return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            if header.producer_epoch.0 > known.epoch {
                *known = fresh(0);
            }
            if let Some((_, offset)) = known.last.iter().find(|(at, _)| *at == sequence) {
                return Ok(*offset);
            }
            if sequence != known.next_sequence {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
            known.next_sequence = sequence.wrapping_add(header.record_count) & i32::MAX;
            known.last.push_back((sequence, self.next));
            if known.last.len() > 5 {
                known.last.pop_front();
            }
        }
        let offset = self.next;
        let mut batch = batch.to_vec();
        stamp(&mut batch, Offset(offset), LeaderEpoch(1));
        self.next += i64::from(header.record_count);
        self.batches.push(batch.into());
        Ok(offset)
    }

    /// Whole batches from the one on that holds `from`.
    pub(super) fn read(&self, from: i64, bytes_max: u64) -> (Vec<Bytes>, i64) {
        let (mut found, mut bytes, mut next) = (Vec::new(), 0, from);
        for batch in &self.batches {
            let header = BatchHeader::parse(batch).unwrap();
            let fits = found.is_empty() || bytes + batch.len() as u64 <= bytes_max;
            if header.last_offset().0 < from {
                continue;
            }
            if !fits {
                break;
            }
            bytes += batch.len() as u64;
            next = header.next_offset().0;
            found.push(batch.clone());
        }
        (found, next)
    }

    pub(super) fn list(&self, time: i64) -> i64 {
        match time {
            -1 => self.next,
            -2 => self.start,
            time => {
                let time = TimestampMs(time);
                let mut all = self.batches.iter();
                all.find_map(|batch| first_at_or_after(batch, time, 1 << 20).unwrap())
                    .map_or(-1, |(offset, _)| offset.0)
            }
        }
    }
}
