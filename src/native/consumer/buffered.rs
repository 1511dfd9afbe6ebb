//! Batches that have come and were not read yet.

use bytes::Bytes;
use corelog_base::{CoreId, Offset, PartitionIndex, TimestampMs};
use corelog_record::{batches, owned_section, read_owned, verify};

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
    pub(super) fn new(partition: PartitionIndex, core: CoreId, bytes: Bytes) -> Self {
        Self {
            partition,
            core,
            held: bytes.len() as u64,
            bytes,
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
        if header.last_offset() >= from && !header.attributes.is_control() {
            verify(&batch)?;
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
}
