//! Which internal topic a coordinator's state is in, and which partition of it.

use crate::Coordinator;
use crate::groups::Groups;
use crate::shares::Shares;
use crate::transactions::Transactions;

/// What a coordinator coordinates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Groups and their offsets; keyed by group id.
    Groups,
    /// Transactions; keyed by transactional id.
    Transactions,
    /// Where share groups stand in a partition; keyed by `group:topic id:partition`.
    ShareState,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Groups, Kind::Transactions, Kind::ShareState];

    /// The internal topic that holds the state.
    pub fn topic(self) -> &'static str {
        match self {
            Kind::Groups => "__consumer_offsets",
            Kind::Transactions => "__transaction_state",
            Kind::ShareState => "__share_group_state",
        }
    }

    pub fn of_topic(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.topic() == name)
    }

    /// The partition, of `partitions`, that coordinates `key`: Kafka's own choice, so that its
    /// tools find it. None if there are no partitions.
    pub fn partition_of(self, key: &str, partitions: u32) -> Option<u32> {
        // Kafka takes the absolute value, and 0 for the one number that has none.
        let hash = java_hash(key).checked_abs().unwrap_or(0);
        hash.unsigned_abs().checked_rem(partitions)
    }

    /// A coordinator without any state. `seed` is of the ids that it gives out.
    pub fn coordinator(self, seed: u64) -> Box<dyn Coordinator> {
        match self {
            Kind::Groups => Box::new(Groups::new(seed)),
            Kind::ShareState => Box::new(Shares::default()),
            Kind::Transactions => Box::new(Transactions::default()),
        }
    }
}

/// Java's `String.hashCode`: over UTF-16 units.
pub fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        for (text, hash) in [
            ("", 0),
            ("a", 97),
            ("console-consumer-1", 35_782_224),
            ("polygenelubricants", i32::MIN),
            ("\u{1f600}", 1_772_899),
        ] {
            assert_eq!(java_hash(text), hash, "{text}");
        }
    }

    #[test]
    fn the_hash_without_an_absolute_value_is_partition_0() {
        assert_eq!(Kind::Groups.partition_of("polygenelubricants", 50), Some(0));
        assert_eq!(Kind::Groups.partition_of("a", 50), Some(47));
        assert_eq!(Kind::Groups.partition_of("a", 0), None);
    }
}
