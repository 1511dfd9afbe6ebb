//! A node: from a configuration to cores that serve, and back to a clean end.
//!
//! The housekeeping thread conducts the boot, watches the heartbeats, answers HTTP and hears
//! signals. It never touches a core's state: cores and conductor talk over channels.

mod checks;
mod conduct;
mod cores;
mod facts;
mod identity;
mod inspect;
mod latency;
mod memory;
mod metrics;
mod parse;
mod placement;
mod recovery;
mod sealed;
mod serve;
mod settings;
pub mod stopped;
mod watchdog;

pub use cores::Figures;
pub use latency::LatencyChoice;
pub use serve::serve;
pub use settings::{CoreChoice, KEYS, Key, Native, Settings};
