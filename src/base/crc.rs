//! CRC32C (Castagnoli), the checksum of record batches, journal frames and segment maps.

use crc_fast::{CrcAlgorithm, Digest, checksum};

/// CRC32C of one slice.
pub fn crc32c(bytes: &[u8]) -> u32 {
    narrow(checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// CRC32C of two adjoining slices, from the first one's sum. Combining the sums of both is no
/// shortcut: it costs as much as reading 500 KiB that are in the cache.
pub fn crc32c_append(sum: u32, bytes: &[u8]) -> u32 {
    // The digest's state is the sum before its last step, which inverts it.
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!sum));
    digest.update(bytes);
    narrow(digest.finalize())
}

/// CRC32C of bytes that arrive in parts.
pub struct Crc32c(Digest);

impl Crc32c {
    pub fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(&self) -> u32 {
        narrow(self.0.finalize())
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

/// The library returns every width as u64; a 32-bit checksum always fits.
fn narrow(sum: u64) -> u32 {
    debug_assert!(sum <= u64::from(u32::MAX));
    (sum & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn parts_equal_whole() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i % 251) as u8).collect();
        let mut parts = Crc32c::new();
        parts.update(&bytes[..13]);
        parts.update(&bytes[13..777]);
        parts.update(&bytes[777..]);
        assert_eq!(parts.finish(), crc32c(&bytes));
        let (first, second) = bytes.split_at(321);
        assert_eq!(crc32c_append(crc32c(first), second), crc32c(&bytes));
        assert_eq!(crc32c_append(crc32c(b""), &bytes), crc32c(&bytes));
    }
}
