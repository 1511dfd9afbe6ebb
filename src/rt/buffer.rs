//! Memory for direct I/O: aligned to 4096, owned, and handed on as `Bytes` without a copy.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use bytes::Bytes;

/// An aligned buffer: `len` bytes in use of a fixed capacity.
pub struct AlignedBuf {
    start: NonNull<u8>,
    capacity: usize,
    len: usize,
    /// So many bytes from the start were written at some time, by whomever.
    initialised: usize,
}

// SAFETY: the buffer owns its memory alone; no other handle to it exists.
unsafe impl Send for AlignedBuf {}
// SAFETY: shared access only reads.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// The alignment of every buffer in memory, in bytes.
    pub const ALIGNMENT: usize = 4096;

    /// A zeroed buffer with length 0; the capacity is rounded up to the alignment.
    ///
    /// # Panics
    /// If `capacity` is 0.
    pub fn with_capacity(capacity: usize) -> Self {
        // SAFETY: the layout has a size above zero.
        let mut buf = Self::allocate(capacity, |layout| unsafe { alloc_zeroed(layout) });
        buf.initialised = buf.capacity;
        buf
    }

    /// A buffer with length 0 to read a file into, or to append to: nobody clears what will be
    /// overwritten. The capacity is rounded up to the alignment.
    ///
    /// # Panics
    /// If `capacity` is 0.
    pub fn uncleared(capacity: usize) -> Self {
        // SAFETY: the layout has a size above zero.
        Self::allocate(capacity, |layout| unsafe { alloc(layout) })
    }

    /// Nothing in it counts as initialised.
    fn allocate(capacity: usize, allocate: impl FnOnce(Layout) -> *mut u8) -> Self {
        assert!(capacity > 0);
        let capacity = capacity.next_multiple_of(Self::ALIGNMENT);
        let layout = Self::layout(capacity);
        let Some(start) = NonNull::new(allocate(layout)) else {
            handle_alloc_error(layout)
        };
        Self {
            start,
            capacity,
            len: 0,
            initialised: 0,
        }
    }

    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, Self::ALIGNMENT).expect("a capacity fits isize")
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sets how many bytes are in use. Bytes never written are zero or left from earlier use.
    ///
    /// # Panics
    /// If `len` exceeds the capacity, or what was ever written of a buffer that is [`Self::uncleared`].
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.initialised);
        self.len = len;
    }

    /// Sets how many bytes are in use, of which somebody else has written all.
    ///
    /// # Safety
    /// So many bytes from the start on are initialised.
    ///
    /// # Panics
    /// If `len` exceeds the capacity.
    pub(crate) unsafe fn set_filled(&mut self, len: usize) {
        assert!(len <= self.capacity);
        self.initialised = self.initialised.max(len);
        self.len = len;
    }

    /// Appends.
    ///
    /// # Panics
    /// If the bytes do not fit.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let from = self.len;
        assert!(bytes.len() <= self.capacity - from);
        // SAFETY: there is room for them behind `len`, and nobody else refers to this memory.
        unsafe {
            let place = self.start.as_ptr().add(from);
            place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.set_filled(from + bytes.len());
        }
    }

    /// Appends zeros until the length is a multiple of `unit`.
    pub fn pad_to(&mut self, unit: usize) {
        self.extend_zeros(self.len.next_multiple_of(unit) - self.len);
    }

    /// Appends so many zeros.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn extend_zeros(&mut self, count: usize) {
        let from = self.len;
        assert!(count <= self.capacity - from);
        // SAFETY: there is room for them behind `len`, and nobody else refers to this memory.
        unsafe {
            self.start.as_ptr().add(from).write_bytes(0, count);
            self.set_filled(from + count);
        }
    }

    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `len <= initialised` bytes from `start`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes it the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: allocated in `with_capacity` with this layout, freed once.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.capacity)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_padded_and_handed_on() {
        let mut buf = AlignedBuf::with_capacity(5000);
        assert_eq!(buf.capacity(), 8192);
        assert_eq!(buf.as_mut_ptr() as usize % AlignedBuf::ALIGNMENT, 0);
        buf.extend_from_slice(b"abc");
        buf.pad_to(4096);
        assert_eq!(buf.len(), 4096);
        let bytes = buf.into_bytes();
        assert_eq!(&bytes[..4], b"abc\0");
    }

    #[test]
    fn an_uncleared_buffer_shows_what_was_written() {
        let mut buf = AlignedBuf::uncleared(5000);
        assert_eq!((buf.capacity(), buf.len()), (8192, 0));
        buf.extend_from_slice(b"abc");
        buf.set_len(2);
        buf.set_len(3);
        assert_eq!(&buf[..], b"abc");
        buf.pad_to(5);
        buf.extend_zeros(1);
        assert_eq!(&buf[..], b"abc\0\0\0");
    }

    #[test]
    #[should_panic(expected = "initialised")]
    fn and_nothing_else() {
        AlignedBuf::uncleared(5000).set_len(1);
    }
}
