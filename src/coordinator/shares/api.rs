//! What doors ask about a share group's place in a partition, and what they get.

use corelog_base::{Offset, TopicId};

/// A share group in a partition.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    pub group: String,
    pub topic: TopicId,
    pub partition: i32,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// Where the group begins, if it has not begun.
    Begin {
        key: Key,
        start: Offset,
    },
    /// The next record that somebody may have.
    Next(Next),
    Acquire(Acquire),
    Acknowledge(Acknowledge),
    /// A member is gone: what it holds is free.
    Release {
        key: Key,
        member: String,
    },
    Read(Key),
    /// Begins anew at an offset; what was held is forgotten.
    Set {
        key: Key,
        start: Offset,
    },
    Delete(Key),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    Done,
    /// The group has not begun in this partition.
    Unknown,
    /// None if everything is held, or as much as may be.
    Next(Option<Offset>),
    Acquired(Vec<Acquired>),
    Position(Position),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    pub key: Key,
    /// Records before it are gone.
    pub log_start: Offset,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acquire {
    pub key: Key,
    pub member: String,
    /// Of the log, ascending.
    pub batches: Vec<Batch>,
    pub records_max: u32,
    pub mode: Mode,
}

/// How `records_max` is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// May be exceeded to the end of a batch.
    Batches,
    Records,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch {
    pub first: Offset,
    /// Inclusive.
    pub last: Offset,
    /// Markers: nobody gets them.
    pub control: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acquired {
    pub first: Offset,
    /// Inclusive.
    pub last: Offset,
    /// How often these were delivered, this time included.
    pub count: i16,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acknowledge {
    pub key: Key,
    pub member: String,
    pub batches: Vec<Verdicts>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdicts {
    pub first: Offset,
    /// Inclusive.
    pub last: Offset,
    /// One a record, or one for all: 0 gap, 1 accept, 2 release, 3 reject, 4 renew.
    pub types: Vec<i8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Everything before it is done with.
    pub start: Offset,
    /// Records from the start on that are done with.
    pub done: i64,
}

impl Key {
    /// By which Kafka finds the coordinator: the topic's id in the alphabet of URLs.
    pub fn coordinator_key(&self) -> String {
        format!("{}:{}:{}", self.group, base64(self.topic), self.partition)
    }
}

/// 22 characters, without padding (RFC 4648, section 5).
fn base64(id: TopicId) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = u128::from_be_bytes(id.0);
    let digit = |index: u32| {
        // The last digit has two bits of the id, and four of nothing.
        let digit = match index {
            21 => (bits & 0x3) << 4,
            _ => bits >> (122 - index * 6) & 0x3f,
        };
        let digit = usize::try_from(digit).unwrap_or(0);
        char::from(ALPHABET.get(digit).copied().unwrap_or(b'A'))
    };
    (0..22).map(digit).collect()
}

impl Request {
    pub(crate) fn only_reads(&self) -> bool {
        matches!(
            self,
            Request::Next(_) | Request::Acquire(_) | Request::Read(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kafkas() {
        let key = |topic| Key {
            group: "g".to_owned(),
            topic,
            partition: 3,
        };
        let counted = TopicId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(key(counted).coordinator_key(), "g:AAECAwQFBgcICQoLDA0ODw:3");
        assert_eq!(
            key(TopicId([255; 16])).coordinator_key(),
            "g:_____________________w:3"
        );
    }
}
