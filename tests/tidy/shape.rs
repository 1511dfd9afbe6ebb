//! Sizes and places: what a file may be like.

use crate::source::{self, Source, has_word};
use crate::{Finding, check, code_with};

const FILE_LINES: usize = 500;
const FILE_LINES_MAX: usize = 1000;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn files_are_short() {
    let mut findings = Vec::new();
    for source in source::rust() {
        let lines = source.text.lines().count();
        let reason = source.text.contains("// Over 500 lines because");
        if lines > FILE_LINES_MAX || lines > FILE_LINES && !reason {
            let what =
                format!("{lines} lines: split it, or say `// Over 500 lines because` (up to 1000)");
            findings.push(Finding::new(&source.path, 0, what));
        }
    }
    check("files are short", findings);
}

#[test]
fn functions_fit_on_a_screen() {
    let mut findings = Vec::new();
    for source in source::rust() {
        for (start, lines) in functions(&source) {
            if lines > FUNCTION_LINES_MAX {
                findings.push(Finding::new(&source.path, start, format!("{lines} lines")));
            }
        }
    }
    check("functions fit on a screen", findings);
}

/// The first line and the number of lines of each function. The formatter closes a function with a
/// brace at the indentation of its first line.
fn functions(source: &Source) -> Vec<(usize, usize)> {
    let lines: Vec<(usize, &str)> = source.lines().collect();
    let mut found = Vec::new();
    for (at, (number, line)) in lines.iter().enumerate() {
        if !has_word(line, "fn") || line.trim_end().ends_with('}') {
            continue;
        }
        // A trait's method without a body is closed by no brace: the next one is another's.
        let mut signature = lines[at..].iter().map(|(_, line)| line.trim_end());
        if signature
            .find(|line| line.ends_with(['{', ';']))
            .is_none_or(|end| end.ends_with(';'))
        {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let close = format!("{}}}", " ".repeat(indent));
        let end = lines[at + 1..]
            .iter()
            .find(|(_, line)| line.trim_end() == close);
        if let Some((end, _)) = end {
            found.push((*number, end - number + 1));
        }
    }
    found
}

#[test]
fn a_function_is_measured_to_its_own_brace() {
    let text = "trait A {\n    fn declared<F>(\n        f: F,\n    ) -> bool\n    where\n        \
                F: Fn();\n\n    fn short() {}\n\n    fn given(&self)\n    where\n        \
                Self: Sized,\n    {\n        body();\n    }\n}\n";
    let source = Source::new("src/a.rs".into(), text.into());
    assert_eq!(functions(&source), [(10, 6)]);
}

#[test]
fn indexes_of_modules_hold_no_logic() {
    let mut findings = Vec::new();
    for source in source::rust() {
        let index = source.path.ends_with("/lib.rs") || source.path.ends_with("/mod.rs");
        if !index || source.is_test() {
            continue;
        }
        let logic = source.lines().find(|(_, line)| {
            ["fn", "impl", "struct", "enum"]
                .iter()
                .any(|w| has_word(line, w))
        });
        if let Some((number, line)) = logic {
            findings.push(Finding::new(&source.path, number, line.trim()));
        }
    }
    check("lib.rs and mod.rs hold no logic", findings);
}

#[test]
fn rooms_say_what_they_are() {
    let mut findings = Vec::new();
    for source in source::rust() {
        if source.path.ends_with("/lib.rs")
            && source
                .text
                .lines()
                .take_while(|l| l.starts_with("//!"))
                .count()
                < 3
        {
            findings.push(Finding::new(
                &source.path,
                1,
                "opens with its job, and what it never does",
            ));
        }
    }
    check("rooms say what they are", findings);
}

#[test]
fn unsafe_code_is_marked_and_explained() {
    let mut findings = Vec::new();
    for source in source::rust() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in source.lines() {
            if !has_word(line, "unsafe") {
                continue;
            }
            if source.room() != Some("rt") || !source.text.contains("#![allow(unsafe_code)]") {
                findings.push(Finding::new(&source.path, number, line.trim()));
            }
            let above = &lines[number.saturating_sub(12)..number];
            let explained = above
                .iter()
                .any(|l| l.contains("SAFETY:") || l.contains("# Safety"));
            if !explained && !line.contains("unsafe fn") {
                findings.push(Finding::new(
                    &source.path,
                    number,
                    "no `// SAFETY:` above it",
                ));
            }
        }
    }
    check("no unsafe code but in marked files", findings);
}

#[test]
fn shared_state_stays_in_the_runtime() {
    let mut sources = source::rust();
    sources.retain(|source| source.path.starts_with("src/") && source.room() != Some("rt"));
    let because = "a borrow that lives across an await; use rt's Shared";
    let findings = code_with(&sources, &["Rc<RefCell"], because);
    check("no Rc<RefCell> outside rt", findings);
}

#[test]
fn pure_rooms_have_no_io_clock_or_chance() {
    let pure = [
        "base",
        "record",
        "wire",
        "log",
        "replica",
        "cluster",
        "partition",
        "broker",
    ];
    let mut sources = source::rust();
    sources.retain(|source| source.room().is_some_and(|room| pure.contains(&room)));
    sources.retain(|source| source.path != "src/base/random.rs");
    let words = [
        "std::fs",
        "std::net",
        "std::thread",
        "Instant::now",
        "SystemTime",
        "entropy()",
        "tokio::",
        "io_uring::",
        "libc::",
        "getrandom::",
    ];
    let findings = code_with(&sources, &words, "it comes through the runtime's seam");
    check("time, chance and I/O come through the seam", findings);
}

#[test]
fn error_codes_stay_at_the_doors() {
    let mut sources = source::rust();
    sources.retain(|source| {
        let doors = [
            "src/wire/",
            "src/front/kafka/",
            "src/front/native/",
            "src/front/operation/",
            "src/front/node.rs",
            "src/client/",
            "src/native/",
            "src/cli/",
        ];
        source.path.starts_with("src/") && !doors.iter().any(|door| source.path.starts_with(door))
    });
    let findings = code_with(
        &sources,
        &["ErrorCode"],
        "Kafka's codes are named at the doors only",
    );
    check("error codes stay at the doors", findings);
}

/// What is decoded from network, disk or configuration is never trusted.
#[test]
fn decoders_do_not_panic() {
    let decoders = [
        "src/wire/",
        "src/record/",
        "src/replica/message.rs",
        "src/cluster/codec.rs",
    ];
    let mut sources = source::rust();
    sources.retain(|source| decoders.iter().any(|place| source.path.starts_with(place)));
    let words = [
        ".unwrap()",
        "get_unchecked",
        "from_utf8_unchecked",
        "unreachable!(",
        "panic!(",
    ];
    let findings = code_with(&sources, &words, "these bytes come from outside");
    check("decoders do not panic", findings);
}
