//! The Raft groups of one core, as a machine: `step(now, in)` and `flush(now) -> out`.
//!
//! No I/O, no clock, no randomness but a generator seeded at start; on raft-rs 0.7, which never
//! leaves this room. One call into a group's engine that panics quarantines that group alone; the
//! process's panic hook asks [`in_engine`] and spares it.
//!
//! The rules that whoever drives it keeps: appends go to the log in their order, and the log's
//! events come back in theirs; `Persisted` for a frame names the group's last entry in it; a
//! proposal that was refused takes all that were proposed after it with it, and the next
//! `Leadership` says where the log ends.
//!
//! A follower that is behind the leader's log start stays behind: snapshots and changes of members
//! come with clusters of several nodes.

mod alone;
mod engine;
mod fetch;
mod guard;
mod message;
#[cfg(test)]
mod message_test;
#[cfg(test)]
mod peers_test;
#[cfg(feature = "planted")]
pub mod planted;
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
