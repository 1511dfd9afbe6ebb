//! Batches that fill, and those that wait to be sent.

use std::collections::{BTreeSet, VecDeque};

use corelog_base::{PartitionIndex, TimestampMs, entropy};
use corelog_record::{BatchBuilder, Codec, Sticky, key_partition};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::ack::{Ack, Settlement, Settles};
use super::record::Record;
use crate::{Error, Kind};

/// A batch of one partition before it has its number.
pub(super) struct OpenBatch {
    pub id: u64,
    pub builder: BatchBuilder,
    pub settles: Settles,
    pub room: OwnedSemaphorePermit,
    /// When its first record came.
    pub since: Instant,
}

#[derive(Default)]
struct Queue {
    /// Full ones, in order; the last may be filled further.
    batches: VecDeque<OpenBatch>,
    /// The driver knows that there is something.
    told: bool,
}

/// What handles and the driver share under one lock.
pub(super) struct Open {
    queues: Vec<Queue>,
    /// Partitions that have something since the driver last looked.
    fresh: Vec<PartitionIndex>,
    /// The batches that are not settled. Numbers ascend.
    unsettled: BTreeSet<u64>,
    sticky: Sticky,
    next_id: u64,
    codec: Codec,
    pub batch_bytes_max: usize,
}

impl Open {
    pub(super) fn new(partitions: usize, codec: Codec, batch_bytes_max: usize) -> Self {
        let mut open = Self {
            queues: Vec::new(),
            fresh: Vec::new(),
            unsettled: BTreeSet::new(),
            sticky: Sticky::new(entropy()),
            next_id: 0,
            codec,
            batch_bytes_max,
        };
        open.grow(partitions);
        open
    }

    /// The topic has so many partitions now.
    pub(super) fn grow(&mut self, partitions: usize) {
        if self.queues.len() < partitions {
            self.queues.resize_with(partitions, Queue::default);
        }
    }

    fn choose(&mut self, record: &Record, bytes: usize) -> Result<PartitionIndex, Error> {
        let count = i32::try_from(self.queues.len()).unwrap_or(i32::MAX);
        match (record.partition, &record.key) {
            (Some(given), _) if given.0 < 0 || given.0 >= count => {
                let context = format!("there is no partition {given}: the topic has {count}");
                Err(Error::new(Kind::Invalid, context))
            }
            (Some(given), _) => Ok(given),
            (None, Some(key)) => Ok(key_partition(key, count)),
            (None, None) => Ok(self.sticky.next(bytes, count)),
        }
    }

    /// Adds a record. Whether the driver must be told, too.
    pub(super) fn push(
        &mut self,
        record: &Record,
        bytes: usize,
        now: TimestampMs,
        room: OwnedSemaphorePermit,
    ) -> Result<(Ack, bool), Error> {
        let partition = self.choose(record, bytes)?;
        let queue = &mut self.queues[partition.0.unsigned_abs() as usize];
        let full = |batch: &OpenBatch| {
            batch.builder.uncompressed_bytes().saturating_add(bytes) > self.batch_bytes_max
        };
        if queue.batches.back().is_none_or(full) {
            let settlement = Settlement::new(partition);
            self.next_id += 1;
            self.unsettled.insert(self.next_id);
            let empty = room.semaphore().clone().try_acquire_many_owned(0);
            let empty = empty.map_err(|_| crate::error::closed())?;
            queue.batches.push_back(OpenBatch {
                id: self.next_id,
                builder: BatchBuilder::new(self.codec),
                settles: Settles(settlement),
                room: empty,
                since: Instant::now(),
            });
        }
        let batch = queue.batches.back_mut().expect("there is one");
        let place = batch.builder.count().unsigned_abs();
        let timestamp = record.timestamp.unwrap_or(now);
        let pushed = batch.builder.push(
            timestamp,
            record.key.as_deref(),
            record.value.as_deref(),
            &record.wire_headers(),
        );
        if let Err(error) = pushed {
            if batch.builder.is_empty() {
                self.unsettled.remove(&batch.id);
                queue.batches.pop_back();
            }
            return Err(error.into());
        }
        batch.room.merge(room);
        let ack = batch.settles.0.ack(place);
        let tell = !queue.told;
        if tell {
            queue.told = true;
            self.fresh.push(partition);
        }
        Ok((ack, tell))
    }

    /// Partitions that the driver was not told of yet.
    pub(super) fn take_fresh(&mut self, into: &mut Vec<PartitionIndex>) {
        into.append(&mut self.fresh);
    }

    /// The next batch of a partition; without one, the driver will be told of the next.
    pub(super) fn take(&mut self, partition: PartitionIndex) -> Option<OpenBatch> {
        let queue = self.queues.get_mut(partition.0.unsigned_abs() as usize)?;
        let batch = queue.batches.pop_front();
        queue.told = batch.is_some();
        batch
    }

    /// The batches of a partition that have waited since before `since`.
    pub(super) fn take_older(
        &mut self,
        partition: PartitionIndex,
        since: Instant,
    ) -> Vec<OpenBatch> {
        let mut older = Vec::new();
        if let Some(queue) = self.queues.get_mut(partition.0.unsigned_abs() as usize) {
            while let Some(batch) = queue.batches.pop_front_if(|batch| batch.since < since) {
                older.push(batch);
            }
        }
        older
    }

    pub(super) fn settled(&mut self, ids: &[u64]) {
        for id in ids {
            self.unsettled.remove(id);
        }
    }

    /// The number of the last batch that was begun.
    pub(super) fn last_id(&self) -> u64 {
        self.next_id
    }

    /// Whether all batches up to this one are settled.
    pub(super) fn is_settled_up_to(&self, id: u64) -> bool {
        self.unsettled.first().is_none_or(|first| *first > id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// Gives up all that was not sent.
    pub(super) fn clear(&mut self) {
        self.queues.clear();
        self.unsettled.clear();
    }
}
