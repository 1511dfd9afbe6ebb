//! The files that are checked, and their code without comments and literals.

use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
    /// `text` with comments and literals blanked out, line for line.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let code = blank(&text);
        Self { path, text, code }
    }

    /// Only tests, benches and examples use it.
    pub(crate) fn is_test(&self) -> bool {
        let parts = ["/tests/", "/benches/", "/examples/", "/conformance/"];
        self.path.starts_with("tests/")
            || self.path.ends_with("_test.rs")
            || parts.iter().any(|part| self.path.contains(part))
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }

    /// Numbered lines of code up to a `#[cfg(test)] mod … {`.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test() {
            0
        } else {
            let lines: Vec<&str> = self.code.lines().collect();
            let tests = lines.windows(2).position(|pair| {
                pair[0].starts_with("#[cfg(test)]")
                    && pair[1].starts_with("mod ")
                    && pair[1].ends_with('{')
            });
            tests.unwrap_or(lines.len())
        };
        self.lines().take(end)
    }

    /// The room that it belongs to, if any.
    pub(crate) fn room(&self) -> Option<&str> {
        let place = match self.path.strip_prefix("src/") {
            Some(place) => place,
            None => self.path.strip_prefix("bench/").and(Some(&*self.path))?,
        };
        place.split_once('/').map(|p| p.0)
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository with one of these endings, as (path, text).
pub(crate) fn files(endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&root(), &mut |path| {
        let relative = path.strip_prefix(root()).expect("walked from the root");
        let relative = relative.to_string_lossy().into_owned();
        if endings.iter().any(|ending| relative.ends_with(ending)) {
            let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{relative}: {e}"));
            found.push((relative, text));
        }
    });
    found.sort();
    assert!(!found.is_empty(), "no files that end with {endings:?}");
    found
}

pub(crate) fn rust() -> Vec<Source> {
    let files = files(&[".rs"]).into_iter();
    files.map(|(path, text)| Source::new(path, text)).collect()
}

fn walk(dir: &Path, visit: &mut impl FnMut(&Path)) {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry.expect("read a directory").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "target" || name == ".git" || name == "corelog-data" {
            continue;
        }
        match path.is_dir() {
            true => walk(&path, visit),
            false => visit(&path),
        }
    }
}

/// Blanks comments, strings and characters; lines stay where they are.
pub(crate) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, keep) = token(rest, out.chars().last());
        let length = length.max(first.len_utf8());
        let (token, after) = rest.split_at(length);
        if keep {
            out.push_str(token);
        } else {
            out.extend(token.chars().map(|c| if c == '\n' { c } else { ' ' }));
        }
        rest = after;
    }
    out
}

/// The bytes of the token at the start of `rest`, and whether it is code.
fn token(rest: &str, before: Option<char>) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |at| at + 2), false);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some(length) = raw_string(rest) {
        return (length, false);
    }
    if rest.starts_with('"') {
        return (string(rest), false);
    }
    match character(rest) {
        Some(length) => (length, false),
        None => (0, true),
    }
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    let end = body.find(&close).map(|at| start + at + close.len());
    Some(end.unwrap_or(rest.len()))
}

/// A character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return body[2..].find('\'').map(|at| at + 4);
    }
    let first = body.chars().next()?;
    body[first.len_utf8()..]
        .starts_with('\'')
        .then(|| first.len_utf8() + 2)
}

/// Whether `word` stands in `line`, not as a part of a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let named = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let starts = word.starts_with(|c: char| c.is_alphanumeric());
        let ends = word.ends_with(|c: char| c.is_alphanumeric());
        let before = line[..at].chars().last();
        let after = line[at + word.len()..].chars().next();
        !(starts && named(before) || ends && named(after))
    })
}

#[test]
fn literals_and_comments_are_blanked() {
    let text =
        "let a = \"unsafe \\\" {\"; // todo!()\nlet b: &'a str = r#\"x\"y\"#; '\\''; 'c'; done";
    let code = blank(text);
    assert_eq!(code.lines().count(), 2);
    assert_eq!(code.len(), text.len());
    for gone in ["unsafe", "todo", "x", "c'", "\""] {
        assert!(!code.contains(gone), "{gone} in {code}");
    }
    assert!(code.contains("&'a str") && code.contains("done"), "{code}");
    assert!(has_word("a.unwrap()", ".unwrap()") && !has_word("my_todo!(", "todo!("));
}
