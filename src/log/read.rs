//! Reads: from memory at once, or a plan that goes to disk.

use bytes::Bytes;
use corelog_base::{Entry, GroupId, LogIndex, Offset};
use corelog_rt::Runtime;

use crate::{Error, Log};

/// What a read found.
pub enum Read {
    /// Whole batches, in order; each part holds one or more. Empty if nothing is in the range.
    Ready(Vec<Bytes>),
    /// The bytes are on disk: run the plan, hold no borrow meanwhile.
    Disk(ReadPlan),
}

/// A read that goes to disk. Owns what it needs; safe to drop at any time.
pub struct ReadPlan {
    pub group: GroupId,
    /// Inclusive.
    pub from: Offset,
    /// Exclusive.
    pub upto: Offset,
    pub bytes_max: u32,
    pub first_whole: bool,
}

impl ReadPlan {
    /// Whole batches; the first contains `from`. May return fewer than are there: read again from
    /// the offset after the last.
    ///
    /// # Errors
    /// `Damaged` with the range if the bytes are not what was written; `NoSuchGroup` if the group
    /// was removed meanwhile; `OutOfRange` if the start moved past `from`.
    pub async fn run<R: Runtime>(self, log: &Log<R>) -> Result<Vec<Bytes>, Error> {
        let _ = log;
        unimplemented!()
    }
}

/// Entries for a follower, or for a restart.
pub enum Entries {
    /// Contiguous from the index that was asked for; at least one if there is one.
    Ready(Vec<Entry>),
    Disk(EntriesPlan),
}

/// A read of entries that goes to disk.
pub struct EntriesPlan {
    pub group: GroupId,
    /// Inclusive.
    pub from: LogIndex,
    /// Exclusive.
    pub to: LogIndex,
    pub bytes_max: u32,
}

impl EntriesPlan {
    /// Contiguous from `from`; may be fewer than asked, at least one.
    pub async fn run<R: Runtime>(self, log: &Log<R>) -> Result<Vec<Entry>, Error> {
        let _ = log;
        unimplemented!()
    }
}
