//! One file an API: decode, ask the broker, encode.

pub(super) mod add_partitions_to_txn;
mod admin;
pub(super) mod alter_configs;
pub(super) mod api_versions;
pub(super) mod consumer_group_describe;
pub(super) mod consumer_group_heartbeat;
pub(super) mod create_partitions;
pub(super) mod create_topics;
pub(super) mod delete_groups;
pub(super) mod delete_records;
pub(super) mod delete_topics;
pub(super) mod describe_cluster;
pub(super) mod describe_configs;
pub(super) mod describe_groups;
pub(super) mod describe_log_dirs;
pub(super) mod describe_producers;
pub(super) mod describe_quorum;
pub(super) mod describe_topic_partitions;
pub(super) mod describe_users;
pub(super) mod elect_leaders;
pub(super) mod fetch;
pub(super) mod find_coordinator;
mod groups;
pub(super) mod heartbeat;
pub(super) mod init_producer_id;
pub(super) mod join_group;
pub(super) mod leave_group;
pub(super) mod list_config_resources;
pub(super) mod list_groups;
pub(super) mod list_offsets;
pub(super) mod list_transactions;
pub(super) mod metadata;
pub(super) mod offset_commit;
pub(super) mod offset_delete;
pub(super) mod offset_fetch;
pub(super) mod offset_for_leader_epoch;
mod operations;
mod parts;
pub(super) mod produce;
pub(super) mod produce_transaction;
pub(super) mod reassignments;
pub(super) mod share_acknowledge;
pub(super) mod share_fetch;
pub(super) mod share_group;
pub(super) mod share_offsets;
mod shares;
pub(super) mod sync_group;
pub(super) mod transactions;
pub(super) mod txn_offset_commit;
pub(super) mod write_txn_markers;

#[cfg(test)]
mod admin_test;
#[cfg(test)]
mod cluster_test;
#[cfg(test)]
mod describe_test;
#[cfg(test)]
mod fetch_test;
#[cfg(test)]
mod fetch_wait_test;
#[cfg(test)]
mod full_disk_test;
#[cfg(test)]
mod groups_test;
#[cfg(test)]
mod metadata_test;
#[cfg(test)]
mod offsets_test;
#[cfg(test)]
mod produce_test;
#[cfg(test)]
mod producer_test;
#[cfg(test)]
mod shares_test;
#[cfg(test)]
mod transaction_coordinator_test;
#[cfg(test)]
mod transactions_test;
