//! The native client: corelog's own protocol over tokio, for programs that write and read events.
//!
//! It asks any core of a broker where the partitions are, and then connects straight to the core
//! that owns one, so a record crosses no other core. It runs on the caller's tokio runtime and owns
//! sockets and buffers, all of them bounded; it never keeps how far a consumer has come: that is
//! the application's, see [`Consumer::positions`].
//!
//! ```no_run
//! use corelog_native::{Client, Position, Record};
//!
//! # async fn run() -> Result<(), corelog_native::Error> {
//! let client = Client::builder().bootstrap("127.0.0.1:9192").connect().await?;
//!
//! let producer = client.producer("orders").build().await?;
//! let ack = producer.send(Record::new("book").key("ann")).await?; // waits for room only
//! let written = ack.await?; // waits until it is flushed
//! println!("{}/{}", written.partition, written.offset);
//!
//! let mut consumer = client.consumer("orders").start(Position::Earliest).build().await?;
//! let record = consumer.next().await?;
//! assert_eq!(record.value.as_deref(), Some(&b"book"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! - **Order and no duplicates**: a [`Producer`] numbers its batches; after a broken connection or a
//!   restart of the broker it sends what has no acknowledgement again, in order, under the same
//!   numbers, and the broker tells what it has. Each partition's records are in the order of
//!   [`Producer::send`].
//! - **No linger**: a record leaves at once if nothing is under way; what is sent while batches are
//!   under way makes the next batch.
//! - **Back-pressure**: [`Producer::send`] waits while [`ProducerBuilder::buffer_bytes`] are not
//!   acknowledged yet; a [`Consumer`] holds [`ConsumerBuilder::buffer_bytes`] at most, and the
//!   broker sends no more than there is room for.
//! - **Errors** say whether they may pass ([`Error::is_retriable`]); calls try again by themselves
//!   until their time is up.

mod admin;
mod backoff;
mod client;
mod connection;
mod consumer;
mod describe;
mod error;
mod hello;
mod link;
mod offsets;
mod options;
mod pool;
mod producer;
mod reply;
mod topics;

#[cfg(test)]
mod testing;

pub use admin::NewTopic;
pub use bytes::Bytes;
pub use client::Client;
pub use consumer::{Consumed, Consumer, ConsumerBuilder, Isolation, OutOfRange};
pub use corelog_base::{CoreId, LeaderEpoch, NodeId, Offset, PartitionIndex, TimestampMs, TopicId};
pub use corelog_record::{Codec, key_partition};
pub use corelog_wire::kafka::{ConfigSource, ErrorCode};
pub use describe::{TopicConfig, TopicDescription};
pub use error::{Error, Kind};
pub use offsets::Position;
pub use options::Builder;
pub use producer::{Ack, Acknowledged, Acks, Producer, ProducerBuilder, Record};
pub use topics::{Partition, Topic};

#[doc(hidden)]
pub use corelog_wire::native::{Api, ApiRange};
