//! Faults against the real process: what was acknowledged must be read back.
//!
//! A scenario starts the binary, drives it over sockets with producers and consumers that write a
//! history, injects one kind of fault, heals it, reads everything, and has the history checked by
//! the names of `docs/reliability.md`. It owns its data directory, its ports and the processes that
//! it started. It never looks into the broker's memory and shares no code with what it tests but
//! the client and the record format.

mod anomaly;
mod checker;
#[cfg(test)]
mod checker_test;
mod history;

pub use anomaly::{Anomalies, Anomaly, Name};
pub use checker::{Checker, Counts};
pub use history::{Acks, Event, History, Kind, Op, Place, Seen};
