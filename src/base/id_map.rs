//! A map by ids.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Spreads ids without a random seed.
#[derive(Default, Clone)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
    fn write_i64(&mut self, value: i64) {
        self.write_u64(value.cast_unsigned());
    }
}

/// Found at once by an id that this program has given out: nobody chooses ids that meet. Iteration
/// repeats under simulation.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;
