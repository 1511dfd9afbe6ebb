//! Metadata.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request Metadata => MetadataResponse<'a>;

    MetadataRequest<'a> {
        /// Null asks for all topics; at version 0, which has no null, an empty list does.
        topics: Option<Array<'a, MetadataRequestTopic<'a>>> [0..] nullable [1..]
            = Some(Array::EMPTY),
        allow_auto_topic_creation: bool [4..] = true,
        include_cluster_authorized_operations: bool [8..=10],
        include_topic_authorized_operations: bool [8..],
    }

    MetadataRequestTopic<'a> {
        topic_id: TopicId [10..],
        name: Option<&'a str> [0..] nullable [10..] = Some(""),
    }
}

message! {
    response Metadata;

    MetadataResponse<'a> {
        throttle_time_ms: i32 [3..],
        brokers: Array<'a, MetadataResponseBroker<'a>> [0..],
        cluster_id: Option<&'a str> [2..] nullable [2..],
        controller_id: i32 [1..] = -1,
        topics: Array<'a, MetadataResponseTopic<'a>> [0..],
        cluster_authorized_operations: i32 [8..=10] = i32::MIN,
        error_code: ErrorCode [13..],
    }

    MetadataResponseBroker<'a> {
        node_id: i32 [0..],
        host: &'a str [0..],
        port: i32 [0..],
        rack: Option<&'a str> [1..] nullable [1..],
    }

    MetadataResponseTopic<'a> {
        error_code: ErrorCode [0..],
        name: Option<&'a str> [0..] nullable [12..] = Some(""),
        topic_id: TopicId [10..],
        is_internal: bool [1..],
        partitions: Array<'a, MetadataResponsePartition<'a>> [0..],
        /// A bit set of operations; `i32::MIN` if not asked for.
        topic_authorized_operations: i32 [8..] = i32::MIN,
    }

    MetadataResponsePartition<'a> {
        error_code: ErrorCode [0..],
        partition_index: i32 [0..],
        leader_id: i32 [0..],
        leader_epoch: i32 [7..] = -1,
        replica_nodes: Array<'a, i32> [0..],
        isr_nodes: Array<'a, i32> [0..],
        offline_replicas: Array<'a, i32> [5..],
    }
}
