//! Keys and values of the records in Kafka's internal topics, and what members of a group say to
//! each other: tables as those of the messages, so that tools which read these topics work here.
//!
//! | topic | keys |
//! |---|---|
//! | `__consumer_offsets` | [`OffsetsKey`]: offsets, and the groups of three protocols |
//! | `__transaction_state` | [`TransactionLogKey`] |
//! | `__share_group_state` | [`ShareStateKey`] |
//!
//! All begin with an i16. In a value it is the version. In a key it is the type of the record,
//! which says what the value is; the layout of a type's key never changes. A record without a
//! value says that what the key names is gone.
//!
//! ```
//! use corelog_wire::kafka::internal::{OffsetCommitKey, OffsetCommitValue, OffsetsKey};
//!
//! # fn main() -> Result<(), corelog_wire::Error> {
//! let key = OffsetCommitKey { group: "g", topic: "t", partition: 3 };
//! let value = OffsetCommitValue { offset: 70, ..Default::default() };
//! let (key_bytes, value_bytes) = (key.encode()?, value.encode(3)?);
//!
//! match OffsetsKey::decode(&key_bytes)? {
//!     OffsetsKey::OffsetCommit(read) => assert_eq!(read, key),
//!     other => unreachable!("{other:?}"),
//! }
//! assert_eq!(OffsetCommitValue::decode(&value_bytes)?.offset, 70);
//! # Ok(())
//! # }
//! ```

mod classic_group;
mod consumer_group;
mod consumer_protocol;
mod keys;
mod share_group;
mod share_state;
mod stored;
mod transaction;

#[cfg(test)]
mod fuzz_test;
#[cfg(test)]
mod java_consumer_test;
#[cfg(test)]
mod java_share_test;
#[cfg(test)]
mod java_test;

pub use classic_group::*;
pub use consumer_group::*;
pub use consumer_protocol::*;
pub use keys::{OffsetsKey, ShareStateKey};
pub use share_group::*;
pub use share_state::*;
pub use stored::Stored;
pub use transaction::*;
