//! Records to bytes and back: the data of one entry of the metadata's log.
//!
//! ```text
//! u16  format of this container, 1        all integers little-endian
//! u16  number of records
//! u32  zero
//! then for each record, 8-byte aligned:
//! u16  kind of record
//! u16  version of this kind
//! u32  length of the archive in bytes
//! ...  the archive (rkyv 0.8, little-endian, aligned, 32-bit pointers), root at its end
//! ...  zeros up to a multiple of 8
//! ```
//!
//! The (kind, version) pair selects a type of `v1`, which is frozen. Integrity is the log's
//! matter: every entry has a CRC.

use bytes::{BufMut, Bytes, BytesMut};
use rkyv::rancor;
use rkyv::util::AlignedVec;

use corelog_base::TopicId;

use crate::record::{ConfigsChanged, Node, Record, Snapshot, TopicCreated};
use crate::v1::{
    ClusterV1, ConfigsChangedV1, FeatureV1, NodeV1, PartitionsAddedV1, ProducerIdsV1, SnapshotV1,
    TopicCreatedV1, TopicDeletedV1,
};
use crate::{ClusterId, Error, Kind};

const FORMAT: u16 = 1;
const HEADER_BYTES: usize = 8;

mod kind {
    pub(super) const CLUSTER: u16 = 1;
    pub(super) const NODE: u16 = 2;
    pub(super) const TOPIC_CREATED: u16 = 3;
    pub(super) const PARTITIONS_ADDED: u16 = 4;
    pub(super) const TOPIC_DELETED: u16 = 5;
    pub(super) const CONFIGS_CHANGED: u16 = 6;
    pub(super) const PRODUCER_IDS: u16 = 7;
    pub(super) const FEATURE: u16 = 8;
    pub(super) const SNAPSHOT: u16 = 9;
}

/// The data of one entry.
///
/// # Panics
/// If there are more than `u16::MAX` records, or one is longer than `u32::MAX`: plans are bounded
/// far below.
pub fn encode(records: &[Record]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u16_le(FORMAT);
    out.put_u16_le(u16::try_from(records.len()).expect("plans are bounded"));
    out.put_u32_le(0);
    for record in records {
        let (kind, archive) = archive(record);
        out.put_u16_le(kind);
        out.put_u16_le(1);
        out.put_u32_le(u32::try_from(archive.len()).expect("plans are bounded"));
        out.extend_from_slice(&archive);
        let padded = out.len().next_multiple_of(HEADER_BYTES);
        out.resize(padded, 0);
    }
    out.freeze()
}

fn archive(record: &Record) -> (u16, AlignedVec) {
    /// Writing to memory fails only if lengths overflow 32 bits, which plans rule out.
    macro_rules! bytes {
        ($value:expr) => {
            rkyv::to_bytes::<rancor::Error>($value).expect("a bounded value is archived")
        };
    }
    match record {
        Record::Cluster(id) => (kind::CLUSTER, bytes!(&ClusterV1 { id: id.0 })),
        Record::Node(node) => (kind::NODE, bytes!(&NodeV1::from(node))),
        Record::TopicCreated(topic) => (kind::TOPIC_CREATED, bytes!(&TopicCreatedV1::from(topic))),
        Record::PartitionsAdded { topic, partitions } => (
            kind::PARTITIONS_ADDED,
            bytes!(&PartitionsAddedV1::new(*topic, partitions)),
        ),
        Record::TopicDeleted(topic) => (
            kind::TOPIC_DELETED,
            bytes!(&TopicDeletedV1 { topic: topic.0 }),
        ),
        Record::ConfigsChanged(changed) => (
            kind::CONFIGS_CHANGED,
            bytes!(&ConfigsChangedV1::from(changed)),
        ),
        Record::ProducerIds { next } => {
            (kind::PRODUCER_IDS, bytes!(&ProducerIdsV1 { next: *next }))
        }
        Record::Feature { name, level } => {
            let feature = FeatureV1 {
                name: name.clone(),
                level: *level,
            };
            (kind::FEATURE, bytes!(&feature))
        }
        Record::Snapshot(image) => (kind::SNAPSHOT, bytes!(&SnapshotV1::from(&**image))),
    }
}

/// The records of one entry.
///
/// # Errors
/// `Malformed` if the bytes are no records, or records of a version that is not known here.
pub fn decode(data: &[u8]) -> Result<Vec<Record>, Error> {
    let (head, mut rest) = header(data)?;
    if head[0] != FORMAT {
        return Err(malformed(format!(
            "container format {} is unknown",
            head[0]
        )));
    }
    let mut records = Vec::new();
    for _ in 0..head[1] {
        let (head, body) = header(rest)?;
        let archive_bytes = usize::from(head[2]) | usize::from(head[3]) << 16;
        let archive = body.get(..archive_bytes).ok_or_else(truncated)?;
        records.push(record(head[0], head[1], archive)?);
        rest = body
            .get(archive_bytes.next_multiple_of(HEADER_BYTES)..)
            .ok_or_else(truncated)?;
    }
    if !rest.is_empty() {
        return Err(malformed(format!(
            "{} bytes after the last record",
            rest.len()
        )));
    }
    Ok(records)
}

/// The four words of a header, and what follows it.
fn header(data: &[u8]) -> Result<([u16; 4], &[u8]), Error> {
    let (head, rest) = data
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or_else(truncated)?;
    let word = |i: usize| u16::from_le_bytes([head[2 * i], head[2 * i + 1]]);
    Ok(([word(0), word(1), word(2), word(3)], rest))
}

fn record(kind: u16, version: u16, archive: &[u8]) -> Result<Record, Error> {
    // The log hands out slices of any alignment.
    let mut aligned = AlignedVec::<16>::with_capacity(archive.len());
    aligned.extend_from_slice(archive);
    /// Validated access, then an owned value.
    macro_rules! value {
        ($type:ty) => {
            rkyv::from_bytes::<$type, rancor::Error>(&aligned)
                .map_err(|error| malformed(format!("a record of kind {kind}: {error}")))?
        };
    }
    Ok(match (kind, version) {
        (kind::CLUSTER, 1) => Record::Cluster(ClusterId(value!(ClusterV1).id)),
        (kind::NODE, 1) => Record::Node(Node::from(value!(NodeV1))),
        (kind::TOPIC_CREATED, 1) => {
            Record::TopicCreated(TopicCreated::from(value!(TopicCreatedV1)))
        }
        (kind::PARTITIONS_ADDED, 1) => {
            let (topic, partitions) = value!(PartitionsAddedV1).into_parts();
            Record::PartitionsAdded { topic, partitions }
        }
        (kind::TOPIC_DELETED, 1) => Record::TopicDeleted(TopicId(value!(TopicDeletedV1).topic)),
        (kind::CONFIGS_CHANGED, 1) => {
            Record::ConfigsChanged(ConfigsChanged::try_from(value!(ConfigsChangedV1))?)
        }
        (kind::PRODUCER_IDS, 1) => Record::ProducerIds {
            next: value!(ProducerIdsV1).next,
        },
        (kind::FEATURE, 1) => {
            let FeatureV1 { name, level } = value!(FeatureV1);
            Record::Feature { name, level }
        }
        (kind::SNAPSHOT, 1) => Record::Snapshot(Box::new(Snapshot::from(value!(SnapshotV1)))),
        _ => {
            return Err(malformed(format!(
                "a record of kind {kind}, version {version}, which this version of corelog does \
                 not know: a newer one wrote it"
            )));
        }
    })
}

fn truncated() -> Error {
    malformed("metadata ends early".into())
}

fn malformed(why: String) -> Error {
    Error::new(Kind::Malformed, why)
}

#[cfg(test)]
#[path = "codec_test.rs"]
mod tests;
