//! ElectLeaders.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request ElectLeaders => ElectLeadersResponse<'a>;

    ElectLeadersRequest<'a> {
        /// 0 the preferred replica, 1 any, also one that is not in sync.
        election_type: i8 [1..],
        /// Null asks for all.
        topic_partitions: Option<Array<'a, ElectLeadersTopicPartitions<'a>>> [0..] nullable [0..],
        timeout_ms: i32 [0..] = 60000,
    }

    ElectLeadersTopicPartitions<'a> {
        topic: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }
}

message! {
    response ElectLeaders;

    ElectLeadersResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [1..],
        replica_election_results: Array<'a, ReplicaElectionResult<'a>> [0..],
    }

    ReplicaElectionResult<'a> {
        topic: &'a str [0..],
        partition_result: Array<'a, ElectLeadersPartitionResult<'a>> [0..],
    }

    ElectLeadersPartitionResult<'a> {
        partition_id: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
    }
}
