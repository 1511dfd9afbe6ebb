//! Finding records of one batch by time.

use corelog_base::{Offset, TimestampMs};

use crate::records::section_of;
use crate::{BatchHeader, Error, Kind, RecordIter};

/// The first record whose timestamp is at or after `timestamp`, in the order of offsets, with its
/// timestamp; none if all are earlier. `batch` is one whole batch.
///
/// # Errors
/// What walking the records finds wrong.
pub fn first_at_or_after(
    batch: &[u8],
    timestamp: TimestampMs,
    decompressed_bytes_max: usize,
) -> Result<Option<(Offset, TimestampMs)>, Error> {
    let header = BatchHeader::parse(batch)?;
    if header.max_timestamp < timestamp {
        return Ok(None);
    }
    let section = section_of(&header, batch, decompressed_bytes_max)?;
    for record in RecordIter::new(&header, &section) {
        let record = record?;
        if record.timestamp >= timestamp {
            return Ok(Some((record.offset, record.timestamp)));
        }
    }
    Ok(None)
}

/// The record with the highest timestamp; of several, the first.
///
/// # Errors
/// What walking the records finds wrong; `Count` for a batch without records.
pub fn max_timestamp_record(
    batch: &[u8],
    decompressed_bytes_max: usize,
) -> Result<(Offset, TimestampMs), Error> {
    let header = BatchHeader::parse(batch)?;
    let section = section_of(&header, batch, decompressed_bytes_max)?;
    let mut highest: Option<(Offset, TimestampMs)> = None;
    for record in RecordIter::new(&header, &section) {
        let record = record?;
        if highest.is_none_or(|(_, timestamp)| record.timestamp > timestamp) {
            highest = Some((record.offset, record.timestamp));
        }
    }
    highest.ok_or(Error::new(Kind::Count, "the batch has no records"))
}
