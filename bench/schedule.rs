//! When requests are meant to start.

use corelog_base::{Monotonic, Random};

use crate::Arrivals;

/// The starts of one worker's requests, ascending, without end. Workers that share a rate have
/// schedules that interleave: together they are as even, or as random, as one would be.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: Monotonic,
    /// Nanoseconds from one start to the next, on average.
    gap: f64,
    /// Nanoseconds from `start` to the next.
    next: f64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Counts, so that no rounding adds up.
    Uniform {
        first: f64,
        count: u64,
    },
    Poisson(Random),
}

/// One worker among those that share a rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub index: usize,
    pub of: usize,
}

impl Schedule {
    /// `per_s` is the rate of all workers together.
    pub(crate) fn new(arrivals: Arrivals, per_s: f64, share: Share, start: Monotonic) -> Self {
        let gap = 1e9 / per_s * share.of as f64;
        let mut schedule = Self {
            start,
            gap,
            next: 0.0,
            kind: match arrivals {
                Arrivals::Uniform => Kind::Uniform {
                    first: gap * share.index as f64 / share.of as f64,
                    count: 0,
                },
                // A seed for each worker; the run's own, so that runs are alike.
                Arrivals::Poisson => Kind::Poisson(Random::new(share.index as u64 + 1)),
            },
        };
        schedule.advance();
        schedule
    }

    /// The next start.
    pub(crate) fn peek(&self) -> Monotonic {
        Monotonic(self.start.0.saturating_add(self.next as u64))
    }

    pub(crate) fn advance(&mut self) {
        match &mut self.kind {
            Kind::Uniform { first, count } => {
                self.next = *first + *count as f64 * self.gap;
                *count += 1;
            }
            Kind::Poisson(random) => {
                // 53 bits, above 0 and up to 1.
                let uniform = ((random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
                self.next -= uniform.ln() * self.gap;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(arrivals: Arrivals, per_s: f64, workers: usize, until: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for index in 0..workers {
            let share = Share { index, of: workers };
            let mut schedule = Schedule::new(arrivals, per_s, share, Monotonic(1000));
            while schedule.peek() < Monotonic(1000 + until) {
                all.push(schedule.peek().0 - 1000);
                schedule.advance();
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn uniform_starts_are_even_over_all_workers() {
        let all = starts(Arrivals::Uniform, 3000.0, 3, 1_000_000_000);
        assert_eq!(all.len(), 3000);
        assert_eq!(all[0], 0);
        for pair in all.windows(2) {
            assert!((333_332..=333_334).contains(&(pair[1] - pair[0])));
        }
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let all = starts(Arrivals::Poisson, 10_000.0, 2, 10_000_000_000);
        let count = all.len() as f64;
        assert!(
            (count - 100_000.0).abs() < 4.0 * 100_000f64.sqrt(),
            "{count}"
        );
        let gaps: Vec<f64> = all.windows(2).map(|p| (p[1] - p[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let square = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>();
        let deviation = (square / gaps.len() as f64).sqrt();
        assert!((deviation / mean - 1.0).abs() < 0.03, "{deviation} {mean}");
    }
}
