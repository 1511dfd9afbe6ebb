//! An allocator that counts what a thread takes.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting; a test names it as its `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

/// What a piece of code took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Calls that took or moved memory.
    pub allocations: u64,
    /// The most bytes held at once, beyond what was held before.
    pub peak_bytes: usize,
}

#[derive(Clone, Copy)]
struct Counters {
    allocations: u64,
    /// Freed bytes may have been taken by another thread, so this can fall below zero.
    held: isize,
    peak: isize,
}

thread_local! {
    static COUNTERS: Cell<Counters> =
        const { Cell::new(Counters { allocations: 0, held: 0, peak: 0 }) };
}

fn count(taken: usize, freed: usize) {
    // A thread that is ending has no counters any more, and nobody to read them.
    let _ = COUNTERS.try_with(|cell| {
        let mut counters = cell.get();
        counters.allocations += u64::from(taken > 0);
        counters.held = counters
            .held
            .saturating_add_unsigned(taken)
            .saturating_sub_unsigned(freed);
        counters.peak = counters.peak.max(counters.held);
        cell.set(counters);
    });
}

/// Runs `code` and says what this thread took meanwhile; nothing unless [`Counting`] is installed.
pub fn measure<T>(code: impl FnOnce() -> T) -> (T, Usage) {
    let before = COUNTERS.with(|cell| {
        let counters = cell.get();
        cell.set(Counters {
            peak: counters.held,
            ..counters
        });
        counters
    });
    let value = code();
    // Whoever measures around this keeps the highest of all.
    let after = COUNTERS.with(|cell| {
        let counters = cell.get();
        cell.set(Counters {
            peak: counters.peak.max(before.peak),
            ..counters
        });
        counters
    });
    let usage = Usage {
        allocations: after.allocations - before.allocations,
        peak_bytes: after.peak.saturating_sub(before.held).unsigned_abs(),
    };
    (value, usage)
}

// SAFETY: every call goes to the system's allocator unchanged; counting takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    #[test]
    fn peak_and_calls() {
        let ((), usage) = measure(|| {
            drop(std::hint::black_box(vec![1u8; 1000]));
            drop(std::hint::black_box(vec![1u8; 3000]));
        });
        assert_eq!(usage.allocations, 2);
        assert_eq!(usage.peak_bytes, 3000);
        assert_eq!(measure(|| ()).1.allocations, 0);
    }

    #[test]
    fn one_within_another() {
        let ((), usage) = measure(|| {
            drop(std::hint::black_box(vec![1u8; 3000]));
            let ((), inner) = measure(|| drop(std::hint::black_box(vec![1u8; 1000])));
            assert_eq!((inner.allocations, inner.peak_bytes), (1, 1000));
        });
        assert_eq!((usage.allocations, usage.peak_bytes), (2, 3000));
    }
}
