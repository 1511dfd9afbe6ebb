//! AddOffsetsToTxn.

use crate::kafka::ErrorCode;
use crate::kafka::table::message;

message! {
    request AddOffsetsToTxn => AddOffsetsToTxnResponse;

    AddOffsetsToTxnRequest<'a> {
        transactional_id: &'a str [0..],
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        group_id: &'a str [0..],
    }
}

message! {
    response AddOffsetsToTxn;

    AddOffsetsToTxnResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
