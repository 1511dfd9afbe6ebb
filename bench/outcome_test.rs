//! When a run is not valid.

use std::time::Duration;

use corelog_base::Monotonic;
use corelog_record::Codec;

use crate::outcome::{Facts, Outcome};
use crate::overhead::Overhead;
use crate::tally::{Sent, Wanted, Window};
use crate::totals::Totals;
use crate::{Acks, Arrivals, Driver, Load, Mode, Rate, Settings, Target};

const WINDOW: Window = Window {
    begin: Monotonic(1_000_000_000),
    end: Monotonic(2_000_000_000),
};

pub(crate) fn settings(rate: Rate) -> Settings {
    Settings {
        target: Target {
            driver: Driver::Kafka,
            bootstrap: Vec::new(),
            topic: String::new(),
            partitions: 1,
        },
        load: Load {
            rate,
            arrivals: Arrivals::Uniform,
            acks: Acks::All,
            size: 100,
            key_bytes: 0,
            batch: 2,
            compression: Codec::None,
            connections: 1,
            in_flight: 1,
            consumers: 1,
        },
        mode: Mode::Produce,
        duration: Duration::from_secs(1),
        warmup: Duration::ZERO,
        pin: Vec::new(),
        out: std::path::PathBuf::new(),
    }
}

/// Of a run without anything odd.
pub(crate) fn facts() -> Facts {
    Facts {
        command: Vec::new(),
        started_ms: 0,
        durability: Vec::new(),
        overhead: Overhead {
            clock_ns: 0.0,
            record_ns: 0.0,
            prepare_ns: 0.0,
        },
        cpu: Duration::ZERO,
        workers: 1,
        measured: Duration::from_secs(1),
        interrupted: false,
        failures: Vec::new(),
    }
}

/// A thousand requests over the second, `late` of them 2 ms late, `lost` of them never answered.
fn check(rate: Rate, late: u64, lost: u64, expected: &[&str]) {
    let mut totals = Totals::new(WINDOW, Wanted::AnyRun);
    for n in 0..1000 {
        let intended = WINDOW.begin + Duration::from_millis(n);
        let lag = Duration::from_micros(if n < late { 2000 } else { 999 });
        let sent = Sent {
            intended,
            started: intended + lag,
        };
        totals.published.started(sent);
        if n < lost {
            totals.published.unanswered(sent, WINDOW.end);
        } else {
            totals.published.acknowledged(sent, intended);
        }
    }
    let outcome = Outcome::of(&settings(rate), &totals, facts());
    assert_eq!(outcome.reasons, expected);
    assert_eq!(outcome.valid, expected.is_empty());
    assert_eq!(outcome.rate_per_s, (1000 - lost) as f64 * 2.0);
    assert_eq!(outcome.publish_latency_us.map(|p| p.samples), Some(1000));
}

#[test]
fn a_generator_that_is_late_spoils_the_run() {
    let rate = Rate::PerSecond(2000.0);
    check(rate, 0, 0, &[]);
    check(rate, 10, 0, &[]);
    check(
        rate,
        11,
        0,
        &["1.1 % of the requests started over 1 ms late"],
    );
    // The closed loop has no schedule to be late for.
    check(Rate::Max, 500, 0, &[]);
}

#[test]
fn a_rate_that_is_not_reached_spoils_the_run() {
    let rate = Rate::PerSecond(2000.0);
    check(rate, 0, 5, &["5 requests got no answer"]);
    check(
        rate,
        0,
        11,
        &[
            "98.9 % of the rate was reached",
            "11 requests got no answer",
        ],
    );
}
