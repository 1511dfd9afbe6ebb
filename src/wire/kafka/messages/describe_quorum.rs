//! DescribeQuorum (KIP-595, KIP-836, KIP-853).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request DescribeQuorum => DescribeQuorumResponse<'a>;

    DescribeQuorumRequest<'a> {
        topics: Array<'a, DescribeQuorumTopic<'a>> [0..],
    }

    DescribeQuorumTopic<'a> {
        topic_name: &'a str [0..],
        partitions: Array<'a, DescribeQuorumPartition> [0..],
    }

    DescribeQuorumPartition {
        partition_index: i32 [0..],
    }
}

message! {
    response DescribeQuorum;

    DescribeQuorumResponse<'a> {
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [2..] nullable [2..],
        topics: Array<'a, QuorumTopic<'a>> [0..],
        nodes: Array<'a, QuorumNode<'a>> [2..],
    }

    QuorumTopic<'a> {
        topic_name: &'a str [0..],
        partitions: Array<'a, QuorumPartition<'a>> [0..],
    }

    QuorumPartition<'a> {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [2..] nullable [2..],
        leader_id: i32 [0..],
        leader_epoch: i32 [0..],
        high_watermark: i64 [0..],
        current_voters: Array<'a, QuorumReplica> [0..],
        observers: Array<'a, QuorumReplica> [0..],
    }

    QuorumReplica {
        replica_id: i32 [0..],
        replica_directory_id: TopicId [2..],
        /// -1 if it is not known.
        log_end_offset: i64 [0..],
        last_fetch_timestamp: i64 [1..] = -1,
        last_caught_up_timestamp: i64 [1..] = -1,
    }

    QuorumNode<'a> {
        node_id: i32 [2..],
        listeners: Array<'a, QuorumListener<'a>> [2..],
    }

    QuorumListener<'a> {
        name: &'a str [2..],
        host: &'a str [2..],
        port: u16 [2..],
    }
}
