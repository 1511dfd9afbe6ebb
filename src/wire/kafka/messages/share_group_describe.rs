//! ShareGroupDescribe (KIP-932). Version 0 was a preview and is not known here.

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request ShareGroupDescribe => ShareGroupDescribeResponse<'a>;

    ShareGroupDescribeRequest<'a> {
        group_ids: Array<'a, &'a str> [0..],
        include_authorized_operations: bool [0..],
    }
}

message! {
    response ShareGroupDescribe;

    ShareGroupDescribeResponse<'a> {
        throttle_time_ms: i32 [0..],
        groups: Array<'a, DescribedShareGroup<'a>> [0..],
    }

    DescribedShareGroup<'a> {
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        group_id: &'a str [0..],
        /// `Dead`, with no error before version 6, if there is no such group.
        group_state: &'a str [0..],
        group_epoch: i32 [0..],
        assignment_epoch: i32 [0..],
        assignor_name: &'a str [0..],
        members: Array<'a, ShareGroupDescribeMember<'a>> [0..],
        /// A bit set of operations; `i32::MIN` if not asked for.
        authorized_operations: i32 [0..] = i32::MIN,
    }

    ShareGroupDescribeMember<'a> {
        member_id: &'a str [0..],
        rack_id: Option<&'a str> [0..] nullable [0..],
        member_epoch: i32 [0..],
        client_id: &'a str [0..],
        client_host: &'a str [0..],
        subscribed_topic_names: Array<'a, &'a str> [0..],
        assignment: ShareGroupDescribeAssignment<'a> [0..],
    }

    ShareGroupDescribeAssignment<'a> {
        topic_partitions: Array<'a, ShareGroupDescribeTopicPartitions<'a>> [0..],
    }

    ShareGroupDescribeTopicPartitions<'a> {
        topic_id: TopicId [0..],
        topic_name: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }
}
