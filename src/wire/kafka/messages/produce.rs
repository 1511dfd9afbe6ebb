//! Produce. Versions 0 to 2 carry older record formats and are not known here.

use super::{LeaderIdAndEpoch, NodeEndpoint};
use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode, Records};
use corelog_base::TopicId;

message! {
    request Produce => ProduceResponse<'a>;

    ProduceRequest<'a> @inline {
        transactional_id: Option<&'a str> [3..] nullable [3..],
        /// -1 all in-sync replicas, 0 no answer, 1 the leader.
        acks: i16 [0..],
        timeout_ms: i32 [0..],
        topic_data: Array<'a, TopicProduceData<'a>> [0..],
    }

    TopicProduceData<'a> @inline {
        name: &'a str [0..=12],
        topic_id: TopicId [13..],
        partition_data: Array<'a, PartitionProduceData<'a>> [0..],
    }

    PartitionProduceData<'a> @inline {
        index: i32 [0..],
        records: Records<'a> [0..],
    }
}

message! {
    response Produce;

    ProduceResponse<'a> {
        responses: Array<'a, TopicProduceResponse<'a>> [0..],
        throttle_time_ms: i32 [1..],
        @tagged {
            0: node_endpoints: Array<'a, NodeEndpoint<'a>> [10..],
        }
    }

    TopicProduceResponse<'a> {
        name: &'a str [0..=12],
        topic_id: TopicId [13..],
        partition_responses: Array<'a, PartitionProduceResponse<'a>> [0..],
    }

    PartitionProduceResponse<'a> {
        index: i32 [0..],
        error_code: ErrorCode [0..],
        /// Of the first record; -1 with an error.
        base_offset: i64 [0..],
        /// -1 unless the topic stamps its own time.
        log_append_time_ms: i64 [2..] = -1,
        log_start_offset: i64 [5..] = -1,
        record_errors: Array<'a, BatchIndexAndErrorMessage<'a>> [8..],
        error_message: Option<&'a str> [8..] nullable [8..],
        @tagged {
            0: current_leader: LeaderIdAndEpoch [10..],
        }
    }

    /// A record that made its batch be refused.
    BatchIndexAndErrorMessage<'a> {
        batch_index: i32 [8..],
        batch_index_error_message: Option<&'a str> [8..] nullable [8..],
    }
}
