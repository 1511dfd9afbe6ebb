//! Bugs on purpose, so that a test can show that checkers see them.
//!
//! They exist only with the feature `planted`, which nothing turns on but the simulator's tests and
//! the check of the fault harness. They sleep until a thread wakes one, or the environment does for
//! the whole process: `PLANTED_BUG` with a bug's name.

use std::cell::Cell;
use std::sync::OnceLock;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// Entries count as persisted when they are appended.
    AcknowledgesEarly,
    /// A recovery keeps entries of the journal that later ones cut off.
    KeepsConflicts,
    /// Entries of the journal and bytes of segments are taken whatever their checksums say.
    IgnoresChecksums,
    /// The journal refers to data of a segment that are not written yet.
    RefersEarly,
    /// A compacted segment replaces others before it is flushed.
    ReplacesEarly,
}

thread_local! {
    static AWAKE: Cell<Option<Bug>> = const { Cell::new(None) };
}

static OF_PROCESS: OnceLock<Option<Bug>> = OnceLock::new();

/// Wakes a bug in every log of this thread.
pub fn wake(bug: Bug) {
    AWAKE.set(Some(bug));
}

pub(crate) fn is_awake(bug: Bug) -> bool {
    AWAKE.get() == Some(bug) || *OF_PROCESS.get_or_init(of_environment) == Some(bug)
}

fn of_environment() -> Option<Bug> {
    let name = std::env::var("PLANTED_BUG").ok()?;
    let bugs = [
        Bug::AcknowledgesEarly,
        Bug::KeepsConflicts,
        Bug::IgnoresChecksums,
        Bug::RefersEarly,
        Bug::ReplacesEarly,
    ];
    let bug = bugs.into_iter().find(|bug| format!("{bug:?}") == name);
    assert!(bug.is_some(), "PLANTED_BUG: there is no bug {name}");
    bug
}
