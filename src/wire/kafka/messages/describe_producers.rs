//! DescribeProducers (KIP-664).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DescribeProducers => DescribeProducersResponse<'a>;

    DescribeProducersRequest<'a> {
        topics: Array<'a, DescribeProducersTopic<'a>> [0..],
    }

    DescribeProducersTopic<'a> {
        name: &'a str [0..],
        partition_indexes: Array<'a, i32> [0..],
    }
}

message! {
    response DescribeProducers;

    DescribeProducersResponse<'a> {
        throttle_time_ms: i32 [0..],
        topics: Array<'a, DescribeProducersTopicResponse<'a>> [0..],
    }

    DescribeProducersTopicResponse<'a> {
        name: &'a str [0..],
        partitions: Array<'a, DescribeProducersPartitionResponse<'a>> [0..],
    }

    DescribeProducersPartitionResponse<'a> {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        active_producers: Array<'a, ProducerState> [0..],
    }

    ProducerState {
        producer_id: i64 [0..],
        producer_epoch: i32 [0..],
        last_sequence: i32 [0..] = -1,
        last_timestamp: i64 [0..] = -1,
        coordinator_epoch: i32 [0..],
        /// -1 without an open transaction.
        current_txn_start_offset: i64 [0..] = -1,
    }
}
