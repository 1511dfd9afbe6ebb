//! A record to write.

use bytes::Bytes;
use corelog_base::{PartitionIndex, TimestampMs};
use corelog_record::{Header, record_bytes_max};

/// What [`crate::Producer::send`] takes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Record {
    pub value: Option<Bytes>,
    pub key: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// None: by the key as Kafka's clients do, or where there is no key, by turns.
    pub partition: Option<PartitionIndex>,
    /// None: now.
    pub timestamp: Option<TimestampMs>,
}

impl Record {
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self {
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// A key without a value: compaction deletes what had this key.
    pub fn tombstone(key: impl Into<Bytes>) -> Self {
        Self {
            key: Some(key.into()),
            ..Self::default()
        }
    }

    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    pub fn partition(mut self, partition: PartitionIndex) -> Self {
        self.partition = Some(partition);
        self
    }

    pub fn timestamp(mut self, timestamp: TimestampMs) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    pub(super) fn wire_headers(&self) -> Vec<Header<'_>> {
        let each = self.headers.iter();
        each.map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        })
        .collect()
    }

    /// What the record takes in a batch at most.
    pub(super) fn bytes(&self) -> usize {
        record_bytes_max(
            self.key.as_deref(),
            self.value.as_deref(),
            &self.wire_headers(),
        )
    }
}
