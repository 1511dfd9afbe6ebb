//! A bug on purpose, so that a test of the simulator can show that its checkers see it.
//!
//! It exists only with the feature `planted`, which nothing turns on but the simulator's tests,
//! and sleeps until a thread wakes it.

use std::cell::Cell;

thread_local! {
    static KEEPS_CONFLICTS: Cell<bool> = const { Cell::new(false) };
}

/// On this thread, followers keep entries that the leader's cut off, and say that they took them.
pub fn keep_conflicts(keep: bool) {
    KEEPS_CONFLICTS.set(keep);
}

pub(crate) fn keeps_conflicts() -> bool {
    KEEPS_CONFLICTS.get()
}
