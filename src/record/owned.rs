//! Records that share the bytes of what was received, for those who keep them.

use std::borrow::Cow;

use bytes::Bytes;
use corelog_base::{Offset, TimestampMs};

use crate::{BatchHeader, Error, RecordIter, section};

/// A record whose key, value and headers are slices of a batch or of what it was decompressed to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnedRecord {
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// The bytes that hold the records of one whole batch. The CRC is not checked.
///
/// # Errors
/// Those of [`section`].
pub fn owned_section(batch: &Bytes, decompressed_bytes_max: usize) -> Result<Bytes, Error> {
    Ok(match section(batch, decompressed_bytes_max)? {
        Cow::Borrowed(part) => batch.slice_ref(part),
        Cow::Owned(bytes) => Bytes::from(bytes),
    })
}

/// The records of a section from the offset `from` on.
///
/// # Errors
/// Each record that is not one, after which nothing comes.
pub fn read_owned(
    header: &BatchHeader,
    section: &Bytes,
    from: Offset,
) -> impl Iterator<Item = Result<OwnedRecord, Error>> {
    RecordIter::new(header, section).filter_map(move |record| {
        let record = match record {
            Ok(record) if record.offset < from => return None,
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let headers = record.headers().map(|header| {
            let value = header.value.map(|value| section.slice_ref(value));
            (section.slice_ref(header.key), value)
        });
        Some(Ok(OwnedRecord {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(|key| section.slice_ref(key)),
            value: record.value.map(|value| section.slice_ref(value)),
            headers: headers.collect(),
        }))
    })
}
