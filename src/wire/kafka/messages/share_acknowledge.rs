//! ShareAcknowledge (KIP-932). Version 0 was a preview and is not known here.

use super::{AcknowledgementBatch, LeaderIdAndEpoch, NodeEndpoint};
use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request ShareAcknowledge => ShareAcknowledgeResponse<'a>;

    ShareAcknowledgeRequest<'a> {
        group_id: Option<&'a str> [0..] nullable [0..],
        member_id: Option<&'a str> [0..] nullable [0..],
        /// 0 opens a session, -1 closes it, and each request between is one more than the last.
        share_session_epoch: i32 [0..],
        /// Some acknowledgements renew.
        is_renew_ack: bool [2..],
        topics: Array<'a, ShareAcknowledgeTopic<'a>> [0..],
    }

    ShareAcknowledgeTopic<'a> {
        topic_id: TopicId [0..],
        partitions: Array<'a, ShareAcknowledgePartition<'a>> [0..],
    }

    ShareAcknowledgePartition<'a> {
        partition_index: i32 [0..],
        acknowledgement_batches: Array<'a, AcknowledgementBatch<'a>> [0..],
    }
}

message! {
    response ShareAcknowledge;

    ShareAcknowledgeResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        acquisition_lock_timeout_ms: i32 [2..],
        responses: Array<'a, ShareAcknowledgeTopicResponse<'a>> [0..],
        node_endpoints: Array<'a, NodeEndpoint<'a>> [0..],
    }

    ShareAcknowledgeTopicResponse<'a> {
        topic_id: TopicId [0..],
        partitions: Array<'a, ShareAcknowledgePartitionData<'a>> [0..],
    }

    ShareAcknowledgePartitionData<'a> {
        partition_index: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        current_leader: LeaderIdAndEpoch [0..],
    }
}
