//! Values that say who they are: a record's bytes follow from its number, so that whoever reads it
//! knows which one it is and whether a byte of it has changed.

use bytes::Bytes;
use corelog_base::Random;

const FILLER_BYTES_MAX: u64 = 700;

/// The bytes of a value.
pub fn bytes_of(value: u64) -> Bytes {
    let mut random = Random::new(value);
    let filler = usize::try_from(random.below(FILLER_BYTES_MAX)).unwrap_or(0);
    let mut bytes = vec![0; 8 + filler];
    let (number, filler) = bytes.split_at_mut(8);
    number.copy_from_slice(&value.to_le_bytes());
    random.fill(filler);
    bytes.into()
}

/// The value that has these bytes, if there is one.
pub fn value_of(bytes: &[u8]) -> Option<u64> {
    let value = u64::from_le_bytes(*bytes.first_chunk()?);
    (bytes_of(value) == bytes).then_some(value)
}

#[test]
fn every_changed_byte_is_noticed() {
    let bytes = bytes_of((3 << 32) + 7);
    assert_eq!(value_of(&bytes), Some((3 << 32) + 7));
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        assert_eq!(value_of(&changed), None, "byte {at}");
        assert_eq!(value_of(&bytes[..at]), None, "{at} bytes");
    }
}
