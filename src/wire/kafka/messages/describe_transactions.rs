//! DescribeTransactions (KIP-664).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DescribeTransactions => DescribeTransactionsResponse<'a>;

    DescribeTransactionsRequest<'a> {
        transactional_ids: Array<'a, &'a str> [0..],
    }
}

message! {
    response DescribeTransactions;

    DescribeTransactionsResponse<'a> {
        throttle_time_ms: i32 [0..],
        transaction_states: Array<'a, DescribeTransactionsTransactionState<'a>> [0..],
    }

    DescribeTransactionsTransactionState<'a> {
        error_code: ErrorCode [0..],
        transactional_id: &'a str [0..],
        transaction_state: &'a str [0..],
        transaction_timeout_ms: i32 [0..],
        /// -1 if none is open.
        transaction_start_time_ms: i64 [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        topics: Array<'a, DescribeTransactionsTopicData<'a>> [0..],
    }

    DescribeTransactionsTopicData<'a> {
        topic: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }
}
