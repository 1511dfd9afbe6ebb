//! The keys of a topic, as one type: what a reader of the topic looks at first.

use super::*;
use crate::Error;
use crate::kafka::Decoder;

/// The keys of a topic, as one type.
macro_rules! keys {
    ($(#[$meta:meta])* $name:ident { $($kind:ident($key:ident),)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name<'a> {
            $($kind($key<'a>),)*
            /// A type that is not known here; Kafka skips such records with a warning.
            Unknown(i16),
        }

        impl<'a> $name<'a> {
            /// Reads a key of any type.
            ///
            /// # Errors
            /// `Truncated`, and what the fields refuse.
            pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
                match Decoder::new(bytes).i16() {
                    $(Ok(first) if $key::layout(first).is_some() => {
                        $key::decode(bytes).map($name::$kind)
                    })*
                    Ok(first) => Ok($name::Unknown(first)),
                    Err(error) => Err(error.within(stringify!($name))),
                }
            }
        }
    };
}

keys! {
    /// A key in `__consumer_offsets`. Those of Kafka Streams' own groups (17 to 23) are unknown.
    OffsetsKey {
        OffsetCommit(OffsetCommitKey),
        GroupMetadata(GroupMetadataKey),
        ConsumerGroupMetadata(ConsumerGroupMetadataKey),
        ConsumerGroupPartitionMetadata(ConsumerGroupPartitionMetadataKey),
        ConsumerGroupMemberMetadata(ConsumerGroupMemberMetadataKey),
        ConsumerGroupTargetAssignmentMetadata(ConsumerGroupTargetAssignmentMetadataKey),
        ConsumerGroupTargetAssignmentMember(ConsumerGroupTargetAssignmentMemberKey),
        ConsumerGroupCurrentMemberAssignment(ConsumerGroupCurrentMemberAssignmentKey),
        ConsumerGroupRegularExpression(ConsumerGroupRegularExpressionKey),
        ShareGroupMemberMetadata(ShareGroupMemberMetadataKey),
        ShareGroupMetadata(ShareGroupMetadataKey),
        ShareGroupTargetAssignmentMetadata(ShareGroupTargetAssignmentMetadataKey),
        ShareGroupTargetAssignmentMember(ShareGroupTargetAssignmentMemberKey),
        ShareGroupCurrentMemberAssignment(ShareGroupCurrentMemberAssignmentKey),
        ShareGroupStatePartitionMetadata(ShareGroupStatePartitionMetadataKey),
    }
}

keys! {
    /// A key in `__share_group_state`.
    ShareStateKey {
        Snapshot(ShareSnapshotKey),
        Update(ShareUpdateKey),
    }
}
