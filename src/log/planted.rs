//! Bugs on purpose, so that a test of the simulator can show that its checkers see them.
//!
//! They exist only with the feature `planted`, which nothing turns on but the simulator's tests,
//! and sleep until a thread wakes one.

use std::cell::Cell;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// Entries count as persisted when they are appended.
    AcknowledgesEarly,
    /// A recovery keeps entries of the journal that later ones cut off.
    KeepsConflicts,
    /// Entries of the journal and bytes of segments are taken whatever their checksums say.
    IgnoresChecksums,
}

thread_local! {
    static AWAKE: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Wakes a bug in every log of this thread.
pub fn wake(bug: Bug) {
    AWAKE.set(Some(bug));
}

pub(crate) fn is_awake(bug: Bug) -> bool {
    AWAKE.get() == Some(bug)
}
