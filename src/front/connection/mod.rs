//! What a connection is at every door: frames out of a socket, their order, their deadlines, and
//! the responses' way back.
//!
//! It lives on every core, once a door. It owns sockets, and knows no protocol: a door says how its
//! frames are told apart ([`Framing`]) and what becomes of one ([`Service`]).

mod budget;
#[expect(clippy::module_inception, reason = "the main type of this folder")]
mod connection;
mod door;
mod frames;
mod lane;
mod options;
mod pushes;
mod service;

#[cfg(test)]
mod connection_test;
#[cfg(test)]
mod deadlines_test;
#[cfg(test)]
mod testing;

pub use budget::Budget;
pub(crate) use door::Services;
pub use door::{Counters, Door};
pub(crate) use frames::{Framing, Prefix};
pub use options::Options;
pub(crate) use pushes::Pushes;
pub(crate) use service::{Aside, Frame, Order, Reply, Response, Service, Started, Task};
