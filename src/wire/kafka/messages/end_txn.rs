//! EndTxn.

use crate::kafka::ErrorCode;
use crate::kafka::table::message;

message! {
    request EndTxn => EndTxnResponse;

    EndTxnRequest<'a> {
        transactional_id: &'a str [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        /// Or aborted.
        committed: bool [0..],
    }
}

message! {
    response EndTxn;

    EndTxnResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        /// What the next transaction is to use (KIP-890); -1 on error.
        producer_id: i64 [5..] = -1,
        producer_epoch: i16 [5..] = -1,
    }
}
