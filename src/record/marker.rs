//! The end of a transaction, as the broker writes it into each of its partitions.
//!
//! A control batch of one record (KIP-98). Its key is version i16 (0), type i16 (0 abort, 1 commit);
//! its value is version i16 (0), coordinator epoch i32. All big-endian.

use bytes::BytesMut;
use corelog_base::{ProducerEpoch, ProducerId, TimestampMs};

use crate::{BatchBuilder, BatchHeader, Codec, Error, Kind, ProducerState, records};

/// A marker's batch holds one record of a few bytes.
const MARKER_BYTES_MAX: usize = 4 << 10;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndMarker {
    pub committed: bool,
    /// Of the coordinator that wrote it; it grows with each of its leaders.
    pub coordinator_epoch: i32,
}

impl EndMarker {
    /// The batch that says so.
    pub fn batch(self, id: ProducerId, epoch: ProducerEpoch, now: TimestampMs) -> BytesMut {
        let mut key = [0; 4];
        let kind = if self.committed { COMMIT } else { ABORT };
        key[2..].copy_from_slice(&kind.to_be_bytes());
        let mut value = [0; 6];
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::new(Codec::None);
        builder.transactional().control().producer(ProducerState {
            id,
            epoch,
            base_sequence: -1,
        });
        let pushed = builder.push(now, Some(&key), Some(&value), &[]);
        pushed.expect("one record of a few bytes fits a batch");
        builder.finish()
    }

    /// Reads it from a batch whose header is known; None if the batch is no end of a transaction.
    ///
    /// # Errors
    /// `Truncated` and the like, if it claims to be one and cannot be read.
    pub fn parse(header: &BatchHeader, batch: &[u8]) -> Result<Option<Self>, Error> {
        if !header.attributes.is_control() {
            return Ok(None);
        }
        let short = Error::new(Kind::Truncated, "a control record is too short");
        let records = records(batch, MARKER_BYTES_MAX)?;
        let record = records.iter().next().ok_or(short)??;
        let kind = record.key.and_then(|key| key.get(2..4)).ok_or(short)?;
        let committed = match i16::from_be_bytes(kind.try_into().map_err(|_| short)?) {
            ABORT => false,
            COMMIT => true,
            _ => return Ok(None),
        };
        let epoch = record
            .value
            .and_then(|value| value.get(2..6))
            .ok_or(short)?;
        let coordinator_epoch = i32::from_be_bytes(epoch.try_into().map_err(|_| short)?);
        Ok(Some(Self {
            committed,
            coordinator_epoch,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_come_back() {
        for (committed, coordinator_epoch) in [(true, 0), (false, 7), (true, -1)] {
            let marker = EndMarker {
                committed,
                coordinator_epoch,
            };
            let batch = marker.batch(ProducerId(9), ProducerEpoch(3), TimestampMs(5));
            let header = BatchHeader::parse(&batch).unwrap();
            assert!(header.attributes.is_control() && header.attributes.is_transactional());
            assert_eq!(
                (header.producer_id, header.base_sequence),
                (ProducerId(9), -1)
            );
            assert_eq!(EndMarker::parse(&header, &batch), Ok(Some(marker)));
        }
    }

    #[test]
    fn other_batches_are_none() {
        let mut builder = BatchBuilder::new(Codec::None);
        builder
            .push(TimestampMs(1), Some(b"ab"), None, &[])
            .unwrap();
        let batch = builder.finish();
        let header = BatchHeader::parse(&batch).unwrap();
        assert_eq!(EndMarker::parse(&header, &batch), Ok(None));
        let mut builder = BatchBuilder::new(Codec::None);
        builder.control();
        builder
            .push(TimestampMs(1), Some(b"ab"), None, &[])
            .unwrap();
        let batch = builder.finish();
        let header = BatchHeader::parse(&batch).unwrap();
        assert!(EndMarker::parse(&header, &batch).is_err());
    }
}
