//! The doors: what comes in from sockets and goes out again. A door never imports the other.
//!
//! [`kafka`] speaks Kafka's protocol on every core, [`native`] corelog's own. A door translates: it
//! knows no disk, no Raft and no partition, only the broker's operations. What is no protocol's own
//! is beside them: connections, and what is asked of a broker.

mod connection;
pub mod http;
pub mod kafka;
pub mod native;
#[cfg(test)]
mod node;
mod operation;
mod recovering;

pub use connection::{Budget, Counters, Door, Options};
pub use recovering::listen;
