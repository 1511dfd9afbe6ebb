//! Structures of more than one message.

use crate::kafka::Array;
use crate::kafka::table::structure;

structure! {
    /// Where a broker can be reached; comes with the errors that say that a leader has moved.
    NodeEndpoint<'a> {
        node_id: i32 [0..],
        host: &'a str [0..],
        port: i32 [0..],
        rack: Option<&'a str> [0..] nullable [0..],
    }

    /// The leader that a client should ask instead; -1 is unknown.
    LeaderIdAndEpoch {
        leader_id: i32 [0..] = -1,
        leader_epoch: i32 [0..] = -1,
    }

    /// What a share consumer says about records from `first_offset` to `last_offset`, inclusive.
    AcknowledgementBatch<'a> {
        first_offset: i64 [0..],
        last_offset: i64 [0..],
        /// One a record, or one for all: 0 gap, 1 accept, 2 release, 3 reject, 4 renew.
        acknowledge_types: Array<'a, i8> [0..],
    }
}
