//! The Raft groups of one core, as a machine: `step(now, in)` and `flush(now) -> out`.
//!
//! No I/O, no clock, no randomness but a generator seeded at start; on raft-rs 0.7, which never
//! leaves this room. One call into a group's engine that panics quarantines that group alone.

mod engine;
mod fetch;
mod guard;
mod message;
#[cfg(test)]
mod message_test;
mod ready;
mod replicas;
#[cfg(test)]
mod replicas_test;
#[cfg(test)]
mod simulated_node_test;
#[cfg(test)]
mod simulation_test;
mod store;

pub use guard::in_engine;
pub use message::{MessageError, PeerMessage};
pub use replicas::{In, Limits, Out, Replicas, Restored, Role, Spec};
