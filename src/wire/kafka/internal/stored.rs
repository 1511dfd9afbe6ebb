//! The machine that makes keys and values out of tables.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::kafka::{Decoder, Encoder, Value, Version};
use crate::{Error, ErrorKind};

/// An i16, then fields.
pub trait Stored<'a>: Value<'a> {
    const NAME: &'static str;
    /// What the i16 is when it is written.
    const FIRST: RangeInclusive<i16>;

    /// How the fields are laid out behind an i16; `None` if that can't be read.
    fn layout(first: i16) -> Option<Version>;
}

pub(super) fn decode<'a, T: Stored<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    let mut decoder = Decoder::new(bytes);
    let read = |decoder: &mut Decoder<'a>| match T::layout(decoder.i16()?) {
        Some(version) => T::read(decoder, version),
        None => Err(Error::new(ErrorKind::Version, 0)),
    };
    read(&mut decoder).map_err(|error| error.within(T::NAME))
}

pub(super) fn encode<'a, T: Stored<'a>>(value: &T, first: i16) -> Result<Bytes, Error> {
    let mut encoder = Encoder::body();
    match T::layout(first) {
        Some(version) if T::FIRST.contains(&first) => {
            encoder.put(&first.to_be_bytes());
            value.write(&mut encoder, version);
        }
        _ => encoder.fail(ErrorKind::Version),
    }
    encoder.name_error(T::NAME);
    let mut parts = encoder.finish()?;
    assert_eq!(parts.len(), 1, "nothing here holds records");
    Ok(parts.swap_remove(0))
}

/// `type or old types; Name { fields }`: a key, whose i16 is its type.
macro_rules! key {
    (
        $type:literal $(or $old:literal)?;
        $(#[$meta:meta])* $name:ident $(<$lt:lifetime>)? { $($body:tt)* }
    ) => {
        $crate::kafka::table::structure! { $(#[$meta])* $name $(<$lt>)? { $($body)* } }

        impl<'a> $crate::kafka::internal::Stored<'a> for $name $(<$lt>)? {
            const NAME: &'static str = stringify!($name);
            const FIRST: std::ops::RangeInclusive<i16> = $type..=$type;

            fn layout(first: i16) -> Option<$crate::kafka::Version> {
                let plain = $crate::kafka::Version { number: 0, flexible: false };
                matches!(first, $type $(| $old)?).then_some(plain)
            }
        }

        impl<'a> $name $(<$lt>)? {
            /// Reads a key. Bytes behind it are ignored, as Kafka does.
            ///
            /// # Errors
            /// `Version` if it is of another type, and what the fields refuse.
            pub fn decode(bytes: &'a [u8]) -> Result<Self, $crate::Error> {
                $crate::kafka::internal::stored::decode(bytes)
            }

            /// The key with its type.
            ///
            /// # Errors
            /// `Length` of a string or an array that can't be said.
            pub fn encode(&self) -> Result<bytes::Bytes, $crate::Error> {
                $crate::kafka::internal::stored::encode(self, $type)
            }
        }
    };
}

/// `versions, flexible first; Name { fields } ..`: a value, whose i16 is its version. With `newer`,
/// newer ones are read as the newest here.
macro_rules! value {
    (
        $min:literal..=$max:literal, flexible $flexible:expr $(, $newer:ident)?;
        $(#[$meta:meta])* $name:ident $(<$lt:lifetime>)? { $($body:tt)* }
        $($rest:tt)*
    ) => {
        $crate::kafka::table::structure! { $(#[$meta])* $name $(<$lt>)? { $($body)* } $($rest)* }

        impl<'a> $crate::kafka::internal::Stored<'a> for $name $(<$lt>)? {
            const NAME: &'static str = stringify!($name);
            const FIRST: std::ops::RangeInclusive<i16> = $min..=$max;

            fn layout(first: i16) -> Option<$crate::kafka::Version> {
                let number = $crate::kafka::internal::stored::value!(@known first, $max $(, $newer)?);
                let flexible = number >= $flexible;
                ($min..=$max)
                    .contains(&number)
                    .then_some($crate::kafka::Version { number, flexible })
            }
        }

        impl<'a> $name $(<$lt>)? {
            /// Reads a value. Bytes behind it are ignored, as Kafka does.
            ///
            /// # Errors
            /// `Version`, and what the fields refuse.
            pub fn decode(bytes: &'a [u8]) -> Result<Self, $crate::Error> {
                $crate::kafka::internal::stored::decode(bytes)
            }

            /// The value with its version.
            ///
            /// # Errors
            /// `Version`, or `Length` of a string or an array that can't be said.
            pub fn encode(&self, version: i16) -> Result<bytes::Bytes, $crate::Error> {
                $crate::kafka::internal::stored::encode(self, version)
            }
        }
    };
    (@known $first:ident, $max:literal) => { $first };
    (@known $first:ident, $max:literal, newer) => { $first.min($max) };
}

pub(super) use {key, value};

/// Gives the name of everything here to a macro.
#[cfg(test)]
macro_rules! with_stored {
    ($callback:ident) => {
        $callback! {
            OffsetCommitKey<'a>;
            OffsetCommitValue<'a>;
            GroupMetadataKey<'a>;
            GroupMetadataValue<'a>;
            ConsumerGroupMetadataKey<'a>;
            ConsumerGroupMetadataValue;
            ConsumerGroupPartitionMetadataKey<'a>;
            ConsumerGroupPartitionMetadataValue<'a>;
            ConsumerGroupMemberMetadataKey<'a>;
            ConsumerGroupMemberMetadataValue<'a>;
            ConsumerGroupTargetAssignmentMetadataKey<'a>;
            ConsumerGroupTargetAssignmentMetadataValue;
            ConsumerGroupTargetAssignmentMemberKey<'a>;
            ConsumerGroupTargetAssignmentMemberValue<'a>;
            ConsumerGroupCurrentMemberAssignmentKey<'a>;
            ConsumerGroupCurrentMemberAssignmentValue<'a>;
            ConsumerGroupRegularExpressionKey<'a>;
            ConsumerGroupRegularExpressionValue<'a>;
            ShareGroupMemberMetadataKey<'a>;
            ShareGroupMemberMetadataValue<'a>;
            ShareGroupMetadataKey<'a>;
            ShareGroupMetadataValue;
            ShareGroupTargetAssignmentMetadataKey<'a>;
            ShareGroupTargetAssignmentMetadataValue;
            ShareGroupTargetAssignmentMemberKey<'a>;
            ShareGroupTargetAssignmentMemberValue<'a>;
            ShareGroupCurrentMemberAssignmentKey<'a>;
            ShareGroupCurrentMemberAssignmentValue<'a>;
            ShareGroupStatePartitionMetadataKey<'a>;
            ShareGroupStatePartitionMetadataValue<'a>;
            ShareSnapshotKey<'a>;
            ShareSnapshotValue<'a>;
            ShareUpdateKey<'a>;
            ShareUpdateValue<'a>;
            TransactionLogKey<'a>;
            TransactionLogValue<'a>;
            ConsumerProtocolSubscription<'a>;
            ConsumerProtocolAssignment<'a>;
        }
    };
}
#[cfg(test)]
pub(super) use with_stored;
