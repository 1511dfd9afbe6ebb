//! Percentiles, as far as there are samples to tell them.

use serde::{Deserialize, Serialize};

use crate::histogram::Times;

/// A percentile with fewer samples above it says nothing.
const SAMPLES_ABOVE_MIN: f64 = 100.0;

/// Times in microseconds. A sample is a request or a batch, never a record of one. A percentile
/// with fewer than 100 samples above it is None.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub samples: u64,
    pub min: f64,
    pub mean: f64,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub p99_9: Option<f64>,
    pub p99_99: Option<f64>,
    pub max: f64,
}

/// The percentiles of a summary: names and parts of 1.
pub(crate) const PARTS: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99_9", 0.999),
    ("p99_99", 0.9999),
];

impl Summary {
    /// None if there is no sample.
    pub(crate) fn of(times: &Times) -> Option<Self> {
        let [p50, p90, p99, p99_9, p99_99] = PARTS.map(|(_, part)| percentile(times, part));
        (!times.is_empty()).then(|| Self {
            samples: times.len(),
            min: micros(times.min() as f64),
            mean: micros(times.mean()),
            p50,
            p90,
            p99,
            p99_9,
            p99_99,
            max: micros(times.max() as f64),
        })
    }

    /// The percentiles, ascending.
    pub fn percentiles(&self) -> [Option<f64>; 5] {
        [self.p50, self.p90, self.p99, self.p99_9, self.p99_99]
    }
}

fn percentile(times: &Times, part: f64) -> Option<f64> {
    is_told(times.len(), part).then(|| micros(times.value_at_quantile(part) as f64))
}

/// Whether so many samples tell the percentile.
pub(crate) fn is_told(samples: u64, part: f64) -> bool {
    // A sum of parts of 1 is a little off.
    samples as f64 * (1.0 - part) >= SAMPLES_ABOVE_MIN - 1e-6
}

/// To three decimals.
fn micros(nanos: f64) -> f64 {
    nanos.round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::{record, times};
    use std::time::Duration;

    fn check(samples: u64, told: [bool; 5]) {
        let mut all = times();
        for n in 1..=samples {
            record(&mut all, Duration::from_micros(n));
        }
        let summary = Summary::of(&all).unwrap();
        let percentiles = summary.percentiles();
        assert_eq!(percentiles.map(|p| p.is_some()), told, "{samples}");
        for (value, (name, part)) in percentiles.iter().zip(PARTS) {
            let expected = samples as f64 * part;
            let near = value.is_none_or(|v| (v / expected - 1.0).abs() < 0.002);
            assert!(near, "{name} {value:?} {expected}");
        }
        assert!((summary.max / samples as f64 - 1.0).abs() < 0.001);
    }

    #[test]
    fn percentiles_need_a_hundred_samples_above() {
        check(199, [false; 5]);
        check(200, [true, false, false, false, false]);
        check(9_999, [true, true, false, false, false]);
        check(10_000, [true, true, true, false, false]);
        check(1_000_000, [true; 5]);
        assert_eq!(Summary::of(&times()), None);
    }
}
