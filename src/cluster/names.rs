//! Which names a topic may have.

use crate::{Error, Kind};

/// Kafka's bound: a folder's name, less what Kafka appends to it.
const NAME_BYTES_MAX: usize = 249;

/// Where Kafka keeps its own metadata: clients must not think that it is a topic of theirs.
const RESERVED: &str = "__cluster_metadata";

/// # Errors
/// `InvalidTopic`, with what is wrong.
pub fn check_topic_name(name: &str) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::new(Kind::InvalidTopic, why));
    if name.is_empty() {
        return refuse("a topic's name must not be empty".into());
    }
    if name == "." || name == ".." {
        return refuse("a topic's name must not be '.' or '..'".into());
    }
    if name.len() > NAME_BYTES_MAX {
        let bytes = name.len();
        return refuse(format!(
            "a topic's name must have at most {NAME_BYTES_MAX} characters, this has {bytes}"
        ));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(bad) = name.chars().find(|c| !legal(*c)) {
        return refuse(format!(
            "a topic's name may have ASCII letters, digits, '.', '_' and '-', not {bad:?}"
        ));
    }
    if name == RESERVED {
        return refuse(format!("the name {RESERVED} is reserved"));
    }
    Ok(())
}

/// What two names must not share: Kafka's metrics show '.' as '_'.
pub(crate) fn collision_key(name: &str) -> String {
    name.replace('.', "_")
}

/// Topics of the broker's own: compacted, and clients must not produce to them.
pub fn is_internal(name: &str) -> bool {
    matches!(
        name,
        "__consumer_offsets" | "__transaction_state" | "__share_group_state"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(249);
        for good in ["a", "A.b_c-9", "...", "__consumer_offsets", long.as_str()] {
            assert_eq!(check_topic_name(good), Ok(()), "{good}");
        }
        let longer = "a".repeat(250);
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "ä",
            "a\0",
            "__cluster_metadata",
            &longer,
        ] {
            let error = check_topic_name(bad).unwrap_err();
            assert_eq!(error.kind, Kind::InvalidTopic, "{bad}");
        }
    }

    #[test]
    fn collisions() {
        assert_eq!(collision_key("a.b_c"), collision_key("a_b.c"));
        assert_ne!(collision_key("a-b"), collision_key("a_b"));
    }
}
