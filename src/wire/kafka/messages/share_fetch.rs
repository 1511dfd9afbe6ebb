//! ShareFetch (KIP-932): fetches and acknowledges. Version 0 was a preview and is not known here.

use super::{AcknowledgementBatch, LeaderIdAndEpoch, NodeEndpoint};
use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode, Records};
use corelog_base::TopicId;

message! {
    request ShareFetch => ShareFetchResponse<'a>;

    ShareFetchRequest<'a> {
        group_id: Option<&'a str> [0..] nullable [0..],
        member_id: Option<&'a str> [0..] nullable [0..],
        /// 0 opens a session, -1 closes it, and each request between is one more than the last.
        share_session_epoch: i32 [0..],
        max_wait_ms: i32 [0..],
        min_bytes: i32 [0..],
        max_bytes: i32 [0..] = i32::MAX,
        /// May be exceeded to the end of a batch.
        max_records: i32 [1..],
        batch_size: i32 [1..],
        /// 0 whole batches, 1 no more records than `max_records`.
        share_acquire_mode: i8 [2..],
        /// Some acknowledgements renew.
        is_renew_ack: bool [2..],
        topics: Array<'a, ShareFetchTopic<'a>> [0..],
        forgotten_topics_data: Array<'a, ShareFetchForgottenTopic<'a>> [0..],
    }

    ShareFetchTopic<'a> {
        topic_id: TopicId [0..],
        partitions: Array<'a, ShareFetchPartition<'a>> [0..],
    }

    ShareFetchPartition<'a> {
        partition_index: i32 [0..],
        acknowledgement_batches: Array<'a, AcknowledgementBatch<'a>> [0..],
    }

    ShareFetchForgottenTopic<'a> {
        topic_id: TopicId [0..],
        partitions: Array<'a, i32> [0..],
    }
}

message! {
    response ShareFetch;

    ShareFetchResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        acquisition_lock_timeout_ms: i32 [1..],
        responses: Array<'a, ShareFetchableTopicResponse<'a>> [0..],
        node_endpoints: Array<'a, NodeEndpoint<'a>> [0..],
    }

    ShareFetchableTopicResponse<'a> {
        topic_id: TopicId [0..],
        partitions: Array<'a, ShareFetchPartitionData<'a>> [0..],
    }

    ShareFetchPartitionData<'a> {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        acknowledge_error_code: ErrorCode [0..],
        acknowledge_error_message: Option<&'a str> [0..] nullable [0..],
        current_leader: LeaderIdAndEpoch [0..],
        /// Never null, which Kafka's own consumer refuses.
        records: Records<'a> [0..] = Records::EMPTY,
        /// Which of the records are for this member; the others it must not deliver.
        acquired_records: Array<'a, AcquiredRecords> [0..],
    }

    AcquiredRecords {
        first_offset: i64 [0..],
        /// Inclusive.
        last_offset: i64 [0..],
        delivery_count: i16 [0..],
    }
}
