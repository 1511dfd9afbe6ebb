//! The last offset of each key, by the key's hash, in a bounded table.

use corelog_base::Offset;

use super::key_hash::HashKey;
use crate::codec::{count, index};

/// The hash, and the offset plus one; 0 is an empty slot.
type Slot = [u64; 3];

const SLOT_BYTES: u64 = size_of::<Slot>() as u64;
const _: () = assert!(SLOT_BYTES == 24);
const SLOTS_MIN: u64 = 16;

/// Open addressing, at most three quarters full. Two keys with one hash would count as one key: of
/// 128 bits under a random key, that is less likely than a disk's silent error.
pub(super) struct KeyTable {
    slots: Vec<Slot>,
    used: u64,
    pub hash_key: HashKey,
}

/// Whether a key's offset was noted.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Noted {
    Yes,
    /// The key is new, and there is no room.
    Full,
}

impl KeyTable {
    /// For so many keys, but no more than `bytes_max` hold. The memory is touched as it fills.
    pub(super) fn new(keys: u64, bytes_max: u64, hash_key: HashKey) -> Self {
        let wanted = keys.saturating_add(keys / 2).max(SLOTS_MIN);
        let slots = wanted.min(bytes_max / SLOT_BYTES).max(SLOTS_MIN);
        Self {
            slots: vec![[0; 3]; index(slots)],
            used: 0,
            hash_key,
        }
    }

    /// The key's slot, or the empty one where it belongs.
    fn place(&self, hash: [u64; 2]) -> usize {
        let slots = self.slots.len();
        let spread = u128::from(hash[0]) * u128::from(count(slots));
        let mut at = index((spread >> 64) as u64);
        // There is always an empty one.
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 || slot[..2] == hash {
                return at;
            }
            at = (at + 1) % slots;
        }
    }

    /// Of a key that was noted before, the larger offset counts.
    pub(super) fn note(&mut self, hash: [u64; 2], offset: Offset) -> Noted {
        let at = self.place(hash);
        let room = count(self.slots.len()) / 4 * 3;
        let slot = &mut self.slots[at];
        if slot[2] == 0 {
            if self.used >= room {
                return Noted::Full;
            }
            self.used += 1;
            *slot = [hash[0], hash[1], 0];
        }
        slot[2] = slot[2].max(offset.0.cast_unsigned() + 1);
        Noted::Yes
    }

    pub(super) fn last(&self, hash: [u64; 2]) -> Option<Offset> {
        let offset = self.slots[self.place(hash)][2].checked_sub(1)?;
        Some(Offset(offset.cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_hash::siphash;
    use super::*;

    fn hash(table: &KeyTable, n: u64) -> [u64; 2] {
        siphash(table.hash_key, &n.to_le_bytes())
    }

    #[test]
    fn the_last_offset_of_each_key() {
        let mut table = KeyTable::new(1000, 1 << 20, HashKey(1, 2));
        for round in 0..3 {
            for n in 0..1000 {
                let hash = hash(&table, n);
                assert_eq!(
                    table.note(hash, Offset(round * 1000 + n as i64)),
                    Noted::Yes
                );
            }
        }
        for n in 0..1000 {
            assert_eq!(table.last(hash(&table, n)), Some(Offset(2000 + n as i64)));
        }
        assert_eq!(table.last(hash(&table, 1000)), None);
    }

    #[test]
    fn it_takes_no_more_than_it_may_and_known_keys_still_fit() {
        let mut table = KeyTable::new(u64::MAX, 24 * 100, HashKey(3, 4));
        let mut fitted = 0;
        for n in 0..200 {
            let hash = hash(&table, n);
            match table.note(hash, Offset(n as i64)) {
                Noted::Yes => fitted += 1,
                Noted::Full => break,
            }
        }
        assert_eq!(fitted, 75);
        let known = hash(&table, 10);
        assert_eq!(table.note(known, Offset(500)), Noted::Yes);
        assert_eq!(table.last(known), Some(Offset(500)));
    }
}
