//! One node's log through crashes, power losses and restarts with another number of cores.
//!
//! Property: after any of them, each group is what some moment of its past was, at or after the
//! last that was acknowledged; byte for byte, without damage. Nothing that was cut off comes back.

pub(super) mod boot;
mod life;
pub(super) mod model;
mod reader;
mod writer;

pub use life::{Report, Setting, run, sites};
