//! Faults against the real process: what was acknowledged must be read back.
//!
//! A scenario starts the binary, drives it over sockets with producers and consumers that write a
//! history, injects one kind of fault, heals it, reads everything, and has the history checked by
//! the names of `docs/reliability.md`. It owns its data directory, its ports and the processes that
//! it started. It never looks into the broker's memory and shares no code with what it tests but
//! the client and the record format.

mod anomaly;
mod broker;
mod checker;
#[cfg(test)]
mod checker_test;
mod frames;
mod fuse;
mod history;
mod host;
mod image;
mod judge;
mod load;
mod mount;
mod pause;
mod run;
pub mod scenarios;
mod value;

pub use anomaly::{Anomalies, Anomaly, Name};
pub use broker::{Broker, Setup};
pub use checker::{Checker, Counts};
pub use history::{Acks, Event, History, Kind, Op, Place, Seen};
pub use host::{binary, free_ports};
pub use load::{Bench, Load, STYLES, Style};
pub use pause::pause;
pub use run::{Outcome, Plan, Run, remove};
pub use value::{bytes_of, value_of};
