//! What a share group (KIP-932) leaves in `__consumer_offsets`.

use super::MemberTopicPartitions;
use super::stored::{key, value};
use crate::kafka::Array;
use corelog_base::TopicId;

key! {
    10;

    ShareGroupMemberMetadataKey<'a> {
        group_id: &'a str [0],
        member_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ShareGroupMemberMetadataValue<'a> {
        rack_id: Option<&'a str> [0..] nullable [0..],
        client_id: &'a str [0..],
        client_host: &'a str [0..],
        subscribed_topic_names: Array<'a, &'a str> [0..],
    }
}

key! {
    11;

    ShareGroupMetadataKey<'a> {
        group_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ShareGroupMetadataValue {
        epoch: i32 [0..],
        metadata_hash: i64 [0..],
    }
}

key! {
    12;

    ShareGroupTargetAssignmentMetadataKey<'a> {
        group_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ShareGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32 [0..],
    }
}

key! {
    13;

    ShareGroupTargetAssignmentMemberKey<'a> {
        group_id: &'a str [0],
        member_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ShareGroupTargetAssignmentMemberValue<'a> {
        topic_partitions: Array<'a, MemberTopicPartitions<'a>> [0..],
    }
}

key! {
    14;

    ShareGroupCurrentMemberAssignmentKey<'a> {
        group_id: &'a str [0],
        member_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ShareGroupCurrentMemberAssignmentValue<'a> {
        member_epoch: i32 [0..],
        previous_member_epoch: i32 [0..],
        /// As of a consumer group.
        state: i8 [0..],
        assigned_partitions: Array<'a, MemberTopicPartitions<'a>> [0..],
    }
}

key! {
    15;

    ShareGroupStatePartitionMetadataKey<'a> {
        group_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ShareGroupStatePartitionMetadataValue<'a> {
        initializing_topics: Array<'a, ShareGroupTopicPartitions<'a>> [0..],
        initialized_topics: Array<'a, ShareGroupTopicPartitions<'a>> [0..],
        deleting_topics: Array<'a, ShareGroupTopic<'a>> [0..],
    }

    ShareGroupTopicPartitions<'a> {
        topic_id: TopicId [0..],
        topic_name: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }

    ShareGroupTopic<'a> {
        topic_id: TopicId [0..],
        topic_name: &'a str [0..],
    }
}
