//! Batches that have come and were not read yet.

use bytes::Bytes;
use corelog_base::{CoreId, Offset, PartitionIndex, TimestampMs};
use corelog_record::{
    Aborted, BatchHeader, RecordIter, batches, owned_section, read_owned, verify,
};

use crate::Error;

/// A record that was read. Its bytes are shared with the frame that brought it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consumed {
    pub partition: PartitionIndex,
    pub offset: Offset,
    /// The producer's, or the broker's where the topic stamps the time of the append.
    pub timestamp: TimestampMs,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// What one frame brought of one partition.
#[derive(Debug)]
pub(super) struct Buffered {
    pub partition: PartitionIndex,
    /// Whose subscription gets the room back.
    pub core: CoreId,
    bytes: Bytes,
    aborted: Aborted,
    /// The room it takes until it is read.
    pub held: u64,
}

/// One batch, read.
pub(super) struct Batch {
    pub records: Vec<Consumed>,
    /// Where to go on.
    pub next: Offset,
}

impl Buffered {
    pub(super) fn new(
        partition: PartitionIndex,
        core: CoreId,
        bytes: Bytes,
        aborted: Aborted,
    ) -> Self {
        Self {
            partition,
            core,
            held: bytes.len() as u64,
            bytes,
            aborted,
        }
    }

    /// The offset behind the last whole batch; none without one.
    ///
    /// # Errors
    /// If these are no batches.
    pub(super) fn end(&self) -> Result<Option<Offset>, Error> {
        let mut end = None;
        for batch in batches(&self.bytes) {
            end = Some(batch?.0.next_offset());
        }
        Ok(end)
    }

    /// The next batch's records from `from` on; none once all were read. Only one batch at a time is
    /// decompressed.
    ///
    /// # Errors
    /// If the batch is damaged, or decompresses to more than `decompressed_bytes_max`.
    pub(super) fn next(
        &mut self,
        from: Offset,
        decompressed_bytes_max: usize,
    ) -> Result<Option<Batch>, Error> {
        let Some(first) = batches(&self.bytes).next() else {
            return Ok(None);
        };
        let (header, batch) = first?;
        let batch = self.bytes.slice_ref(batch);
        let _ = self.bytes.split_to(batch.len());
        let mut records = Vec::new();
        verify(&batch)?;
        if self.hides(&header, &batch, decompressed_bytes_max)? || header.last_offset() < from {
            // Marks, what was aborted, and what was read before.
        } else {
            let section = owned_section(&batch, decompressed_bytes_max)?;
            for record in read_owned(&header, &section, from) {
                let record = record?;
                records.push(Consumed {
                    partition: self.partition,
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                });
            }
        }
        let next = header.next_offset().max(from);
        Ok(Some(Batch { records, next }))
    }
    /// Whether no record of this batch is for the caller. Asked of every batch, in order.
    fn hides(
        &mut self,
        header: &BatchHeader,
        batch: &Bytes,
        decompressed_bytes_max: usize,
    ) -> Result<bool, Error> {
        if !header.attributes.is_control() {
            return Ok(self.aborted.hides(header, None));
        }
        let section = owned_section(batch, decompressed_bytes_max)?;
        let mark = match RecordIter::new(header, &section).next() {
            Some(record) => record?.key,
            None => None,
        };
        self.aborted.hides(header, mark);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use corelog_base::{LeaderEpoch, ProducerEpoch, ProducerId};
    use corelog_record::{BatchBuilder, Codec, EndMarker, ProducerState, stamp};

    /// Two producers in one log: the first one's transaction is aborted, the other's is not; then
    /// the first goes on outside of it.
    fn log() -> Bytes {
        let data = |id, offset, transactional| {
            let mut builder = BatchBuilder::new(Codec::Lz4);
            builder.producer(ProducerState {
                id: ProducerId(id),
                epoch: ProducerEpoch(0),
                base_sequence: 0,
            });
            if transactional {
                builder.transactional();
            }
            for n in 0..2 {
                let value = format!("{id} {n}");
                builder
                    .push(TimestampMs(1), None, Some(value.as_bytes()), &[])
                    .unwrap();
            }
            let mut batch = builder.finish();
            stamp(&mut batch, Offset(offset), LeaderEpoch(1));
            batch
        };
        let marker = |id, offset, committed| {
            let marker = EndMarker {
                committed,
                coordinator_epoch: 1,
            };
            let mut batch = marker.batch(ProducerId(id), ProducerEpoch(0), TimestampMs(1));
            stamp(&mut batch, Offset(offset), LeaderEpoch(1));
            batch
        };
        let all = [
            data(1, 0, true),
            data(2, 2, true),
            marker(1, 4, false),
            marker(2, 5, true),
            data(1, 6, true),
            data(3, 8, false),
        ];
        Bytes::from(all.concat())
    }

    fn check(aborted: Vec<(Offset, ProducerId)>, from: i64, expected: &[i64]) {
        let mut buffered =
            Buffered::new(PartitionIndex(0), CoreId(0), log(), Aborted::new(aborted));
        assert_eq!(buffered.end().unwrap(), Some(Offset(10)));
        let (mut found, mut from) = (Vec::new(), Offset(from));
        while let Some(batch) = buffered.next(from, 1 << 20).unwrap() {
            found.extend(batch.records.iter().map(|record| record.offset.0));
            from = batch.next;
        }
        assert_eq!(found, expected);
        assert_eq!(from, Offset(10));
    }

    #[test]
    fn aborted_records_and_marks_are_left_out() {
        check(vec![], 0, &[0, 1, 2, 3, 6, 7, 8, 9]);
        let aborted = vec![(Offset(0), ProducerId(1))];
        check(aborted.clone(), 0, &[2, 3, 6, 7, 8, 9]);
        check(aborted, 3, &[3, 6, 7, 8, 9]);
    }
}
