//! A node: from a configuration to cores that serve, and back to a clean end.
//!
//! The housekeeping thread conducts the boot, watches the heartbeats, answers HTTP and hears
//! signals. It never touches a core's state: cores and conductor talk over channels.

mod conduct;
mod cores;
mod placement;

pub use conduct::RuntimeChoice;
pub use cores::Figures;
