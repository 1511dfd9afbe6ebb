//! Workloads: what a simulated cluster is put through, and what must hold of it. Each is a
//! function of a seed; [`seeds`] runs many.

mod batch;
pub mod cluster;
pub mod compact;
pub mod log;
mod placement;
mod seeds;

pub use seeds::{Failure, seeds};
