//! Which partition a record goes to when its producer does not say.

use corelog_base::{PartitionIndex, Random};

/// The partition of a key among `count`, as Kafka's Java client and librdkafka's `murmur2` choose.
///
/// # Panics
/// If `count` is not positive.
pub fn key_partition(key: &[u8], count: i32) -> PartitionIndex {
    assert!(count > 0, "a topic has partitions");
    let positive = murmur2(key) & 0x7fff_ffff;
    let count = count.unsigned_abs();
    PartitionIndex(i32::try_from(positive % count).expect("below an i32"))
}

/// MurmurHash2 with the seed that Kafka uses (org.apache.kafka.common.utils.Utils).
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let length = u32::try_from(data.len()).expect("a key is below 2 GiB");
    let mut hash = SEED ^ length;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

/// Records without a key stay with one partition for a while, so that batches fill (KIP-794).
#[derive(Debug)]
pub struct Sticky {
    random: Random,
    current: i32,
    bytes_left: usize,
}

/// How much goes to one partition before the next is chosen: Java's default batch.
const STICKY_BYTES: usize = 16 << 10;

impl Sticky {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            current: 0,
            bytes_left: 0,
        }
    }

    /// The partition of the next record of `bytes`. `count` is positive.
    pub fn next(&mut self, bytes: usize, count: i32) -> PartitionIndex {
        if self.bytes_left == 0 || self.current >= count {
            let drawn = self.random.below(u64::from(count.unsigned_abs().max(1)));
            self.current = i32::try_from(drawn).expect("below an i32");
            self.bytes_left = STICKY_BYTES;
        }
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        PartitionIndex(self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Kafka's own test (UtilsTest.testMurmur2).
    #[test]
    fn murmur2_is_javas() {
        let check = |key: &[u8], expected: i32| assert_eq!(murmur2(key) as i32, expected);
        check(b"21", -973_932_308);
        check(b"foobar", -790_332_482);
        check(b"a-little-bit-long-string", -985_981_536);
        check(b"a-little-bit-longer-string", -1_486_304_829);
        check(
            b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        );
        check(b"abc", 479_470_107);
    }

    #[test]
    fn a_key_always_goes_to_the_same_partition() {
        assert_eq!(key_partition(b"abc", 7), key_partition(b"abc", 7));
        assert_eq!(key_partition(b"abc", 10), PartitionIndex(479_470_107 % 10));
    }

    #[test]
    fn sticky_moves_on_after_its_bytes() {
        let mut sticky = Sticky::new(1);
        let first = sticky.next(100, 1000);
        assert_eq!(sticky.next(STICKY_BYTES - 200, 1000), first);
        sticky.next(200, 1000);
        let moved = (0..3).map(|_| sticky.next(STICKY_BYTES, 1000));
        assert!(moved.into_iter().any(|partition| partition != first));
    }
}
