//! What a Raft group's log is made of, as replica, log and partition pass it on.

use bytes::Bytes;

use crate::{LogIndex, NodeId, Offset, Term};

/// What an entry carries. The numbers are on disk and on the wire between brokers: frozen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum EntryKind {
    /// The empty entry with which a leader opens its term. Takes no offset.
    Opening = 0,
    /// One record batch v2, stamped with its base offset and leader epoch. Takes offsets.
    Batch = 1,
    /// A change of the group's members, encoded by `replica`. Takes no offset.
    Members = 2,
    /// The log start moves: the new start offset as i64 little-endian. Takes no offset.
    LogStart = 3,
    /// Records of the cluster's metadata, encoded by `cluster`. Takes one offset.
    Metadata = 4,
}

impl EntryKind {
    pub fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Opening,
            1 => Self::Batch,
            2 => Self::Members,
            3 => Self::LogStart,
            4 => Self::Metadata,
            _ => return None,
        })
    }
}

/// One entry. `base_offset == next_offset` for an entry that takes no offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub index: LogIndex,
    pub term: Term,
    pub kind: EntryKind,
    /// The partition's offset before this entry.
    pub base_offset: Offset,
    /// The partition's offset after this entry.
    pub next_offset: Offset,
    pub data: Bytes,
}

/// What a voter must never forget.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HardState {
    pub term: Term,
    /// The replica id voted for in `term`; 0 is none.
    pub vote: u64,
    pub commit: LogIndex,
}

/// A replica of a group: a broker, and the id of this assignment, which is never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Replica {
    pub node: NodeId,
    /// Above 0.
    pub id: u64,
}

/// Where a group's log begins: everything before has been deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogStart {
    /// The first index that is kept.
    pub index: LogIndex,
    /// The term of the entry before `index`; 0 at the very beginning.
    pub term_before: Term,
    /// The first offset that may be read.
    pub offset: Offset,
}

impl Default for LogStart {
    fn default() -> Self {
        Self {
            index: LogIndex(1),
            term_before: Term(0),
            offset: Offset(0),
        }
    }
}
