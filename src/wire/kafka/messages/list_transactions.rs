//! ListTransactions (KIP-664).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request ListTransactions => ListTransactionsResponse<'a>;

    ListTransactionsRequest<'a> {
        /// Empty asks for all.
        state_filters: Array<'a, &'a str> [0..],
        /// Empty asks for all.
        producer_id_filters: Array<'a, i64> [0..],
        /// In ms: those that have run for longer; negative asks for all.
        duration_filter: i64 [1..] = -1,
        /// A regular expression; null or empty asks for all.
        transactional_id_pattern: Option<&'a str> [2..] nullable [2..],
    }
}

message! {
    response ListTransactions;

    ListTransactionsResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        unknown_state_filters: Array<'a, &'a str> [0..],
        transaction_states: Array<'a, ListTransactionsTransactionState<'a>> [0..],
    }

    ListTransactionsTransactionState<'a> {
        transactional_id: &'a str [0..],
        producer_id: i64 [0..],
        transaction_state: &'a str [0..],
    }
}
