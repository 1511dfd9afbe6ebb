//! Records of `__consumer_offsets`, as Kafka 4.2 writes them.

use bytes::Bytes;
use corelog_wire::kafka::internal::{GroupMetadataKey, OffsetCommitKey, OffsetCommitValue};

use super::offsets::Offset;
use crate::Stored;

/// A key or a value that is made here: strings and arrays come from requests, whose lengths fit.
pub(super) fn made(encoded: Result<Bytes, corelog_wire::Error>) -> Bytes {
    encoded.expect("what a request could say can be stored")
}

fn offset_key(group: &str, topic: &str, partition: i32) -> Bytes {
    let key = OffsetCommitKey {
        group,
        topic,
        partition,
    };
    made(key.encode())
}

pub(super) fn offset(group: &str, topic: &str, partition: i32, offset: &Offset) -> Stored {
    // Only version 1 has an expiry of the offset's own.
    let version = if offset.expires.0 >= 0 { 1 } else { 4 };
    let value = OffsetCommitValue {
        offset: offset.committed.offset.0,
        leader_epoch: offset.committed.leader_epoch.0,
        metadata: &offset.committed.metadata,
        commit_timestamp: offset.time.0,
        expire_timestamp: offset.expires.0,
        topic_id: offset.topic,
    };
    Stored {
        key: offset_key(group, topic, partition),
        value: Some(made(value.encode(version))),
    }
}

pub(super) fn no_offset(group: &str, topic: &str, partition: i32) -> Stored {
    Stored {
        key: offset_key(group, topic, partition),
        value: None,
    }
}

pub(super) fn no_classic_group(group: &str) -> Stored {
    Stored {
        key: made(GroupMetadataKey { group }.encode()),
        value: None,
    }
}
