//! AddPartitionsToTxn: one transaction of a client, or from version 4 many of a broker.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request AddPartitionsToTxn => AddPartitionsToTxnResponse<'a>;

    AddPartitionsToTxnRequest<'a> {
        /// Between brokers; clients stay below.
        transactions: Array<'a, AddPartitionsToTxnTransaction<'a>> [4..],
        v3_and_below_transactional_id: &'a str [0..=3],
        v3_and_below_producer_id: i64 [0..=3],
        v3_and_below_producer_epoch: i16 [0..=3],
        v3_and_below_topics: Array<'a, AddPartitionsToTxnTopic<'a>> [0..=3],
    }

    AddPartitionsToTxnTransaction<'a> {
        transactional_id: &'a str [4..],
        producer_id: i64 [4..],
        producer_epoch: i16 [4..],
        /// Asks whether they are in it, and adds none.
        verify_only: bool [4..],
        topics: Array<'a, AddPartitionsToTxnTopic<'a>> [4..],
    }

    AddPartitionsToTxnTopic<'a> {
        name: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }
}

message! {
    response AddPartitionsToTxn;

    AddPartitionsToTxnResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [4..],
        results_by_transaction: Array<'a, AddPartitionsToTxnResult<'a>> [4..],
        results_by_topic_v3_and_below: Array<'a, AddPartitionsToTxnTopicResult<'a>> [0..=3],
    }

    AddPartitionsToTxnResult<'a> {
        transactional_id: &'a str [4..],
        topic_results: Array<'a, AddPartitionsToTxnTopicResult<'a>> [4..],
    }

    AddPartitionsToTxnTopicResult<'a> {
        name: &'a str [0..],
        results_by_partition: Array<'a, AddPartitionsToTxnPartitionResult> [0..],
    }

    AddPartitionsToTxnPartitionResult {
        partition_index: i32 [0..],
        partition_error_code: ErrorCode [0..],
    }
}
