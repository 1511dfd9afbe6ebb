//! Transactions of one partition of `__transaction_state`: who may write under a transactional id,
//! which partitions its transaction has, and how it ends.
//!
//! A transaction ends in two steps. *Prepare* decides: once its record is committed, the markers go
//! to every partition, again and again until all have it. *Complete* says that they have. Both
//! protocols live here: the older one, in which a producer keeps its epoch over many transactions,
//! and KIP-890's, in which each transaction has an epoch of its own.

mod api;
#[cfg(test)]
mod random_test;
mod records;
mod state;
#[cfg(test)]
mod testing;
mod transaction;
#[cfg(test)]
mod transactions_test;

pub use api::*;
pub use state::Transactions;
pub use transaction::STATES;
