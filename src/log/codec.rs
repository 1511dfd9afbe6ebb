//! Little-endian fields at positions that are checked: nothing here trusts a length.

pub(crate) fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    let end = at.checked_add(N)?;
    bytes.get(at..end)?.try_into().ok()
}

pub(crate) fn get_u16(bytes: &[u8], at: usize) -> Option<u16> {
    get(bytes, at).map(u16::from_le_bytes)
}

pub(crate) fn get_u32(bytes: &[u8], at: usize) -> Option<u32> {
    get(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn get_u64(bytes: &[u8], at: usize) -> Option<u64> {
    get(bytes, at).map(u64::from_le_bytes)
}

pub(crate) fn get_i32(bytes: &[u8], at: usize) -> Option<i32> {
    get(bytes, at).map(i32::from_le_bytes)
}

pub(crate) fn get_i64(bytes: &[u8], at: usize) -> Option<i64> {
    get(bytes, at).map(i64::from_le_bytes)
}

/// Writes a field into a buffer of our own making.
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&field);
}

/// A length or position in memory as an index. 64-bit machines only.
pub(crate) fn index(value: u64) -> usize {
    const _: () = assert!(usize::BITS >= 64);
    value as usize
}

/// A length in memory as the disk's number.
pub(crate) fn count(value: usize) -> u64 {
    value as u64
}

/// A length that was bounded before it was built.
///
/// # Panics
/// If it exceeds 4 GiB: frames and map records are far smaller.
pub(crate) fn count_u32(value: usize) -> u32 {
    u32::try_from(value).expect("a bounded length fits u32")
}

pub(crate) fn round_up(value: u64, unit: u64) -> u64 {
    value.next_multiple_of(unit)
}

pub(crate) fn round_down(value: u64, unit: u64) -> u64 {
    value - value % unit
}
