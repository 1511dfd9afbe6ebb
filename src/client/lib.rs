//! The client: Kafka's protocol over tokio, for the command line, tests and tools.
//!
//! It speaks to corelog and to any Kafka cluster whose brokers know record format 2 (0.11 and
//! later): versions are negotiated for each connection. It runs on a tokio runtime, never on a
//! shard's core, and owns sockets, metadata, and the buffers of producers and consumers. All of
//! them are bounded: see [`Options`], [`ProducerOptions`] and [`ConsumerOptions`].
//!
//! [`Client`] finds the cluster and makes administrative calls; [`Producer`] writes, [`Consumer`]
//! reads partitions that are assigned to it. Every [`Error`] says whether trying again may help;
//! calls try again themselves until [`Options::retry_for`] has passed.

mod assignment;
mod backoff;
mod client;
mod cluster;
mod configs;
mod connection;
mod consumer;
mod cursor;
mod error;
mod fetch;
mod fetched;
mod group_offsets;
mod groups;
mod lane;
mod log_dirs;
mod metadata;
mod offsets;
mod options;
mod pool;
mod producer;
mod reply;
mod routed;
mod topics;
mod transactions;
mod versions;

pub use assignment::{Assignment, ConsumerOptions, OutOfRange, Start};
pub use client::Client;
pub use cluster::{ClusterInfo, ClusterNode};
pub use configs::{ConfigChange, ConfigEntry, ConfigResource};
pub use connection::{AnyRequest, Connection};
pub use consumer::Consumer;
pub use corelog_record::key_partition;
pub use corelog_wire::kafka::ConfigSource;
pub use error::{Error, Kind};
pub use fetched::ConsumedRecord;
pub use group_offsets::PartitionOutcomes;
pub use groups::{DescribedGroup, DescribedMember, GroupBeat, GroupMember, ListedGroup};
pub use log_dirs::{LogDir, ReplicaSize};
pub use metadata::{Broker, Metadata, PartitionMetadata, TopicFilter, TopicMetadata};
pub use offsets::{DeletedRecords, FoundOffset, Isolation, OffsetAt};
pub use options::Options;
pub use producer::{Acks, Delivered, Delivery, NewRecord, Producer, ProducerOptions};
pub use reply::Reply;
pub use routed::TopicPartition;
pub use topics::{CreatedTopic, NewTopic};
pub use transactions::{DescribedTransaction, ListedTransaction, PartitionProducer};
pub use versions::Versions;
