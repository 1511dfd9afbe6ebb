//! One node's log whose groups are compacted, through kills and power losses.
//!
//! Property, against a model that keeps everything: what is read is what was written at its offset,
//! in batches that kept their offsets; the last value of each key is there, and no value comes back
//! behind its tombstone; a reader of committed records sees all of those and nothing that was
//! aborted; each producer's last batch has its header; and once compaction has nothing left to do,
//! exactly the last record of each key is left below.

mod checker;
mod facts;
mod life;
mod writer;

pub use life::{Report, Setting, run};
