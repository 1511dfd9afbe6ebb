//! Fields by name, out of what `Debug` prints of a message: ours and the oracle's alike.
//!
//! Bytes that agree don't show that two fields of one type have each other's names. The types
//! share no trait, but both derive `Debug`, and the oracle's names are the schema's.

use std::fmt::Debug;

const NEUTRAL: [&str; 3] = ["0", "-1", "\"\""];

/// Every scalar with the name of its field, sorted: the order of fields is the bytes' to show.
///
/// Wrappers are dropped: `Some(TopicName("t"))` is `"t"`. Left out are records, which each side
/// prints in its own way, and values that say nothing, for fields that a version lacks may have
/// one of these on one side and another on the other: a pair that is mixed up shows with others.
pub(crate) fn fields(message: &impl Debug) -> Vec<(String, String)> {
    let text = format!("{message:?}");
    let mut rest = text.as_str();
    let mut name = "";
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_bytes(rest),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        if is_word(first) && behind.starts_with(": ") {
            name = token;
        } else if name != "records" && is_scalar(token) && !NEUTRAL.contains(&token) {
            found.push((name.to_owned(), token.to_owned()));
        }
    }
    found.sort();
    found
}

/// Not so are punctuation, and the names of types, variants and error codes.
fn is_scalar(token: &str) -> bool {
    let is_uuid = token.len() == 36 && token.matches('-').count() == 4;
    token == "true" || token.starts_with('"') || token.parse::<i64>().is_ok() || is_uuid
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// The length of a string in quotes at the front of `text`, with both.
fn string_bytes(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(index, _)| index + 1)
}

#[test]
fn fields_of_a_message() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "printed")]
    struct Inner<'a> {
        port: i32,
        rack: Option<Option<&'a str>>,
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "printed")]
    struct Outer<'a> {
        nodes: Vec<i32>,
        inner: Vec<Inner<'a>>,
        last: Option<i8>,
        is_last: bool,
    }
    let outer = Outer {
        nodes: vec![7, 8],
        inner: vec![Inner {
            port: -2,
            rack: Some(Some("a, \"port\": 3")),
        }],
        last: None,
        is_last: true,
    };
    let expected = [
        ("is_last", "true"),
        ("nodes", "7"),
        ("nodes", "8"),
        ("port", "-2"),
        ("rack", r#""a, \"port\": 3""#),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(fields(&outer), expected);
}
