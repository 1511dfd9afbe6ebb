//! InitProducerId.

use crate::kafka::ErrorCode;
use crate::kafka::table::message;

message! {
    request InitProducerId => InitProducerIdResponse;

    InitProducerIdRequest<'a> {
        /// Null for a producer that is idempotent only.
        transactional_id: Option<&'a str> [0..] nullable [0..],
        transaction_timeout_ms: i32 [0..],
        producer_id: i64 [3..] = -1,
        producer_epoch: i16 [3..] = -1,
    }
}

message! {
    response InitProducerId;

    InitProducerIdResponse {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        producer_id: i64 [0..] = -1,
        producer_epoch: i16 [0..],
    }
}
