//! Comparisons of folders whose figures are known.

use std::path::Path;
use std::time::Duration;

use corelog_base::Monotonic;
use serde_json::Value;

use crate::outcome::Outcome;
use crate::outcome_test::{facts, settings};
use crate::tally::{Counts, Published, Sent, Wanted, Window};
use crate::totals::Totals;
use crate::{Comparison, Rate, compare, files};

const SECOND: u64 = 1_000_000_000;
const SECONDS: u64 = 8;
const PER_S: u64 = 2500;

/// A run whose latencies are even from 0 to `micros`, a little different each second.
fn leave(dir: &Path, started_ms: u64, micros: u64, interrupted: bool) {
    let window = Window {
        begin: Monotonic(SECOND),
        end: Monotonic((SECONDS + 1) * SECOND),
    };
    let counts = [Counts::new(Published::new(window))];
    let mut totals = Totals::new(window, Wanted::AnyRun);
    for n in 0..SECONDS * PER_S {
        let intended = window.begin + Duration::from_nanos(n * SECOND / PER_S);
        let sent = Sent {
            intended,
            started: intended,
        };
        let part = n * 7919 % PER_S;
        let second = n / PER_S;
        let time = Duration::from_nanos((micros * 1000 + second * 100) * part / PER_S + 1000);
        let mut published = counts[0].lock();
        published.started(sent);
        published.acknowledged(sent, intended + time);
        drop(published);
        if (n + 1) % PER_S == 0 {
            totals.collect(intended, &counts, &[]);
        }
    }
    let mut settings = settings(Rate::PerSecond(2.0 * PER_S as f64));
    settings.load.size = if micros == 777 { 50 } else { 100 };
    let mut facts = facts();
    facts.started_ms = started_ms;
    facts.measured = Duration::from_secs(SECONDS);
    facts.interrupted = interrupted;
    let outcome = Outcome::of(&settings, &totals, facts);
    files::make(dir).unwrap();
    files::write(dir, &outcome, &totals, &Value::Null).unwrap();
}

/// As exact as histograms of three digits are, and the interval holds it.
fn p99_ratio(compared: &Comparison, expected: f64) {
    let mut lines = compared.lines.iter();
    let line = lines.find(|line| line.what == "publish p99").unwrap();
    assert!((line.ratio.value - expected).abs() < 0.005, "{line:?}");
    let interval = line.ratio.low - 0.005..=line.ratio.high + 0.005;
    assert!(interval.contains(&expected), "{line:?}");
}

#[test]
fn one_run_of_each_is_compared_by_its_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, same] = ["a", "b", "same"].map(|name| dir.path().join(name));
    leave(&a, 1, 1000, false);
    leave(&b, 2, 1300, false);
    leave(&same, 3, 1000, false);
    let worse = compare(&a, &b, Some(dir.path())).unwrap();
    assert!(worse.valid);
    assert!(
        worse.verdict.starts_with("publish p99: B is worse: +"),
        "{}",
        worse.verdict
    );
    p99_ratio(&worse, 1.3);
    let p50 = &worse.lines[0];
    assert_eq!(p50.what, "publish p50");
    assert!(
        (p50.a.value - 501.0).abs() < 5.0 && (p50.b.value - 651.0).abs() < 5.0,
        "{p50:?}"
    );
    assert!(p50.ratio.low > 1.28 && p50.ratio.high < 1.32, "{p50:?}");
    // Twenty thousand samples do not tell the 99.99th percentile.
    assert!(worse.lines.iter().all(|line| line.what != "publish p99_99"));
    let equal = compare(&a, &same, None).unwrap();
    assert!(
        equal.verdict.contains("no difference shown"),
        "{}",
        equal.verdict
    );
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("publish B") && !page.contains("<script"));
    let json = std::fs::read_to_string(dir.path().join("compare.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["lines"][0]["what"], "publish p50");
}

#[test]
fn five_runs_that_took_turns_are_compared_by_run() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    for n in 0..5 {
        leave(&a.join(n.to_string()), 2 * n, 1000 + n, false);
        leave(&b.join(n.to_string()), 2 * n + 1, 900 + n, false);
    }
    let compared = compare(&a, &b, None).unwrap();
    assert_eq!((compared.runs_a, compared.runs_b), (5, 5));
    assert!(compared.method.contains("over runs"));
    assert_eq!(compared.warnings, [""; 0]);
    assert!(
        compared.verdict.starts_with("publish p99: B is better: -"),
        "{}",
        compared.verdict
    );
    p99_ratio(&compared, 0.9);
    let rate = &compared.lines[0];
    assert_eq!(rate.what, "rate");
    // The last batch of each is acknowledged after the end.
    assert!((rate.a.value - 5000.0).abs() < 1.0, "{rate:?}");
    // Without turns, it says so: here A begins twice.
    leave(&a.join("4"), 1, 1004, false);
    let compared = compare(&a, &b, None).unwrap();
    assert!(
        compared.warnings[0].contains("take turns"),
        "{:?}",
        compared.warnings
    );
}

#[test]
fn what_cannot_be_compared_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let [a, stopped, other] = ["a", "stopped", "other"].map(|name| dir.path().join(name));
    leave(&a, 1, 1000, false);
    leave(&stopped, 2, 1000, true);
    leave(&other, 3, 777, false);
    let compared = compare(&a, &stopped, None).unwrap();
    assert!(!compared.valid);
    assert!(
        compared
            .verdict
            .starts_with("no verdict: a run of B is not valid: interrupted")
    );
    let compared = compare(&a, &other, None).unwrap();
    assert_eq!(compared.warnings[0], "load/size differs: A 100, B 50");
    let nothing = compare(&a, dir.path().join("none").as_path(), None);
    assert!(nothing.is_err());
    std::fs::write(other.join("result.json"), "{\"format\": 99}").unwrap();
    let newer = compare(&a, &other, None).unwrap_err();
    assert!(newer.to_string().contains("newer version"), "{newer}");
}
