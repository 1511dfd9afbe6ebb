//! SipHash-2-4 with 128 bits: nobody who does not know the key finds two inputs with one hash.
//!
//! (J.-P. Aumasson, D. J. Bernstein: "SipHash: a fast short-input PRF", and its reference code.)

/// Drawn for each pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey(pub u64, pub u64);

struct State(u64, u64, u64, u64);

impl State {
    #[inline]
    fn round(&mut self) {
        self.0 = self.0.wrapping_add(self.1);
        self.1 = self.1.rotate_left(13) ^ self.0;
        self.0 = self.0.rotate_left(32);
        self.2 = self.2.wrapping_add(self.3);
        self.3 = self.3.rotate_left(16) ^ self.2;
        self.0 = self.0.wrapping_add(self.3);
        self.3 = self.3.rotate_left(21) ^ self.0;
        self.2 = self.2.wrapping_add(self.1);
        self.1 = self.1.rotate_left(17) ^ self.2;
        self.2 = self.2.rotate_left(32);
    }

    #[inline]
    fn take(&mut self, word: u64) {
        self.3 ^= word;
        self.round();
        self.round();
        self.0 ^= word;
    }

    fn finish(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.0 ^ self.1 ^ self.2 ^ self.3
    }
}

/// The hash of some bytes.
pub(super) fn siphash(key: HashKey, bytes: &[u8]) -> [u64; 2] {
    let mut state = State(
        key.0 ^ 0x736f_6d65_7073_6575,
        key.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        key.0 ^ 0x6c79_6765_6e65_7261,
        key.1 ^ 0x7465_6462_7974_6573,
    );
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.take(u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    // The lowest byte of the length, as the algorithm has it.
    last[7] = (bytes.len() & 0xff) as u8;
    state.take(u64::from_le_bytes(last));
    state.2 ^= 0xee;
    let first = state.finish();
    state.1 ^= 0xdd;
    [first, state.finish()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the reference code's own vectors: key 00 to 0f, input 00, 01, 02...
    #[test]
    fn the_reference_vectors() {
        let key = HashKey(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let check = |length: u8, expected: [u8; 16]| {
            let input: Vec<u8> = (0..length).collect();
            let [first, second] = siphash(key, &input);
            let found = [first.to_le_bytes(), second.to_le_bytes()].concat();
            assert_eq!(found, expected, "{length}");
        };
        check(
            0,
            [
                0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55,
                0x02, 0x93,
            ],
        );
        check(
            1,
            [
                0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22,
                0xfc, 0x45,
            ],
        );
    }

    #[test]
    fn another_key_is_another_hash() {
        let bytes = [7; 100];
        assert_ne!(
            siphash(HashKey(1, 2), &bytes),
            siphash(HashKey(1, 3), &bytes)
        );
        assert_ne!(
            siphash(HashKey(1, 2), &bytes),
            siphash(HashKey(1, 2), &bytes[1..])
        );
    }
}
