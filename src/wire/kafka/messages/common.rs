//! Structures of more than one message.

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
}
