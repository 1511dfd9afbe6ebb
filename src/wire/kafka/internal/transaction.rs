//! What a transactional id leaves in `__transaction_state`.

use super::stored::{key, value};
use crate::kafka::Array;

key! {
    0;

    TransactionLogKey<'a> {
        transactional_id: &'a str [0],
    }
}

value! {
    0..=1, flexible 1;

    TransactionLogValue<'a> {
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        transaction_timeout_ms: i32 [0..],
        /// 0 empty, 1 ongoing, 2 prepares to commit, 3 prepares to abort, 4 committed, 5 aborted,
        /// 6 dead, 7 fences an epoch.
        transaction_status: i8 [0..],
        /// Null in a state that has none.
        transaction_partitions: Option<Array<'a, TransactionLogPartitions<'a>>> [0..]
            nullable [0..],
        transaction_last_update_timestamp_ms: i64 [0..],
        /// -1 if none is open.
        transaction_start_timestamp_ms: i64 [0..],
        @tagged {
            0: previous_producer_id: i64 [1..] = -1,
            1: next_producer_id: i64 [1..] = -1,
            /// 2 bumps the epoch for every transaction (KIP-890).
            2: client_transaction_version: i16 [1..],
            3: next_producer_epoch: i16 [1..] = -1,
        }
    }

    TransactionLogPartitions<'a> {
        topic: &'a str [0..],
        partition_ids: Array<'a, i32> [0..],
    }
}
