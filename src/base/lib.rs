//! Ground floor: identifiers, time, checksums and seeded randomness.
//!
//! Everything here is plain data without I/O. Every other room may use it; it uses none.

mod crc;
mod entry;
mod id;
mod id_map;
mod pauses;
mod random;
mod time;

pub use crc::{Crc32c, crc32c, crc32c_append};
pub use entry::{Entry, EntryKind, HardState, LogStart, Replica};
pub use id::{
    CoreId, GroupId, LeaderEpoch, LogIndex, NodeId, Offset, PartitionIndex, ProducerEpoch,
    ProducerId, Term, TopicId,
};
pub use id_map::{IdHasher, IdMap};
pub use pauses::Pauses;
pub use random::{Random, entropy};
pub use time::{Monotonic, TimestampMs};
