//! A core's shard: the groups that it owns, and every decision about them.
//!
//! It lives on its core inside `Shared`; tasks reach it one step at a time. A step is not async:
//! it takes an event, changes state, and leaves what must be done outside in [`Effects`]. The
//! log is the exception: appending fills the pending journal frame and never waits.

mod admin;
mod coordinators;
mod fetch;
mod group;
pub(crate) mod job;
pub(crate) mod load;
mod mark;
mod metadata;
mod offsets;
mod produce;
mod raft;
mod raise;
mod state;
mod transactions;
mod upkeep;
mod visits;

pub(crate) use metadata::apply_entry;
pub use state::Counters;
pub(crate) use state::{Identity, METADATA_CORE, Shard};
