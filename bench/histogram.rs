//! Histograms of nanoseconds: three digits, up to a minute.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longer times are counted as this.
pub(crate) const NANOS_MAX: u64 = 60_000_000_000;

pub(crate) type Times = Histogram<u64>;

/// 216 KiB, made once and then used again and again.
pub(crate) fn times() -> Times {
    Histogram::new_with_bounds(1, NANOS_MAX, 3).expect("the bounds are sound")
}

pub(crate) fn record(times: &mut Times, time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    times.saturating_record(nanos);
}

/// Adds one of our histograms, all of which have the same bounds.
pub(crate) fn add(to: &mut Times, from: &Times) {
    to.add(from).expect("the bounds are the same");
}

/// What a histogram holds, in few bytes.
#[derive(Clone, Default, Debug)]
pub(crate) struct Sparse(pub(crate) Vec<(u64, u64)>);

impl Sparse {
    pub(crate) fn of(times: &Times) -> Self {
        let each = times.iter_recorded();
        Self(
            each.map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect(),
        )
    }

    pub(crate) fn fill(&self, times: &mut Times) {
        times.reset();
        for (value, count) in &self.0 {
            times
                .record_n(*value, *count)
                .expect("the value came from such a histogram");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_ones_are_the_same() {
        let mut before = times();
        for nanos in [0, 1, 999, 1_234_567, 59_000_000_000, 70_000_000_000] {
            record(&mut before, Duration::from_nanos(nanos));
        }
        let mut after = times();
        Sparse::of(&before).fill(&mut after);
        assert!(before == after);
        assert_eq!(after.len(), 6);
    }
}
