//! The Kafka door: sockets on one side, the broker's operations on the other.
//!
//! It lives on every core, with its own accept loop. It owns connections, their order, their caps
//! and the translation of requests, answers and errors. It decides nothing about records: a
//! handler decodes, asks the broker and encodes.

mod api;
mod call;
mod connection;
mod context;
mod door;
mod error;
mod frames;
mod handlers;
mod lane;
mod options;
pub mod recovering;
mod service;
mod sessions;
mod share_sessions;

#[cfg(test)]
mod connection_test;
#[cfg(test)]
mod deadlines_test;
#[cfg(test)]
mod node;
#[cfg(test)]
mod protocol_test;
#[cfg(test)]
mod testing;

pub use door::{Counters, Door};
pub use options::Options;
