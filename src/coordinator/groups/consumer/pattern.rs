//! Subscriptions by regular expression, in the syntax of RE2 that Kafka's brokers use.

use std::collections::BTreeSet;

use regex::RegexBuilder;

use crate::{Error, Result, Topics};

/// Of one pattern.
const PATTERN_BYTES_MAX: usize = 4 << 10;
/// Of a compiled pattern.
const COMPILED_BYTES_MAX: usize = 256 << 10;
/// Topics of the broker's own are for those who name them.
const INTERNAL: &str = "__";

/// The topics whose whole name the pattern matches.
///
/// # Errors
/// `InvalidRegularExpression`, also for one that is too large.
pub(super) fn matches(pattern: &str, topics: &dyn Topics) -> Result<BTreeSet<String>> {
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
    let (Ok(_), Ok(whole)) = (alone, whole) else {
        return Err(Error::InvalidRegularExpression);
    };
    let mut found = BTreeSet::new();
    topics.each(&mut |name, _, _| {
        if !name.starts_with(INTERNAL) && whole.is_match(name) {
            found.insert(name.to_owned());
        }
    });
    Ok(found)
}
