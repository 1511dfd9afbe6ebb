//! What consumers of a classic group say to each other, in the opaque bytes of JoinGroup and
//! SyncGroup. The broker reads it when it migrates a group. Bytes of a newer version are read as the
//! newest one here, for newer ones only add. No bytes at all are an empty assignment.

use super::stored::value;
use crate::kafka::Array;
use crate::kafka::api::NEVER;

value! {
    0..=3, flexible NEVER, newer;

    ConsumerProtocolSubscription<'a> {
        topics: Array<'a, &'a str> [0..],
        /// The assignor's.
        user_data: Option<&'a [u8]> [0..] nullable [0..],
        owned_partitions: Array<'a, ConsumerProtocolPartitions<'a>> [1..],
        /// -1 is unknown.
        generation_id: i32 [2..] = -1,
        rack_id: Option<&'a str> [3..] nullable [3..],
    }

    ConsumerProtocolPartitions<'a> {
        topic: &'a str [0..],
        partitions: Array<'a, i32> [0..],
    }
}

value! {
    0..=3, flexible NEVER, newer;

    ConsumerProtocolAssignment<'a> {
        assigned_partitions: Array<'a, ConsumerProtocolPartitions<'a>> [0..],
        /// The assignor's.
        user_data: Option<&'a [u8]> [0..] nullable [0..],
    }
}
