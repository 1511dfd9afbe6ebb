//! Planning: what is asked, checked by Kafka's rules against an image, becomes records.
//!
//! A plan changes nothing. Whoever plans several changes applies each one's records to a copy of
//! the image before the next.

mod cluster;
mod configs;
mod partitions;
mod topics;

pub use cluster::{PRODUCER_IDS_A_BLOCK, plan_bootstrap, plan_producer_ids, plan_register_node};
pub use configs::{ConfigChange, ConfigOperation, ConfigResource, plan_configs};
pub use partitions::{NewPartitions, plan_add_partitions};
pub use topics::{
    PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, TopicSpec, plan_create_topic, plan_delete_topic,
    repeated,
};

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
