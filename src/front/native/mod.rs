//! The door for corelog's own protocol: sockets on one side, the broker's operations on the other.
//!
//! It lives on every core, and each core has a port of its own, so that a client talks to the core
//! that owns a partition: its batches go to the shard without a hop. It owns no connection's ways
//! (those are every door's), only the protocol: archives are validated and read where they lie, and
//! batches leave their frame without a copy. It decides nothing about records.

mod call;
mod context;
mod door;
mod handlers;
mod recovering;
mod requests;
mod subscriptions;

#[cfg(test)]
mod client;
#[cfg(test)]
mod evolution_test;
#[cfg(test)]
mod requests_test;
#[cfg(test)]
mod subscribe_test;

pub use context::Address;
pub use door::open;
pub use recovering::Recovering;
