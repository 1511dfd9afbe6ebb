//! What is left of deliveries in `__share_group_state` (KIP-932): a snapshot, then updates.

use super::stored::{key, value};
use crate::kafka::Array;
use corelog_base::TopicId;

key! {
    0;

    ShareSnapshotKey<'a> {
        group_id: &'a str [0],
        topic_id: TopicId [0],
        partition: i32 [0],
    }
}

value! {
    0..=0, flexible 0;

    ShareSnapshotValue<'a> {
        snapshot_epoch: i32 [0..],
        state_epoch: i32 [0..],
        leader_epoch: i32 [0..],
        start_offset: i64 [0..],
        create_timestamp: i64 [0..],
        write_timestamp: i64 [0..],
        state_batches: Array<'a, ShareStateBatch> [0..],
        @tagged {
            /// Records from the start on that are done with; -1 is unknown.
            0: delivery_complete_count: i32 [0..] = -1,
        }
    }

    ShareStateBatch {
        first_offset: i64 [0..],
        /// Inclusive.
        last_offset: i64 [0..],
        /// 0 available, 2 acknowledged, 4 archived.
        delivery_state: i8 [0..],
        delivery_count: i16 [0..],
    }
}

key! {
    1;

    ShareUpdateKey<'a> {
        group_id: &'a str [0],
        topic_id: TopicId [0],
        partition: i32 [0],
    }
}

value! {
    0..=0, flexible 0;

    ShareUpdateValue<'a> {
        snapshot_epoch: i32 [0..],
        leader_epoch: i32 [0..],
        /// -1 if it has not changed.
        start_offset: i64 [0..],
        state_batches: Array<'a, ShareStateBatch> [0..],
        @tagged {
            /// Records from the start on that are done with; -1 is unknown.
            0: delivery_complete_count: i32 [0..] = -1,
        }
    }
}
