//! What must not stand in the repository.

use crate::source::{self, Source, has_word};
use crate::{Finding, check};

fn everywhere(rule: &str, sources: &[Source], words: &[&str]) {
    let mut findings = Vec::new();
    for source in sources {
        for (number, line) in source.lines() {
            if words.iter().any(|word| has_word(line, word)) {
                findings.push(Finding::new(&source.path, number, line.trim()));
            }
        }
    }
    check(rule, findings);
}

#[test]
fn nothing_is_left_undone() {
    let words = ["todo!(", "unimplemented!(", "dbg!("];
    everywhere("nothing is left undone", &source::rust(), &words);
    let mut findings = Vec::new();
    for (path, text) in source::files(&[".rs", ".md", ".toml", ".py", ".go", ".java"]) {
        let marks = [
            concat!("TO", "DO"),
            concat!("FIX", "ME"),
            concat!("XX", "X"),
        ];
        for (number, line) in (1..).zip(text.lines()) {
            if marks.iter().any(|mark| has_word(line, mark)) {
                findings.push(Finding::new(&path, number, line.trim()));
            }
        }
    }
    check("nothing is left undone", findings);
}

#[test]
fn no_test_is_ignored_or_waits_by_sleeping() {
    let sources = source::rust();
    everywhere("no ignored tests", &sources, &["#[ignore"]);
    everywhere("no sleeping threads", &sources, &["thread::sleep"]);
    let tests: Vec<Source> = sources.into_iter().filter(Source::is_test).collect();
    everywhere("no sleeping tests", &tests, &["time::sleep"]);
}

#[test]
fn no_lint_is_switched_off_for_dead_code() {
    let words = ["allow(dead_code", "allow(unused", "allow(clippy::too_many"];
    everywhere("no dead code", &source::rust(), &words);
}

/// What is said is about the project, never about one machine.
#[test]
fn no_path_of_one_machine() {
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("../sha", "red"),
    ];
    let endings = [
        ".rs", ".md", ".toml", ".py", ".go", ".java", ".xml", "Justfile", "/run",
    ];
    let mut findings = Vec::new();
    for (path, text) in source::files(&endings) {
        for (number, line) in (1..).zip(text.lines()) {
            if places.iter().any(|place| line.contains(place)) {
                findings.push(Finding::new(&path, number, line.trim()));
            }
        }
    }
    check("no path of one machine", findings);
}
