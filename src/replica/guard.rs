//! The one place where a panic does not end the process.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a call into one group's engine: a panic now quarantines that
/// group. The process's panic hook asks this; any other panic ends the process.
pub fn in_engine() -> bool {
    GUARDED.get()
}

/// A call into one group's engine. A panic becomes an error; what it left half done must be
/// dropped by the caller.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    GUARDED.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("without a text");
        Err(format!("the engine panicked: {text}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_guard_is_down_after_it() {
        assert!(!in_engine());
        let done: Result<(), String> = guarded(|| {
            assert!(in_engine());
            panic!("index {} is out of range", 7)
        });
        let text = "the engine panicked: index 7 is out of range";
        assert_eq!(done, Err(text.to_owned()));
        assert!(!in_engine());
        assert_eq!(guarded(|| Ok(3)), Ok(3));
    }
}
