//! What both doors do with a broker: the checks of batches, the memory of reads, changes of the
//! metadata, and the numbers of errors. Nothing here knows a protocol's messages; the numbers are
//! Kafka's, which both protocols use.

mod accept;
mod admin;
mod batch;
mod error;
mod fault;
mod read;

pub(crate) use accept::{Accepted, Batches, Place};
pub(crate) use admin::{admin, create_missing, done};
pub(crate) use batch::{Refusal, Rules, TopicRef, Zstd};
pub(crate) use error::{code, coordinator_code, source_number};
pub(crate) use fault::Fault;
pub(crate) use read::{Memory, Patience, Read};
