//! What a group of KIP-848 leaves in `__consumer_offsets`.

use super::stored::{key, value};
use crate::kafka::Array;
use crate::kafka::table::nullable_structure;
use corelog_base::TopicId;

key! {
    3;

    ConsumerGroupMetadataKey<'a> {
        group_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ConsumerGroupMetadataValue {
        epoch: i32 [0..],
        @tagged {
            /// Of the topics that are subscribed to; 0 before the first.
            0: metadata_hash: i64 [0..],
        }
    }
}

key! {
    4;

    ConsumerGroupPartitionMetadataKey<'a> {
        group_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    /// Kafka before 4.1; later ones keep a hash with the group.
    ConsumerGroupPartitionMetadataValue<'a> {
        topics: Array<'a, ConsumerGroupTopicMetadata<'a>> [0..],
    }

    ConsumerGroupTopicMetadata<'a> {
        topic_id: TopicId [0..],
        topic_name: &'a str [0..],
        num_partitions: i32 [0..],
        partition_metadata: Array<'a, ConsumerGroupPartitionRacks<'a>> [0..],
    }

    ConsumerGroupPartitionRacks<'a> {
        partition: i32 [0..],
        racks: Array<'a, &'a str> [0..],
    }
}

key! {
    5;

    ConsumerGroupMemberMetadataKey<'a> {
        group_id: &'a str [0],
        member_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ConsumerGroupMemberMetadataValue<'a> {
        instance_id: Option<&'a str> [0..] nullable [0..],
        rack_id: Option<&'a str> [0..] nullable [0..],
        client_id: &'a str [0..],
        client_host: &'a str [0..],
        subscribed_topic_names: Array<'a, &'a str> [0..],
        subscribed_topic_regex: Option<&'a str> [0..] nullable [0..],
        rebalance_timeout_ms: i32 [0..] = -1,
        server_assignor: Option<&'a str> [0..] nullable [0..],
        @tagged {
            /// Of a member that speaks the classic protocol.
            0: classic_member_metadata: Option<ClassicMemberMetadata<'a>> [0..] nullable [0..],
        }
    }

    ClassicMemberMetadata<'a> {
        session_timeout_ms: i32 [0..],
        supported_protocols: Array<'a, ClassicProtocol<'a>> [0..],
    }

    ClassicProtocol<'a> {
        name: &'a str [0..],
        metadata: &'a [u8] [0..],
    }
}

key! {
    6;

    ConsumerGroupTargetAssignmentMetadataKey<'a> {
        group_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: i32 [0..],
    }
}

key! {
    7;

    ConsumerGroupTargetAssignmentMemberKey<'a> {
        group_id: &'a str [0],
        member_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ConsumerGroupTargetAssignmentMemberValue<'a> {
        topic_partitions: Array<'a, MemberTopicPartitions<'a>> [0..],
    }

    MemberTopicPartitions<'a> {
        topic_id: TopicId [0..],
        partitions: Array<'a, i32> [0..],
    }
}

key! {
    8;

    ConsumerGroupCurrentMemberAssignmentKey<'a> {
        group_id: &'a str [0],
        member_id: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ConsumerGroupCurrentMemberAssignmentValue<'a> {
        member_epoch: i32 [0..],
        previous_member_epoch: i32 [0..],
        /// 0 stable, 1 has partitions to revoke, 2 waits for partitions to be free.
        state: i8 [0..],
        assigned_partitions: Array<'a, MemberTopicPartitions<'a>> [0..],
        partitions_pending_revocation: Array<'a, MemberTopicPartitions<'a>> [0..],
    }
}

key! {
    16;

    ConsumerGroupRegularExpressionKey<'a> {
        group_id: &'a str [0],
        regular_expression: &'a str [0],
    }
}

value! {
    0..=0, flexible 0;

    ConsumerGroupRegularExpressionValue<'a> {
        topics: Array<'a, &'a str> [0..],
        /// Of the broker's metadata, by which the topics were found.
        version: i64 [0..],
        /// In ms, of when they were found.
        timestamp: i64 [0..],
    }
}

nullable_structure!(ClassicMemberMetadata<'a>);
