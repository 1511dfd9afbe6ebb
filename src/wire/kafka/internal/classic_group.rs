//! What a classic group and any group's offsets leave in `__consumer_offsets`.

use super::stored::{key, value};
use crate::kafka::Array;
use corelog_base::TopicId;

key! {
    1 or 0;

    OffsetCommitKey<'a> {
        group: &'a str [0],
        topic: &'a str [0],
        partition: i32 [0],
    }
}

value! {
    0..=4, flexible 4;

    /// Kafka 4.2 writes version 4, or 1 if the offset has its own expiry.
    OffsetCommitValue<'a> {
        offset: i64 [0..],
        /// -1 is unknown.
        leader_epoch: i32 [3..] = -1,
        metadata: &'a str [0..],
        commit_timestamp: i64 [0..],
        /// In ms; -1 if the offset lives as long as its group.
        expire_timestamp: i64 [1] = -1,
        @tagged {
            0: topic_id: TopicId [4..],
        }
    }
}

key! {
    2;

    GroupMetadataKey<'a> {
        group: &'a str [0],
    }
}

value! {
    0..=4, flexible 4;

    /// Kafka 4.2 writes version 3.
    GroupMetadataValue<'a> {
        protocol_type: &'a str [0..],
        generation: i32 [0..],
        /// Null, as is the leader, in a group that is empty.
        protocol: Option<&'a str> [0..] nullable [0..],
        leader: Option<&'a str> [0..] nullable [0..],
        /// In ms, since when the group is in its state; -1 is unknown.
        current_state_timestamp: i64 [2..] = -1,
        members: Array<'a, GroupMetadataMember<'a>> [0..],
    }

    GroupMetadataMember<'a> {
        member_id: &'a str [0..],
        group_instance_id: Option<&'a str> [3..] nullable [3..],
        client_id: &'a str [0..],
        client_host: &'a str [0..],
        /// In ms, as the session timeout; -1 is that.
        rebalance_timeout: i32 [1..] = -1,
        session_timeout: i32 [0..],
        subscription: &'a [u8] [0..],
        assignment: &'a [u8] [0..],
    }
}
