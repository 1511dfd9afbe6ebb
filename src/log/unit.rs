//! How entries lie in a segment: Kafka's batches as they are, or metadata behind 32 bytes.

use corelog_base::{Entry, GroupId, Offset, TimestampMs, crc32c, crc32c_append};

use crate::codec::{count_u32, get, get_i64, get_u32, put};

/// Of a whole segment. The numbers are on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Framing {
    Kafka = 0,
    Metadata = 1,
}

const METADATA_MAGIC: &[u8; 4] = b"CLGM";
pub(crate) const METADATA_BYTES: usize = 32;
/// Enough of a batch to know its length and offsets and its largest timestamp.
const KAFKA_BYTES: usize = 61;
/// Base offset and length, which the length of a batch does not count.
const KAFKA_PREFIX: usize = 12;

/// One entry's place in a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unit {
    /// With its framing.
    pub bytes: u64,
    pub base_offset: Offset,
    pub next_offset: Offset,
    /// None if compaction has left no record.
    pub max_timestamp: TimestampMs,
    /// Where the entry's data begin.
    pub data_at: usize,
}

impl Framing {
    pub(crate) fn of(group: GroupId) -> Self {
        if group == GroupId::METADATA {
            Self::Metadata
        } else {
            Self::Kafka
        }
    }

    pub(crate) fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Kafka),
            1 => Some(Self::Metadata),
            _ => None,
        }
    }

    /// How many bytes `parse` needs.
    pub(crate) fn header_bytes(self) -> usize {
        match self {
            Self::Kafka => KAFKA_BYTES,
            Self::Metadata => METADATA_BYTES,
        }
    }

    /// What an entry takes in the segment: 0 for one that takes no offset.
    pub(crate) fn bytes_of(self, entry: &Entry) -> u64 {
        if is_bare(entry) {
            return 0;
        }
        let data = entry.data.len() as u64;
        match self {
            Self::Kafka => data,
            Self::Metadata => data + METADATA_BYTES as u64,
        }
    }

    /// The bytes that stand before an entry's data.
    pub(crate) fn prefix(self, entry: &Entry) -> Option<[u8; METADATA_BYTES]> {
        if self == Self::Kafka || is_bare(entry) {
            return None;
        }
        let mut bytes = [0u8; METADATA_BYTES];
        put(&mut bytes, 0, *METADATA_MAGIC);
        put(&mut bytes, 4, count_u32(entry.data.len()).to_le_bytes());
        put(&mut bytes, 8, entry.base_offset.0.to_le_bytes());
        put(&mut bytes, 16, entry.next_offset.0.to_le_bytes());
        let sum = crc32c_append(crc32c(&bytes[..24]), &entry.data);
        put(&mut bytes, 24, sum.to_le_bytes());
        Some(bytes)
    }

    /// The unit that begins here; None if these bytes are not one's beginning.
    pub(crate) fn parse(self, bytes: &[u8]) -> Option<Unit> {
        match self {
            Self::Kafka => parse_batch(bytes),
            Self::Metadata => parse_metadata(bytes),
        }
    }
}

/// Whether an entry is kept in the map instead of the segment.
pub(crate) fn is_bare(entry: &Entry) -> bool {
    entry.base_offset == entry.next_offset
}

fn parse_batch(bytes: &[u8]) -> Option<Unit> {
    let base_offset = i64::from_be_bytes(get(bytes, 0)?);
    let length = i32::from_be_bytes(get(bytes, 8)?);
    let last_delta = i32::from_be_bytes(get(bytes, 23)?);
    let records = i32::from_be_bytes(get(bytes, 57)?);
    let max_timestamp = match records {
        0 => TimestampMs::NONE.0,
        _ => i64::from_be_bytes(get(bytes, 35)?),
    };
    let length = u64::try_from(length).ok()?;
    if last_delta < 0 || base_offset < 0 || length < (KAFKA_BYTES - KAFKA_PREFIX) as u64 {
        return None;
    }
    let next = base_offset
        .checked_add(i64::from(last_delta))?
        .checked_add(1)?;
    Some(Unit {
        bytes: length + KAFKA_PREFIX as u64,
        base_offset: Offset(base_offset),
        next_offset: Offset(next),
        max_timestamp: TimestampMs(max_timestamp),
        data_at: 0,
    })
}

fn parse_metadata(bytes: &[u8]) -> Option<Unit> {
    if get::<4>(bytes, 0)? != *METADATA_MAGIC {
        return None;
    }
    Some(Unit {
        bytes: u64::from(get_u32(bytes, 4)?) + METADATA_BYTES as u64,
        base_offset: Offset(get_i64(bytes, 8)?),
        next_offset: Offset(get_i64(bytes, 16)?),
        max_timestamp: TimestampMs::NONE,
        data_at: METADATA_BYTES,
    })
}

/// The largest timestamp that a batch claims; none for anything else.
pub(crate) fn max_timestamp(framing: Framing, entry: &Entry) -> TimestampMs {
    if framing == Framing::Metadata || is_bare(entry) {
        return TimestampMs::NONE;
    }
    parse_batch(&entry.data).map_or(TimestampMs::NONE, |unit| unit.max_timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use corelog_base::{EntryKind, LogIndex, Term};

    #[test]
    fn metadata_units_are_found_again() {
        let entry = Entry {
            index: LogIndex(4),
            term: Term(1),
            kind: EntryKind::Metadata,
            base_offset: Offset(8),
            next_offset: Offset(9),
            data: Bytes::from_static(b"records"),
        };
        let mut bytes = Framing::Metadata.prefix(&entry).unwrap().to_vec();
        bytes.extend_from_slice(&entry.data);
        let unit = Framing::Metadata.parse(&bytes).unwrap();
        assert_eq!(unit.bytes, Framing::Metadata.bytes_of(&entry));
        assert_eq!((unit.base_offset, unit.next_offset), (Offset(8), Offset(9)));
        assert_eq!(&bytes[unit.data_at..], b"records");
        assert_eq!(Framing::Metadata.parse(&bytes[..10]), None);
    }

    #[test]
    fn garbage_is_no_batch() {
        assert_eq!(Framing::Kafka.parse(&[0; 61]), None, "a length of zero");
        assert_eq!(Framing::Kafka.parse(&[0xff; 61]), None, "negative");
        assert_eq!(Framing::Kafka.parse(&[0; 20]), None, "short");
    }
}
