//! WriteTxnMarkers, of coordinators, and of tools that end a hanging transaction.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request WriteTxnMarkers => WriteTxnMarkersResponse<'a>;

    WriteTxnMarkersRequest<'a> {
        markers: Array<'a, WritableTxnMarker<'a>> [0..],
    }

    WritableTxnMarker<'a> {
        producer_id: i64 [0..],
        producer_epoch: i16 [0..],
        /// Committed, or aborted.
        transaction_result: bool [0..],
        topics: Array<'a, WritableTxnMarkerTopic<'a>> [0..],
        coordinator_epoch: i32 [0..],
        /// 0 and 1 are the older protocol, 2 bumps the epoch each time (KIP-890).
        transaction_version: i8 [2..],
    }

    WritableTxnMarkerTopic<'a> {
        name: &'a str [0..],
        partition_indexes: Array<'a, i32> [0..],
    }
}

message! {
    response WriteTxnMarkers;

    WriteTxnMarkersResponse<'a> {
        markers: Array<'a, WritableTxnMarkerResult<'a>> [0..],
    }

    WritableTxnMarkerResult<'a> {
        producer_id: i64 [0..],
        topics: Array<'a, WritableTxnMarkerTopicResult<'a>> [0..],
    }

    WritableTxnMarkerTopicResult<'a> {
        name: &'a str [0..],
        partitions: Array<'a, WritableTxnMarkerPartitionResult> [0..],
    }

    WritableTxnMarkerPartitionResult {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
    }
}
