//! Who is exempt from which rule, and why. A path that ends with `/` is a folder.

/// (rule, path, reason)
const EXEMPT: &[(&str, &str, &str)] = &[
    (
        "files are short",
        "src/cluster/config/broker.rs",
        "a flat table",
    ),
    (
        "no unsafe code but in marked files",
        "src/record/tests/fuzz.rs",
        "a counting allocator: what a decoder allocates is the test",
    ),
    (
        "no unsafe code but in marked files",
        "src/fuzz/allocator.rs",
        "a counting allocator: what a decoder allocates is the test",
    ),
    (
        "no sleeping threads",
        "src/rt/cold.rs",
        "the thread for blocking calls waits for a file that a killed process still writes",
    ),
    (
        "no sleeping threads",
        "tests/faults/fuse.rs",
        "a slow disk is slow because its thread sleeps",
    ),
    (
        "no dead code",
        "src/record/tests/common/mod.rs",
        "several test binaries share it, and none uses all of it",
    ),
];

pub(crate) fn is_exempt(rule: &str, path: &str) -> bool {
    EXEMPT.iter().any(|(known, place, _)| {
        *known == rule && (*place == path || place.ends_with('/') && path.starts_with(place))
    })
}

#[test]
fn exemptions_have_a_reason_and_a_place() {
    for (rule, place, reason) in EXEMPT {
        assert!(!reason.is_empty(), "{rule} at {place}");
        let place = crate::source::root().join(place);
        assert!(place.exists(), "{} is gone", place.display());
    }
}
