//! Where share groups (KIP-932) stand in partitions: which records are delivered to whom, how often,
//! and which are done with.
//!
//! The state of one group in one partition lives in one partition of `__share_group_state`, with the
//! locks that its members hold; so a record is acquired and acknowledged in one place. What is done
//! with, and how often the rest was delivered, is stored in Kafka's own records before it is
//! answered; locks are not, for after a crash nobody holds what he has not acknowledged.

mod api;
mod partition;
#[cfg(test)]
mod shares_test;
mod state;

pub use api::*;
pub use state::Shares;
