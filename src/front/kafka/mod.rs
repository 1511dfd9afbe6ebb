//! The Kafka door: sockets on one side, the broker's operations on the other.
//!
//! It lives on every core, with its own accept loop. It owns connections, their order, their caps
//! and the translation of requests, answers and errors. It decides nothing about records: a
//! handler decodes, asks the broker and encodes.

mod api;
mod call;
mod context;
mod door;
mod error;
mod handlers;
pub mod recovering;
mod sessions;
mod share_sessions;

#[cfg(test)]
pub(crate) mod client;
#[cfg(test)]
mod protocol_test;

#[cfg(test)]
pub(crate) use door::FRAMING;
pub use door::open;
