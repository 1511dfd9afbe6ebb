//! DescribeTopicPartitions (KIP-966): topics in pages.

use crate::kafka::table::{message, nullable_structure, structure};
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request DescribeTopicPartitions => DescribeTopicPartitionsResponse<'a>;

    DescribeTopicPartitionsRequest<'a> {
        topics: Array<'a, DescribeTopicPartitionsTopic<'a>> [0..],
        response_partition_limit: i32 [0..] = 2000,
        cursor: Option<Cursor<'a>> [0..] nullable [0..],
    }

    DescribeTopicPartitionsTopic<'a> {
        name: &'a str [0..],
    }
}

message! {
    response DescribeTopicPartitions;

    DescribeTopicPartitionsResponse<'a> {
        throttle_time_ms: i32 [0..],
        topics: Array<'a, DescribeTopicPartitionsResponseTopic<'a>> [0..],
        next_cursor: Option<Cursor<'a>> [0..] nullable [0..],
    }

    DescribeTopicPartitionsResponseTopic<'a> {
        error_code: ErrorCode [0..],
        name: Option<&'a str> [0..] nullable [0..],
        topic_id: TopicId [0..],
        is_internal: bool [0..],
        partitions: Array<'a, DescribeTopicPartitionsResponsePartition<'a>> [0..],
        /// A bit set of operations; `i32::MIN` if unknown.
        topic_authorized_operations: i32 [0..] = i32::MIN,
    }

    DescribeTopicPartitionsResponsePartition<'a> {
        error_code: ErrorCode [0..],
        partition_index: i32 [0..],
        leader_id: i32 [0..],
        leader_epoch: i32 [0..] = -1,
        replica_nodes: Array<'a, i32> [0..],
        isr_nodes: Array<'a, i32> [0..],
        eligible_leader_replicas: Option<Array<'a, i32>> [0..] nullable [0..],
        last_known_elr: Option<Array<'a, i32>> [0..] nullable [0..],
        offline_replicas: Array<'a, i32> [0..],
    }
}

structure! {
    /// Where the next page starts.
    Cursor<'a> {
        topic_name: &'a str [0..],
        partition_index: i32 [0..],
    }
}

nullable_structure!(Cursor<'a>);
