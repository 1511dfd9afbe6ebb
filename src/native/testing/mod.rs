//! A broker in memory, for tests: it keeps batches, numbers them, knows producers as a partition
//! does, and fails as it is told to.

mod fake;
mod log;
mod peer;

pub(crate) use fake::{Fake, Fate, State, TOPIC, lock, ranges, soon};
