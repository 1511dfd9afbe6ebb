//! Bugs on purpose: the checkers that pass every seed of the product see each of them.

use corelog_log::planted::{Bug, wake};
use corelog_workload::{cluster, compact, log, seeds};

/// How many seeds a bug may hide in, and how many run before somebody looks.
const SEEDS: u64 = 300;
const AT_A_TIME: u64 = 20;

/// Some seed fails, and what it says of it has one of these words.
fn check_caught<T: Send>(name: &str, words: &[&str], run: impl Fn(u64) -> T + Sync) {
    let mut said = Vec::new();
    for first in (0..SEEDS).step_by(AT_A_TIME as usize) {
        let (_, failures) = seeds(name, first..first + AT_A_TIME, 2, &run);
        said.extend(failures.into_iter().map(|failure| failure.message));
        let sees = |message: &String| words.iter().any(|word| message.contains(word));
        if said.iter().any(sees) {
            return;
        }
    }
    panic!("nobody sees it; what failed says {said:#?}");
}

/// What the checker of histories says of records that are gone or have changed.
const LOST: [&str; 4] = ["lost-write", "unseen", "inconsistent-offsets", "duplicate"];
/// What the log's workload says of a state that no moment of the past had.
const NO_PAST: [&str; 4] = [
    "a crash may leave one of",
    "is gone",
    "starts at",
    "none of",
];

#[test]
fn a_log_that_acknowledges_before_it_flushes_is_caught() {
    let setting = log::Setting::default();
    check_caught("log", &NO_PAST, |seed| {
        wake(Bug::AcknowledgesEarly);
        log::run(seed, &setting)
    });
}

/// The journal itself says that a frame is gone which a later one counted as flushed.
#[test]
fn a_disk_that_forgets_flushes_is_caught() {
    let setting = log::Setting {
        forgets_flushes: true,
        ..log::Setting::default()
    };
    let words = [&NO_PAST[..], &["is damaged", "a frame is lost"]].concat();
    check_caught("log", &words, |seed| log::run(seed, &setting));
}

#[test]
fn a_node_that_acknowledges_before_it_flushes_is_caught() {
    let setting = cluster::Setting::of(1);
    check_caught("one", &LOST, |seed| {
        wake(Bug::AcknowledgesEarly);
        cluster::run(seed, &setting)
    });
}

#[test]
fn a_recovery_that_keeps_what_was_cut_off_is_caught() {
    let setting = log::Setting::default();
    check_caught("log", &NO_PAST, |seed| {
        wake(Bug::KeepsConflicts);
        log::run(seed, &setting)
    });
}

/// Power fails between the reference and the data.
#[test]
fn a_journal_that_refers_to_what_is_not_written_is_caught() {
    let setting = log::Setting::default();
    let words = [&NO_PAST[..], &["is damaged"]].concat();
    check_caught("log", &words, |seed| {
        wake(Bug::RefersEarly);
        log::run(seed, &setting)
    });
}

/// Power fails between the replacement and the data.
#[test]
fn a_compaction_that_replaces_before_it_flushes_is_caught() {
    let setting = compact::Setting::default();
    check_caught("compact", &["is read at rest"], |seed| {
        wake(Bug::ReplacesEarly);
        compact::run(seed, &setting)
    });
}

/// A process alone takes nothing that was written: the bug needs a power loss.
#[test]
fn a_kill_does_not_see_what_was_not_flushed() {
    let setting = compact::Setting { keeps_power: true };
    let (reports, failures) = seeds("compact", 0..10, 1, |seed| {
        wake(Bug::ReplacesEarly);
        compact::run(seed, &setting)
    });
    assert_eq!(failures, []);
    assert!(reports.iter().any(|(_, report)| report.passes > 0));
}

/// Its offsets do not fit what follows, so it gives up, and in the end nobody is left to agree.
#[test]
fn a_follower_that_keeps_what_was_cut_off_is_caught() {
    let setting = cluster::Setting::of(3);
    let words = [&LOST[..], &["after healing"]].concat();
    check_caught("three", &words, |seed| {
        corelog_replica::planted::keep_conflicts(true);
        cluster::run(seed, &setting)
    });
}

#[test]
fn a_recovery_that_ignores_checksums_is_caught() {
    let setting = log::Setting::default();
    check_caught("log", &NO_PAST, |seed| {
        wake(Bug::IgnoresChecksums);
        log::run(seed, &setting)
    });
}

#[test]
fn a_read_that_ignores_checksums_is_caught() {
    let setting = log::Setting {
        rots: true,
        ..log::Setting::default()
    };
    check_caught("log", &["other bytes", "is not Entry"], |seed| {
        wake(Bug::IgnoresChecksums);
        log::run(seed, &setting)
    });
}

/// The other side of the test above: with checksums, every flipped bit that is read is named.
#[test]
fn bits_that_flip_are_named() {
    let setting = log::Setting {
        rots: true,
        ..log::Setting::default()
    };
    let (reports, failures) = seeds("log", 0..40, 1, |seed| log::run(seed, &setting));
    assert_eq!(failures, []);
    assert!(reports.iter().any(|(_, report)| report.damaged > 0));
}
