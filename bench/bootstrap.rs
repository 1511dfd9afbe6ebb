//! Resampling: how far a figure would move if the same were measured again.

use corelog_base::Random;

use crate::histogram::Sparse;

/// Seeded, so that the same folders give the same verdict.
const SEED: u64 = 0x5eed;

/// A figure with the interval that holds it in 95 of 100 repetitions.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Estimate {
    /// `value` is of all data, `resampled` of its resamples.
    fn of(value: f64, mut resampled: Vec<f64>) -> Self {
        resampled.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (resampled.len().saturating_sub(1)) as f64 * part;
            resampled.get(index.round() as usize).copied()
        };
        Self {
            value,
            low: at(0.025).unwrap_or(value),
            high: at(0.975).unwrap_or(value),
        }
    }
}

/// One side, the other, and the second divided by the first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Compared {
    pub a: Estimate,
    pub b: Estimate,
    pub ratio: Estimate,
}

/// Draws `count` of `count`, with putting back.
fn draw(random: &mut Random, count: usize, mut visit: impl FnMut(usize)) {
    for _ in 0..count {
        // An index of a vector: it fits.
        visit(random.below(count as u64) as usize);
    }
}

fn compared(
    rounds: usize,
    whole: (f64, f64),
    mut resample: impl FnMut(&mut Random) -> (f64, f64),
) -> Compared {
    let mut random = Random::new(SEED);
    let (mut a, mut b, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let drawn = resample(&mut random);
        a.push(drawn.0);
        b.push(drawn.1);
        ratio.push(drawn.1 / drawn.0);
    }
    Compared {
        a: Estimate::of(whole.0, a),
        b: Estimate::of(whole.1, b),
        ratio: Estimate::of(whole.1 / whole.0, ratio),
    }
}

/// Compares the means of a figure that each run has. No side is empty.
pub(crate) fn runs(a: &[f64], b: &[f64]) -> Compared {
    const ROUNDS: usize = 10_000;
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let again = |random: &mut Random, all: &[f64]| {
        let mut sum = 0.0;
        draw(random, all.len(), |at| sum += all[at]);
        sum / all.len() as f64
    };
    compared(ROUNDS, (mean(a), mean(b)), |random| {
        (again(random, a), again(random, b))
    })
}

/// Counts of intervals over the values that any of them has.
#[derive(Debug)]
pub(crate) struct Dense {
    values: Vec<u64>,
    intervals: Vec<Vec<u64>>,
}

impl Dense {
    pub(crate) fn new(all: &[Sparse]) -> Self {
        let pairs = all.iter().flat_map(|sparse| sparse.0.iter());
        let mut values: Vec<u64> = pairs.map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let dense = |sparse: &Sparse| {
            let mut counts = vec![0; values.len()];
            for (value, count) in &sparse.0 {
                if let Ok(at) = values.binary_search(value) {
                    counts[at] += count;
                }
            }
            counts
        };
        let intervals = all.iter().map(dense).collect();
        Self { values, intervals }
    }

    pub(crate) fn samples(&self) -> u64 {
        self.intervals.iter().flatten().sum()
    }

    pub(crate) fn len(&self) -> usize {
        self.intervals.len()
    }

    fn whole(&self) -> Vec<u64> {
        self.sum(|visit| (0..self.intervals.len()).for_each(visit))
    }

    fn again(&self, random: &mut Random) -> Vec<u64> {
        self.sum(|visit| draw(random, self.intervals.len(), visit))
    }

    fn sum(&self, choose: impl FnOnce(&mut dyn FnMut(usize))) -> Vec<u64> {
        let mut sum = vec![0; self.values.len()];
        choose(&mut |at| {
            for (to, count) in sum.iter_mut().zip(&self.intervals[at]) {
                *to += count;
            }
        });
        sum
    }

    fn percentile(&self, counts: &[u64], part: f64) -> f64 {
        let all: u64 = counts.iter().sum();
        let wanted = ((all as f64 * part).ceil() as u64).max(1);
        let mut below = 0;
        let found = self.values.iter().zip(counts).find(|(_, count)| {
            below += **count;
            below >= wanted
        });
        found.map_or(0.0, |(value, _)| *value as f64)
    }
}

/// Compares percentiles of all samples, by drawing whole intervals. Within an interval samples
/// hang together, so single ones must not be drawn.
pub(crate) fn intervals(a: &Dense, b: &Dense, parts: &[f64]) -> Vec<Compared> {
    const ROUNDS: usize = 1_000;
    let mut random = Random::new(SEED);
    let drawn: Vec<_> = (0..ROUNDS)
        .map(|_| (a.again(&mut random), b.again(&mut random)))
        .collect();
    let (whole_a, whole_b) = (a.whole(), b.whole());
    let each = parts.iter().map(|part| {
        let whole = (a.percentile(&whole_a, *part), b.percentile(&whole_b, *part));
        let mut next = drawn.iter();
        compared(ROUNDS, whole, |_| match next.next() {
            Some((of_a, of_b)) => (a.percentile(of_a, *part), b.percentile(of_b, *part)),
            None => whole,
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_differ_are_told_apart_and_others_not() {
        let a = [100.0, 102.0, 98.0, 101.0, 99.0];
        let b = [120.0, 123.0, 118.0, 121.0, 119.0];
        let slower = runs(&a, &b);
        assert!((slower.ratio.value - 1.202).abs() < 0.001, "{slower:?}");
        assert!(
            slower.ratio.low > 1.17 && slower.ratio.high < 1.23,
            "{slower:?}"
        );
        let noisy = [60.0, 140.0, 100.0, 90.0, 112.0];
        let unclear = runs(&a, &noisy);
        assert!(
            unclear.ratio.low < 1.0 && unclear.ratio.high > 1.0,
            "{unclear:?}"
        );
        assert_eq!(runs(&a, &a).ratio.value, 1.0);
        // A resample's mean scatters by the deviation over the root of the count.
        let (low, high) = (slower.a.low, slower.a.high);
        assert!(
            (98.0..99.5).contains(&low) && (100.5..102.0).contains(&high),
            "{slower:?}"
        );
    }

    #[test]
    fn intervals_are_drawn_whole() {
        // Nine calm seconds and one bad one: the tail hangs on how often that one is drawn.
        let calm = Sparse(vec![(1000, 990), (2000, 10)]);
        let bad = Sparse(vec![(1000, 500), (9000, 500)]);
        let mut all = vec![calm; 9];
        all.push(bad);
        let dense = Dense::new(&all);
        assert_eq!((dense.samples(), dense.len()), (10_000, 10));
        let compared = intervals(&dense, &dense, &[0.5, 0.99]);
        assert_eq!(compared[0].a.value, 1000.0);
        assert_eq!((compared[0].a.low, compared[0].a.high), (1000.0, 1000.0));
        assert_eq!(compared[1].a.value, 9000.0);
        assert_eq!((compared[1].a.low, compared[1].a.high), (1000.0, 9000.0));
        assert_eq!(compared[1].ratio.value, 1.0);
    }
}
