//! Regular expressions from clients, in the syntax of RE2 that Kafka's brokers use.

use regex::{Regex, RegexBuilder};

use crate::{Error, Result};

/// Of one pattern.
const PATTERN_BYTES_MAX: usize = 4 << 10;
/// Of a compiled pattern.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// What matches a whole text.
///
/// # Errors
/// `InvalidRegularExpression`, also for one that is too large.
pub(crate) fn whole(pattern: &str) -> Result<Regex> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(Error::InvalidRegularExpression);
    }
    // Compiled on its own first: a pattern may not close the group around it.
    let compile = |text: &str| {
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(COMPILED_BYTES_MAX).build()
    };
    let alone = compile(pattern);
    let whole = compile(&format!("^(?:{pattern})$"));
    match (alone, whole) {
        (Ok(_), Ok(whole)) => Ok(whole),
        _ => Err(Error::InvalidRegularExpression),
    }
}
