//! What a Kafka partition is on top of a Raft log: offsets, leader epochs, producers, waiters.
//!
//! One [`Partition`] lives on the core that owns its group. It decides and remembers; it does no
//! I/O, knows no clock, and never sees a socket. The broker's shard drives it.

mod epochs;
mod partition;
mod producers;
#[cfg(test)]
mod producers_test;
mod waiters;

pub use epochs::{EpochEnd, Epochs};
pub use partition::{Accepted, Admission, Partition, Refusal};
pub use producers::{ProducerInfo, Producers, RestoreError, Sequenced, Verdict};
pub use waiters::{CommitWaiters, FetchWaiters};
