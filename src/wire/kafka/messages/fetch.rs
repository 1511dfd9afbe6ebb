//! Fetch. Versions 0 to 3 ask for older record formats and are not known here.

use super::{LeaderIdAndEpoch, NodeEndpoint};
use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode, Records};
use corelog_base::TopicId;

message! {
    request Fetch => FetchResponse<'a>;

    FetchRequest<'a> {
        /// -1 for a consumer.
        replica_id: i32 [0..=14] = -1,
        max_wait_ms: i32 [0..],
        min_bytes: i32 [0..],
        max_bytes: i32 [3..] = i32::MAX,
        /// 0 read uncommitted, 1 read committed.
        isolation_level: i8 [4..],
        session_id: i32 [7..],
        session_epoch: i32 [7..] = -1,
        topics: Array<'a, FetchTopic<'a>> [0..],
        forgotten_topics_data: Array<'a, ForgottenTopic<'a>> [7..],
        rack_id: &'a str [11..],
        @tagged {
            0: cluster_id: Option<&'a str> [12..] nullable [12..],
            1: replica_state: ReplicaState [15..],
        }
    }

    ReplicaState {
        replica_id: i32 [15..] = -1,
        replica_epoch: i64 [15..] = -1,
    }

    FetchTopic<'a> {
        topic: &'a str [0..=12],
        topic_id: TopicId [13..],
        partitions: Array<'a, FetchPartition> [0..],
    }

    FetchPartition {
        partition: i32 [0..],
        current_leader_epoch: i32 [9..] = -1,
        fetch_offset: i64 [0..],
        last_fetched_epoch: i32 [12..] = -1,
        log_start_offset: i64 [5..] = -1,
        partition_max_bytes: i32 [0..],
        @tagged {
            0: replica_directory_id: TopicId [17..],
            1: high_watermark: i64 [18..] = i64::MAX,
        }
    }

    ForgottenTopic<'a> {
        topic: &'a str [7..=12],
        topic_id: TopicId [13..],
        partitions: Array<'a, i32> [7..],
    }
}

message! {
    response Fetch;

    FetchResponse<'a> {
        throttle_time_ms: i32 [1..],
        error_code: ErrorCode [7..],
        session_id: i32 [7..],
        responses: Array<'a, FetchableTopicResponse<'a>> [0..],
        @tagged {
            0: node_endpoints: Array<'a, NodeEndpoint<'a>> [16..],
        }
    }

    FetchableTopicResponse<'a> {
        topic: &'a str [0..=12],
        topic_id: TopicId [13..],
        partitions: Array<'a, PartitionData<'a>> [0..],
    }

    PartitionData<'a> {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        high_watermark: i64 [0..],
        last_stable_offset: i64 [4..] = -1,
        log_start_offset: i64 [5..] = -1,
        aborted_transactions: Option<Array<'a, AbortedTransaction>> [4..] nullable [4..]
            = Some(Array::EMPTY),
        preferred_read_replica: i32 [11..] = -1,
        /// Some clients want [`Records::EMPTY`] where there is nothing, as Kafka sends it.
        records: Records<'a> [0..],
        @tagged {
            0: diverging_epoch: DivergingEpoch [12..],
            1: current_leader: LeaderIdAndEpoch [12..],
            2: snapshot_id: SnapshotId [12..],
        }
    }

    DivergingEpoch {
        epoch: i32 [12..] = -1,
        end_offset: i64 [12..] = -1,
    }

    SnapshotId {
        end_offset: i64 [0..] = -1,
        epoch: i32 [0..] = -1,
    }

    AbortedTransaction {
        producer_id: i64 [4..],
        first_offset: i64 [4..],
    }
}
