//! Writing records: a handle that batches, and a task that sends.
//!
//! The handle puts each record into the open batch of its partition. The task takes batches, numbers
//! and sends them, and settles their acknowledgements; it alone owns what is under way, so nothing
//! of that is locked.

mod ack;
mod answers;
mod builder;
mod driver;
mod handle;
mod lane;
mod open;
mod record;
mod request;
mod roads;
mod tended;

#[cfg(test)]
mod lane_test;
#[cfg(test)]
mod producer_test;

pub use ack::{Ack, Acknowledged};
pub use builder::{Acks, ProducerBuilder};
pub use handle::Producer;
pub use record::Record;
