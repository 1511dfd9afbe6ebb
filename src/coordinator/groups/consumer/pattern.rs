//! Subscriptions by regular expression.

use std::collections::BTreeSet;

use crate::{Result, Topics, pattern::whole};

/// Topics of the broker's own are for those who name them.
const INTERNAL: &str = "__";

/// The topics whose whole name the pattern matches.
///
/// # Errors
/// `InvalidRegularExpression`, also for one that is too large.
pub(super) fn matches(pattern: &str, topics: &dyn Topics) -> Result<BTreeSet<String>> {
    let whole = whole(pattern)?;
    let mut found = BTreeSet::new();
    topics.each(&mut |name, _, _| {
        if !name.starts_with(INTERNAL) && whole.is_match(name) {
            found.insert(name.to_owned());
        }
    });
    Ok(found)
}
