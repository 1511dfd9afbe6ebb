//! ConsumerGroupDescribe (KIP-848).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};
use corelog_base::TopicId;

message! {
    request ConsumerGroupDescribe => ConsumerGroupDescribeResponse<'a>;

    ConsumerGroupDescribeRequest<'a> {
        group_ids: Array<'a, &'a str> [0..],
        include_authorized_operations: bool [0..],
    }
}

message! {
    response ConsumerGroupDescribe;

    ConsumerGroupDescribeResponse<'a> {
        throttle_time_ms: i32 [0..],
        groups: Array<'a, DescribedConsumerGroup<'a>> [0..],
    }

    DescribedConsumerGroup<'a> {
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        group_id: &'a str [0..],
        /// `Dead`, with no error before version 6, if there is no such group.
        group_state: &'a str [0..],
        group_epoch: i32 [0..],
        assignment_epoch: i32 [0..],
        assignor_name: &'a str [0..],
        members: Array<'a, ConsumerGroupDescribeMember<'a>> [0..],
        /// A bit set of operations; `i32::MIN` if not asked for.
        authorized_operations: i32 [0..] = i32::MIN,
    }

    ConsumerGroupDescribeMember<'a> {
        member_id: &'a str [0..],
        instance_id: Option<&'a str> [0..] nullable [0..],
        rack_id: Option<&'a str> [0..] nullable [0..],
        member_epoch: i32 [0..],
        client_id: &'a str [0..],
        client_host: &'a str [0..],
        subscribed_topic_names: Array<'a, &'a str> [0..],
        subscribed_topic_regex: Option<&'a str> [0..] nullable [0..],
        assignment: ConsumerGroupDescribeAssignment<'a> [0..],
        target_assignment: ConsumerGroupDescribeAssignment<'a> [0..],
        /// 0 classic, 1 consumer, -1 unknown.
        member_type: i8 [1..] = -1,
    }

    ConsumerGroupDescribeAssignment<'a> {
        topic_partitions: Array<'a, ConsumerGroupDescribeTopicPartitions<'a>> [0..],
    }

    ConsumerGroupDescribeTopicPartitions<'a> {
        topic_id: TopicId [0..],
        topic_name: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }
}
