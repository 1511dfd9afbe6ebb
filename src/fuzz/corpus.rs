//! Seeds in a file: one a line, `label hex`; empty lines and lines with `#` are skipped.

use std::fmt::Write;
use std::path::Path;

/// One input, and what it is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seed {
    pub label: String,
    pub bytes: Vec<u8>,
}

/// The seeds of a file; none if the file does not exist.
///
/// # Panics
/// If a line is not `label hex`, for the corpus is part of the source.
pub fn read_corpus(path: &Path) -> Vec<Seed> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => panic!("{}: {error}", path.display()),
    };
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| parse(line).unwrap_or_else(|| panic!("{}: {line:?}", path.display())))
        .collect()
}

fn parse(line: &str) -> Option<Seed> {
    // An empty input is a label with nothing behind it.
    let (label, digits) = line
        .trim_end()
        .split_once(' ')
        .unwrap_or((line.trim_end(), ""));
    let digits: Vec<u32> = digits
        .chars()
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    Some(Seed {
        label: label.to_owned(),
        bytes: pairs.collect::<Option<_>>()?,
    })
}

/// Bytes as they stand in a corpus.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_seed() {
        let seed = parse("v3 00ff7a").expect("it is a seed");
        assert_eq!(
            (seed.label.as_str(), hex(&seed.bytes).as_str()),
            ("v3", "00ff7a")
        );
        assert_eq!(parse("empty").map(|s| s.bytes), Some(vec![]));
        assert_eq!(parse("odd 00f"), None);
        assert_eq!(parse("not hex"), None);
    }
}
