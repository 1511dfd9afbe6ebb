//! Produce requests.

use bytes::Bytes;
use corelog_base::{PartitionIndex, TopicId};
use corelog_wire::native::{encode, v1, v2};

/// One request: a batch of each of some partitions of one core.
#[derive(Default)]
pub(super) struct Parts {
    pub partitions: Vec<PartitionIndex>,
    batches: Vec<Bytes>,
    bytes: usize,
}

impl Parts {
    pub(super) fn add(&mut self, partition: PartitionIndex, batch: Bytes) {
        self.partitions.push(partition);
        self.bytes += batch.len();
        self.batches.push(batch);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// # Errors
    /// `Length` if it does not fit a frame.
    pub(super) fn encode(
        self,
        correlation: u64,
        version: u16,
        topic: TopicId,
        (acks, timeout_ms): (i16, u32),
    ) -> Result<Vec<Bytes>, corelog_wire::Error> {
        let mut position = 0;
        let parts = self.partitions.iter().zip(&self.batches);
        let parts = parts.map(|(partition, batch)| {
            let bytes = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            let part = v1::ProducePart {
                topic: topic.0,
                partition: partition.0,
                position,
                bytes,
            };
            position = position.saturating_add(bytes);
            part
        });
        let request = v1::ProduceRequest {
            acks,
            timeout_ms,
            parts: parts.collect(),
        };
        match version {
            1 => encode(correlation, 0, &request, self.batches),
            _ => encode(
                correlation,
                0,
                &v2::ProduceRequest::from(request),
                self.batches,
            ),
        }
    }
}
