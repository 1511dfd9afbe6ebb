//! Workloads: what the simulator puts a log and whole nodes through, and what must hold of them.
//! Each is a function of a seed; [`seeds`] runs many.
//!
//! Nothing here is used by a broker, and nothing here knows how the simulator does what it does.

mod batch;
pub mod cluster;
pub mod compact;
pub mod log;
mod placement;
mod seeds;

pub use seeds::{Failure, seeds};
