//! The doors: what comes in from sockets and goes out again. A door never imports the other.
//!
//! [`kafka`] speaks Kafka's protocol on every core. A door translates: it knows no disk, no Raft
//! and no partition, only the broker's operations.

pub mod http;
pub mod kafka;
