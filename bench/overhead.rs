//! What the generator itself costs, measured beside each run.

use std::hint::black_box;
use std::time::Duration;

use corelog_base::{Monotonic, TimestampMs};
use serde::Serialize;

use crate::histogram::{record, times};
use crate::payload::Template;
use crate::{Error, Load, clock};

const ROUNDS: u32 = 10_000;
const PREPARE_MAX: Duration = Duration::from_millis(50);

/// Nanoseconds on the generator's threads; all are part of what is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Overhead {
    /// Reading the clock: three times a request.
    pub clock_ns: f64,
    /// Counting one time: three times a request.
    pub record_ns: f64,
    /// Putting the send time, the checksum and, if asked for, the compression on a batch.
    pub prepare_ns: f64,
}

impl Overhead {
    pub(crate) fn measure(load: &Load) -> Result<Self, Error> {
        let mut template = Template::new(load, 1, TimestampMs(0), 1)?;
        let mut all = times();
        let clock_ns = each(ROUNDS, |_| {
            black_box(clock::now());
        });
        let record_ns = each(ROUNDS, |n| record(&mut all, Duration::from_nanos(n * 997)));
        let prepare = |n| {
            black_box(template.stamp(Monotonic(n)));
        };
        Ok(Self {
            clock_ns,
            record_ns,
            prepare_ns: each(ROUNDS, prepare),
        })
    }
}

fn each(rounds: u32, mut work: impl FnMut(u64)) -> f64 {
    work(0);
    let start = clock::now();
    for n in 1..=rounds {
        work(u64::from(n));
        let passed = clock::now().since(start);
        if n % 16 == 0 && passed > PREPARE_MAX {
            return nanos(passed, n);
        }
    }
    nanos(clock::now().since(start), rounds)
}

fn nanos(time: Duration, count: u32) -> f64 {
    (time.as_secs_f64() * 1e10 / f64::from(count)).round() / 10.0
}
