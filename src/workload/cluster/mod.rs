//! Nodes of the broker's own code, with clients, under every fault that leaves the disks whole.
//!
//! Property: the history has no anomaly ([`corelog_sim::checker`]), no two nodes lead a partition in one
//! epoch, and once everything is healed, every partition takes and gives records again.

mod client;
mod life;
mod nemesis;
mod node;

pub use life::{Report, Setting, run};
pub use nemesis::Harm;
