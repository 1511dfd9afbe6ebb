//! Fields by name, out of what `Debug` prints of a message: ours and the oracle's alike.
//!
//! Bytes that agree don't show that two fields of one type have each other's names. The types
//! share no trait, but both derive `Debug`, and the oracle's names are the schema's.

use std::fmt::Debug;

const NEUTRAL: [&str; 3] = ["0", "-1", "\"\""];

/// Every scalar with the name of its field, sorted: the order of fields is the bytes' to show.
///
/// Wrappers are dropped: `Some(TopicName("t"))` is `"t"`. Bytes are numbers, however they are
/// printed: `[1, 2]` by us, `b"\x01\x02"` by the oracle. Left out are records, which each side
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
            'b' if rest.starts_with("b\"") => 1 + string_bytes(&rest[1..]),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        if is_word(first) && behind.starts_with(": ") {
            name = token;
        } else if name == "records" {
            continue;
        } else if let Some(quoted) = token.strip_prefix("b\"") {
            let bytes = unescape(&quoted[..quoted.len() - 1]);
            let said = bytes.into_iter().map(|b| b.to_string());
            found.extend(
                said.filter(|b| !NEUTRAL.contains(&b.as_str()))
                    .map(|b| (name.to_owned(), b)),
            );
        } else if is_scalar(token) && !NEUTRAL.contains(&token) {
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

/// Bytes as they were before `Debug` escaped them.
fn unescape(text: &str) -> Vec<u8> {
    let mut rest = text.bytes();
    let mut bytes = Vec::new();
    while let Some(byte) = rest.next() {
        let escaped = if byte == b'\\' { rest.next() } else { None };
        bytes.push(match escaped {
            None => byte,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).expect("two digits")
            }
            Some(other) => other,
        });
    }
    bytes
}

#[test]
fn fields_of_bytes() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "printed")]
    struct Holds<T> {
        data: T,
        next: i32,
    }
    let data: &[u8] = b"a\"\\\n\0\xff\"";
    let theirs = bytes::Bytes::from_static(data);
    let ours = fields(&Holds { data, next: 1 });
    assert_eq!(ours.len(), 7);
    assert_eq!(
        ours,
        fields(&Holds {
            data: theirs,
            next: 1
        })
    );
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
