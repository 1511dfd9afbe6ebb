//! Identifiers. What crosses a function is one of these, never a bare integer.

use std::fmt;

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

newtype!(
    /// A core of this process, counted from 0 in the order of `--cores`. Not a CPU number.
    CoreId, u16
);
newtype!(
    /// A broker of the cluster, as Kafka's clients see it: 0 or above.
    NodeId, i32
);
newtype!(
    /// A Raft group. One a partition, and `GroupId::METADATA` for the cluster. Never reused.
    GroupId, u64
);
newtype!(
    /// The number of a partition in its topic, 0 or above.
    PartitionIndex, i32
);
newtype!(
    /// Kafka's offset of a record in a partition, 0 or above.
    Offset, i64
);
newtype!(
    /// Kafka's leader epoch: the term of the last elected leader, 0 or above; -1 means unknown.
    LeaderEpoch, i32
);
newtype!(
    /// Raft's term.
    Term, u64
);
newtype!(
    /// Raft's index of an entry; the first entry of a group has index 1.
    LogIndex, u64
);
newtype!(
    /// Kafka's producer id; -1 means none.
    ProducerId, i64
);
newtype!(
    /// Kafka's producer epoch; -1 means none.
    ProducerEpoch, i16
);

impl GroupId {
    /// The group that holds the cluster's metadata.
    pub const METADATA: GroupId = GroupId(0);
}

impl ProducerId {
    pub const NONE: ProducerId = ProducerId(-1);
}

impl LeaderEpoch {
    pub const UNKNOWN: LeaderEpoch = LeaderEpoch(-1);

    /// The epoch of a term.
    ///
    /// # Panics
    /// If the term exceeds `i32::MAX`: at one election a second that is 68 years of elections.
    pub fn of(term: Term) -> LeaderEpoch {
        LeaderEpoch(i32::try_from(term.0).expect("a term fits Kafka's leader epoch"))
    }
}

impl LogIndex {
    pub fn next(self) -> LogIndex {
        LogIndex(self.0 + 1)
    }
}

impl Offset {
    /// This offset moved forward by `count` records.
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0 + count)
    }
}

/// A topic's identity: a random UUID, given at creation and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// Kafka's "no id".
    pub const ZERO: TopicId = TopicId([0; 16]);
    /// The folder of the metadata group; Kafka reserves the same UUID for its own.
    pub const METADATA: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

impl fmt::Display for TopicId {
    /// The form with hyphens: folders are named by it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

impl std::str::FromStr for TopicId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut id = [0u8; 16];
        let mut digits = text.bytes().filter(|b| *b != b'-');
        for byte in &mut id {
            let high = digits
                .next()
                .and_then(|d| (d as char).to_digit(16))
                .ok_or(())?;
            let low = digits
                .next()
                .and_then(|d| (d as char).to_digit(16))
                .ok_or(())?;
            *byte = (high * 16 + low) as u8;
        }
        if digits.next().is_some() {
            return Err(());
        }
        Ok(TopicId(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_id_text_round_trip() {
        let id = TopicId([0xde, 0xad, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 255]);
        assert_eq!(id.to_string(), "dead0102-0304-0506-0708-090a0b0c0dff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("dead".parse::<TopicId>(), Err(()));
        assert_eq!(format!("{id}00").parse::<TopicId>(), Err(()));
    }

    #[test]
    fn epoch_of_term() {
        assert_eq!(LeaderEpoch::of(Term(7)), LeaderEpoch(7));
    }
}
