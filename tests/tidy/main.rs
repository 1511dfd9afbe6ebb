//! The rules of style that can be checked. Each test is one rule; it names every place that breaks
//! it. What is exempt is listed in `exempt.rs`, with its reason.

mod exempt;
mod manifest;
mod shape;
mod source;
mod words;

use source::Source;

/// Fails with every finding that is not exempt.
fn check(rule: &str, findings: Vec<Finding>) {
    let left: Vec<String> = findings
        .into_iter()
        .filter(|finding| !exempt::is_exempt(rule, &finding.path))
        .map(|finding| finding.to_string())
        .collect();
    assert!(left.is_empty(), "{rule}:\n{}", left.join("\n"));
}

/// A place that breaks a rule. Lines count from 1; 0 is the whole file.
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "  {}:{} {}", self.path, self.line, self.what)
    }
}

/// Lines of code, not of tests, that hold one of these words.
fn code_with(sources: &[Source], words: &[&str], because: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (number, line) in source.product_lines() {
            for word in words.iter().filter(|word| source::has_word(line, word)) {
                findings.push(Finding::new(
                    &source.path,
                    number,
                    format!("`{word}`: {because}"),
                ));
            }
        }
    }
    findings
}
