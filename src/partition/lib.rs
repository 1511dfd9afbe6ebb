//! What a Kafka partition is on top of a Raft log: offsets, leader epochs, producers,
//! transactions, waiters.
//!
//! One [`Partition`] lives on the core that owns its group. It decides and remembers; it does no
//! I/O, knows no clock, and never sees a socket. The broker's shard drives it.

mod aborted;
mod checkpoint;
mod epochs;
mod partition;
mod producers;
#[cfg(test)]
mod producers_test;
#[cfg(test)]
mod transactions_test;
mod waiters;

pub use aborted::{Aborted, AbortedIndex};
pub use checkpoint::RestoreError;
pub use epochs::{EpochEnd, Epochs};
pub use partition::{Accepted, Admission, Origin, Partition, Refusal};
pub use producers::{
    End, MarkerEpoch, ProducerInfo, Producers, Sequenced, Standing, Verdict, Verified,
};
pub use waiters::{CommitWaiters, FetchWaiters};
