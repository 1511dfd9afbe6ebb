//! Coordinators: what decides about groups, keeps their offsets, and ends transactions.
//!
//! A coordinator belongs to one partition of an internal topic ([`Kind`]) and lives on the core
//! that leads it. It is pure: [`Coordinator::step`] takes an [`Event`], changes the state at once,
//! and leaves [`Effect`]s. The broker hosts it: it appends the records, sends a reply only once all
//! that the coordinator appended before has committed, and gives the records back to
//! [`Coordinator::replay`] when a partition's next leader loads. If leadership or an append is lost,
//! the instance is dropped whole and nothing is rolled back.
//!
//! It never sees the log, a socket or a clock; requests and replies are owned types of this room,
//! and Kafka's error codes are the door's.

mod coordinator;
mod error;
pub mod groups;
mod kind;
mod pattern;
mod settings;
pub mod shares;
pub mod transactions;

pub use coordinator::{
    At, Coordinator, Effect, Event, Marker, Producer, Replayed, Reply, Request, Stored, Token,
    Topics,
};
pub use error::{Error, Result};
pub use kind::{Kind, java_hash};
pub use settings::{GroupSettings, Settings, ShareSettings, TransactionSettings};
