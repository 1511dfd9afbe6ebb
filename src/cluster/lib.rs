//! The cluster's metadata: what topics, partitions, nodes and configurations there are, how that
//! changes, and what may change.
//!
//! Everything here is pure: no I/O, no clock, no randomness. A change is planned against an
//! [`Image`] (the `plan_*` functions, with Kafka's rules), written as [`Record`]s into the log of
//! the metadata group, and applied to the image of every core once it is committed. Records are
//! frozen on disk: see [`encode`]. The room also holds the table of configurations
//! ([`topic_definitions`], [`broker_definitions`]) and what they mean ([`TopicSettings`],
//! [`BrokerSettings`]).
//!
//! It never knows where a log is, who leads, or which core it runs on.

mod codec;
mod config;
mod error;
mod id;
mod image;
mod names;
mod place;
mod plan;
mod record;
mod settings;
#[cfg(test)]
mod testing;
mod v1;

pub use codec::{decode, encode};
pub use config::{
    Access, Check, ConfigSource, ConfigSynonym, ConfigType, Definition, DescribedConfig, Local,
    broker_definitions, topic_definitions,
};
pub use error::{Error, Kind};
pub use id::ClusterId;
pub use image::{Change, Image, Topic};
pub use names::{check_topic_name, is_internal};
pub use place::core_of;
pub use plan::{
    ConfigChange, ConfigOperation, ConfigResource, NewPartitions, PARTITIONS_MAX,
    PARTITIONS_PER_TOPIC_MAX, PRODUCER_IDS_A_BLOCK, TopicSpec, plan_add_partitions, plan_bootstrap,
    plan_configs, plan_create_topic, plan_delete_topic, plan_producer_ids, plan_register_node,
    repeated,
};
pub use record::{ConfigScope, ConfigsChanged, Node, Partition, Record, Snapshot, TopicCreated};
pub use settings::{
    BrokerSettings, Cleanup, Compaction, Compression, Durability, GroupLimits, TopicSettings,
    TransactionLimits,
};
