//! The batches of one partition in one Fetch answer, read one at a time.

use std::sync::Arc;

use bytes::Bytes;
use corelog_base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};
use corelog_record::{
    Aborted, Attributes, BatchHeader, RecordIter, batches, owned_section, read_owned, verify,
};

use crate::{Error, Isolation, TopicPartition};

/// A record, with its bytes shared with what was fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumedRecord {
    pub partition: Arc<TopicPartition>,
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Of the record's batch, as are the following.
    pub leader_epoch: LeaderEpoch,
    pub attributes: Attributes,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
}

/// What is left of an answer. Only one batch at a time is decompressed.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) partition: Arc<TopicPartition>,
    /// Whole batches, maybe with a partial one at the end.
    bytes: Bytes,
    aborted: Aborted,
    isolation: Isolation,
}

/// One batch, read.
pub(crate) struct Batch {
    pub(crate) records: Vec<ConsumedRecord>,
    /// Where to go on.
    pub(crate) next: Offset,
}

impl Fetched {
    pub(crate) fn new(
        partition: Arc<TopicPartition>,
        bytes: Bytes,
        aborted: Aborted,
        isolation: Isolation,
    ) -> Self {
        Self {
            partition,
            bytes,
            aborted,
            isolation,
        }
    }

    /// The offset after the last whole batch; none without a whole batch.
    ///
    /// # Errors
    /// If what was fetched is not made of batches.
    pub(crate) fn end(&self) -> Result<Option<Offset>, Error> {
        let mut end = None;
        for batch in batches(&self.bytes) {
            end = Some(batch?.0.next_offset());
        }
        Ok(end)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The next batch's records from `position` on; none once all whole batches were read.
    ///
    /// # Errors
    /// If the batch is damaged, or decompresses to more than `decompressed_bytes_max`.
    pub(crate) fn next(
        &mut self,
        position: Offset,
        decompressed_bytes_max: usize,
    ) -> Result<Option<Batch>, Error> {
        let Some(first) = batches(&self.bytes).next() else {
            return Ok(None);
        };
        let (header, batch) = first?;
        let batch = self.bytes.slice_ref(batch);
        let _ = self.bytes.split_to(batch.len());
        let mut records = Vec::new();
        if header.last_offset() >= position {
            verify(&batch)?;
            let section = owned_section(&batch, decompressed_bytes_max)?;
            if !self.hides(&header, &section)? {
                self.collect(&header, &section, position, &mut records)?;
            }
        }
        let next = header.next_offset().max(position);
        Ok(Some(Batch { records, next }))
    }

    fn hides(&mut self, header: &BatchHeader, section: &Bytes) -> Result<bool, Error> {
        let control = header.attributes.is_control();
        let mark = match RecordIter::new(header, section).next() {
            Some(record) if control => record?.key,
            _ => None,
        };
        let aborted = self.isolation == Isolation::Committed && self.aborted.hides(header, mark);
        Ok(control || aborted)
    }

    fn collect(
        &self,
        header: &BatchHeader,
        section: &Bytes,
        position: Offset,
        records: &mut Vec<ConsumedRecord>,
    ) -> Result<(), Error> {
        for record in read_owned(header, section, position) {
            let record = record?;
            records.push(ConsumedRecord {
                partition: Arc::clone(&self.partition),
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers: record.headers,
                leader_epoch: LeaderEpoch(header.leader_epoch.0),
                attributes: Attributes(header.attributes.0),
                producer_id: header.producer_id,
                producer_epoch: header.producer_epoch,
            });
        }
        Ok(())
    }
}
