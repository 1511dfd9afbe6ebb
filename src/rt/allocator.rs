//! How the process's allocator, mimalloc, gives memory back.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};
use std::time::Duration;

use libmimalloc_sys::{mi_option_get, mi_option_set_default};

/// `mi_option_purge_delay` of mimalloc 3, and what it is if nobody has set it.
const PURGE_DELAY: c_int = 15;
const PURGE_DELAY_MS: c_long = 1000;

/// Freed memory goes back to the system after so long, rather than after a second: what a load uses
/// again and again is not cleared by the kernel each time. False, and nothing is changed, if it was
/// set already, such as by `MIMALLOC_PURGE_DELAY` in the environment.
pub fn keep_freed_memory(delay: Duration) -> bool {
    let Ok(delay) = c_long::try_from(delay.as_millis()) else {
        return false;
    };
    // SAFETY: reads a number. One that mimalloc does not know is answered with 0.
    let is_default = unsafe { mi_option_get(PURGE_DELAY) } == PURGE_DELAY_MS;
    if is_default {
        // SAFETY: writes a number that mimalloc reads at every purge; any value is right.
        unsafe { mi_option_set_default(PURGE_DELAY, delay) };
    }
    is_default
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_purge_delay() {
        let ten = Duration::from_secs(10);
        assert!(keep_freed_memory(ten), "another option, or another default");
        // SAFETY: reads a number.
        assert_eq!(unsafe { mi_option_get(PURGE_DELAY) }, 10_000);
        assert!(!keep_freed_memory(ten));
    }
}
