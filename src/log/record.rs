//! The group record: what makes a group exist, and what it must never forget.

use corelog_base::{HardState, LogIndex, LogStart, Offset, PartitionIndex, Term, TopicId};

use crate::codec::{count_u32, get, get_i32, get_i64, get_u16, get_u32, get_u64, put};
use crate::{DamagedRange, Position};

const VERSION: u16 = 1;
const FLAG_REMOVED: u16 = 1;
const FIXED_BYTES: usize = 104;
const DAMAGE_BYTES: usize = 32;
/// More ranges than this are joined: the group is fenced in any case.
pub(crate) const DAMAGE_MAX: usize = 64;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GroupRecord {
    pub topic: TopicId,
    pub partition: PartitionIndex,
    pub hard_state: HardState,
    pub start: LogStart,
    pub settled: Position,
    pub damage: Vec<DamagedRange>,
    /// The group was deleted: nothing of it counts any more.
    pub removed: bool,
}

impl GroupRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        assert!(self.damage.len() <= DAMAGE_MAX);
        let mut bytes = vec![0u8; FIXED_BYTES + self.damage.len() * DAMAGE_BYTES];
        put(&mut bytes, 0, VERSION.to_le_bytes());
        put(&mut bytes, 2, u16::from(self.removed).to_le_bytes());
        put(&mut bytes, 4, self.partition.0.to_le_bytes());
        put(&mut bytes, 8, self.topic.0);
        put(&mut bytes, 24, self.hard_state.term.0.to_le_bytes());
        put(&mut bytes, 32, self.hard_state.vote.to_le_bytes());
        put(&mut bytes, 40, self.hard_state.commit.0.to_le_bytes());
        put(&mut bytes, 48, self.start.index.0.to_le_bytes());
        put(&mut bytes, 56, self.start.term_before.0.to_le_bytes());
        put(&mut bytes, 64, self.start.offset.0.to_le_bytes());
        put(&mut bytes, 72, self.settled.index.0.to_le_bytes());
        put(&mut bytes, 80, self.settled.term.0.to_le_bytes());
        put(&mut bytes, 88, self.settled.next_offset.0.to_le_bytes());
        put(&mut bytes, 96, count_u32(self.damage.len()).to_le_bytes());
        for (range, at) in self
            .damage
            .iter()
            .zip((FIXED_BYTES..).step_by(DAMAGE_BYTES))
        {
            put(&mut bytes, at, range.first.0.to_le_bytes());
            put(&mut bytes, at + 8, range.last.0.to_le_bytes());
            put(&mut bytes, at + 16, range.base_offset.0.to_le_bytes());
            put(&mut bytes, at + 24, range.next_offset.0.to_le_bytes());
        }
        bytes
    }

    /// None if the bytes are not a record of a version that is known.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if get_u16(bytes, 0)? != VERSION {
            return None;
        }
        let damaged = get_u32(bytes, 96)? as usize;
        if damaged > DAMAGE_MAX {
            return None;
        }
        let damage = (FIXED_BYTES..)
            .step_by(DAMAGE_BYTES)
            .take(damaged)
            .map(|at| {
                Some(DamagedRange {
                    first: LogIndex(get_u64(bytes, at)?),
                    last: LogIndex(get_u64(bytes, at + 8)?),
                    base_offset: Offset(get_i64(bytes, at + 16)?),
                    next_offset: Offset(get_i64(bytes, at + 24)?),
                })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            topic: TopicId(get(bytes, 8)?),
            partition: PartitionIndex(get_i32(bytes, 4)?),
            hard_state: HardState {
                term: Term(get_u64(bytes, 24)?),
                vote: get_u64(bytes, 32)?,
                commit: LogIndex(get_u64(bytes, 40)?),
            },
            start: LogStart {
                index: LogIndex(get_u64(bytes, 48)?),
                term_before: Term(get_u64(bytes, 56)?),
                offset: Offset(get_i64(bytes, 64)?),
            },
            settled: Position {
                index: LogIndex(get_u64(bytes, 72)?),
                term: Term(get_u64(bytes, 80)?),
                next_offset: Offset(get_i64(bytes, 88)?),
            },
            damage,
            removed: get_u16(bytes, 2)? & FLAG_REMOVED != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_cut_is_refused() {
        let record = GroupRecord {
            topic: TopicId([7; 16]),
            partition: PartitionIndex(3),
            hard_state: HardState {
                term: Term(4),
                vote: 9,
                commit: LogIndex(77),
            },
            start: LogStart {
                index: LogIndex(5),
                term_before: Term(1),
                offset: Offset(40),
            },
            settled: Position {
                index: LogIndex(60),
                term: Term(3),
                next_offset: Offset(900),
            },
            damage: vec![DamagedRange {
                first: LogIndex(61),
                last: LogIndex(u64::MAX),
                base_offset: Offset(900),
                next_offset: Offset(i64::MAX),
            }],
            removed: false,
        };
        let bytes = record.encode();
        assert_eq!(GroupRecord::decode(&bytes), Some(record));
        for cut in 0..bytes.len() {
            assert_eq!(GroupRecord::decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
