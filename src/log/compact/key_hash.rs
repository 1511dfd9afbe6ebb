//! The hash by which a pass knows keys: SipHash-2-4 with 128 bits, so that nobody who does not know the
//! pass's own secret finds two keys with one hash.

use siphasher::sip128::SipHasher24;

/// Drawn for each pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey(pub u64, pub u64);

/// The hash of some bytes.
pub(super) fn siphash(key: HashKey, bytes: &[u8]) -> [u64; 2] {
    let hash = SipHasher24::new_with_keys(key.0, key.1).hash(bytes);
    [hash.h1, hash.h2]
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
