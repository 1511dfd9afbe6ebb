use super::*;

const fn definition(kind: ConfigType, check: Check) -> Definition {
    Definition {
        name: "some.name",
        kind,
        default: None,
        check,
        access: Access::Topic,
        synonyms: &[],
        documentation: "Some words.",
    }
}

#[track_caller]
fn check(kind: ConfigType, rule: Check, cases: &[(&str, Option<&str>)]) {
    let definition = definition(kind, rule);
    for (value, expected) in cases {
        let parsed = definition.parse(value);
        assert_eq!(parsed.as_deref().ok(), *expected, "{kind:?} {value:?}");
        if let Err(why) = parsed {
            assert!(why.contains("some.name"), "{why}");
        }
    }
}

#[test]
fn values_get_their_normal_form() {
    check(
        ConfigType::Boolean,
        Check::Any,
        &[
            (" True ", Some("true")),
            ("FALSE", Some("false")),
            ("1", None),
            ("", None),
        ],
    );
    check(
        ConfigType::List,
        Check::Any,
        &[(" a , b,,c ", Some("a,b,c")), ("", Some(""))],
    );
    check(
        ConfigType::String,
        Check::Any,
        &[(" a b ", Some("a b")), ("", Some(""))],
    );
}

#[test]
fn numbers_fit_their_type() {
    check(
        ConfigType::Int,
        Check::Any,
        &[
            (" 7 ", Some("7")),
            ("007", Some("7")),
            ("2147483647", Some("2147483647")),
            ("2147483648", None),
            ("1.5", None),
            ("1k", None),
            ("", None),
        ],
    );
    check(
        ConfigType::Short,
        Check::Any,
        &[("-32768", Some("-32768")), ("32768", None)],
    );
    check(
        ConfigType::Long,
        Check::Any,
        &[
            ("9223372036854775807", Some("9223372036854775807")),
            ("9223372036854775808", None),
        ],
    );
    check(
        ConfigType::Double,
        Check::Fraction,
        &[
            ("0.50", Some("0.5")),
            ("1", Some("1")),
            ("1.01", None),
            ("-0.1", None),
            ("NaN", None),
            ("half", None),
        ],
    );
}

#[test]
fn ranges_say_their_bounds() {
    let bounded = definition(ConfigType::Int, Check::Range(1, 9));
    for (value, good) in [("1", true), ("9", true), ("0", false), ("10", false)] {
        assert_eq!(bounded.parse(value).is_ok(), good, "{value}");
    }
    assert!(bounded.parse("0").unwrap_err().contains("from 1 to 9"));
    let least = definition(ConfigType::Long, Check::Range(5, i64::MAX));
    assert!(least.parse("4").unwrap_err().contains("at least 5"));
}

#[test]
fn words_are_those_of_the_table() {
    check(
        ConfigType::String,
        Check::OneOf(&["gzip", "zstd"]),
        &[("gzip", Some("gzip")), ("GZIP", None), ("", None)],
    );
    check(
        ConfigType::List,
        Check::Each(&["delete", "compact"]),
        &[
            ("compact, delete", Some("compact,delete")),
            ("delete,remove", None),
            ("", None),
            (",", None),
        ],
    );
    check(
        ConfigType::List,
        Check::Throttled,
        &[
            ("*", Some("*")),
            ("", Some("")),
            ("0:1, 2:3", Some("0:1,2:3")),
            ("0", None),
            ("a:1", None),
        ],
    );
    check(
        ConfigType::Boolean,
        Check::Only("false", "nothing is tiered"),
        &[("False", Some("false")), ("true", None)],
    );
    let only = definition(
        ConfigType::Boolean,
        Check::Only("false", "nothing is tiered"),
    );
    assert!(
        only.parse("true")
            .unwrap_err()
            .contains("nothing is tiered")
    );
}

#[test]
fn the_name_that_was_meant() {
    let known = ["retention.ms", "retention.bytes", "segment.ms"];
    let meant = |name| nearest(name, known.into_iter());
    assert_eq!(meant("retention.m"), Some("retention.ms"));
    assert_eq!(meant("retention_bytes"), Some("retention.bytes"));
    assert_eq!(meant("cleanup"), None);
    assert_eq!(meant(&"x".repeat(10_000)), None);
    assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
}
