//! Compaction: of a group's sealed segments only the last record of each key stays.
//!
//! One pass at a time on a core, as a task among the others: it works in slices of a fraction of a
//! millisecond, reads past the caches, and gives what takes longer to the thread for cold work. It
//! never touches the newest segment, what consensus may still ask for, or what lies behind the last
//! stable offset. See *Compaction* in the formats.

mod batch;
mod key_hash;
mod key_table;
mod pace;
mod pass;
mod plan;
mod queue;
mod replace;
mod sink;
mod source;

pub(crate) use queue::Queue;
