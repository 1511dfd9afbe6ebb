//! The broker: a shard a core, and the handle by which the doors of a core reach all of them.
//!
//! A [`Broker`] is the handle of one core. It plans an operation by the cores that own the
//! partitions, sends each at most one message over the mesh, and gathers the answers. The shard
//! behind it owns its groups alone: it checks, assigns offsets, proposes to the replicas, appends
//! to the log, and answers when Raft has committed. No shard sees a socket or Kafka's protocol.

mod admin;
mod api;
mod effects;
mod error;
mod handle;
mod message;
mod ops;
mod pending;
mod shard;
mod start;

pub use admin::{AdminReply, AdminRequest, CreatedTopic};
pub use api::{
    Aborted, Acks, EndMarker, EpochFound, EpochPart, FetchPart, FetchRequest, Fetched, Isolation,
    Leadership, MarkerEpoch, MarkerPart, OffsetFound, OffsetPart, OffsetQuery, Outcomes,
    PartitionKey, PartitionSize, ProducePart, ProduceRequest, Produced, ProducerInfo, Quorum,
    Standing, StandingPart, TrimPart, Verified,
};
pub use error::{Error, Result};
pub use handle::{Broker, NoPeers, Peers};
pub use ops::SubmittedProduce;
pub use shard::Counters;
pub use start::{Lanes, Opened, Setup, Stats, lanes};
