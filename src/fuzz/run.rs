//! Runs a decoder over seeds and their mutations.

use std::cell::Cell;
use std::time::{Duration, Instant};

use corelog_base::Random;

use crate::{Seed, hex, measure, mutate};

/// Memory that a decoder may hold: this many times its input, and a fixed part.
const INPUT_FACTOR: usize = 4;
const FIXED_BYTES: usize = 64 << 10;

/// Mutations that a run tries however slow the machine is, so that a busy one proves something.
const MUTATIONS_MIN: u64 = 500;

/// How long, and from which seed.
#[derive(Clone, Debug)]
pub struct Fuzz {
    time: Duration,
    seed: u64,
}

impl Fuzz {
    /// A time for all of `targets` together: `CORELOG_FUZZ_SECONDS`, or three. The seed of a
    /// failure is printed and repeated by `CORELOG_FUZZ_SEED`.
    ///
    /// # Panics
    /// If a variable is not a number.
    pub fn from_env(targets: u32) -> Fuzz {
        let number = |name, default| match std::env::var(name) {
            Ok(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("{name} is not a number")),
            Err(_) => default,
        };
        Fuzz {
            time: Duration::from_secs(number("CORELOG_FUZZ_SECONDS", 3)) / targets.max(1),
            seed: number("CORELOG_FUZZ_SEED", 1),
        }
    }

    /// Every seed as it is, then mutations until the time is over, but no fewer than 500. Gives
    /// the number of inputs.
    ///
    /// # Panics
    /// If `target` panics or holds too much memory; the input is printed first.
    pub fn run(&self, name: &str, seeds: &[Seed], mut target: impl FnMut(&[u8])) -> u64 {
        for seed in seeds {
            check(name, self.seed, &seed.bytes, &mut target);
        }
        let mut random = Random::new(self.seed);
        let start = Instant::now();
        let mut mutations = 0;
        while mutations < MUTATIONS_MIN || start.elapsed() < self.time {
            let (one, other) = (pick(&mut random, seeds), pick(&mut random, seeds));
            let input = mutate(&mut random, one, other);
            check(name, self.seed, &input, &mut target);
            mutations += 1;
        }
        seeds.len() as u64 + mutations
    }
}

fn pick<'a>(random: &mut Random, seeds: &'a [Seed]) -> &'a [u8] {
    match seeds.len() {
        0 => &[],
        n => &seeds[random.below(n as u64) as usize].bytes,
    }
}

fn check(name: &str, seed: u64, input: &[u8], target: &mut impl FnMut(&[u8])) {
    let report = Report {
        name,
        seed,
        input,
        passed: Cell::new(false),
    };
    let ((), usage) = measure(|| target(input));
    let allowed = input.len() * INPUT_FACTOR + FIXED_BYTES;
    assert!(
        usage.peak_bytes <= allowed,
        "{name} held {} bytes for an input of {}, allowed are {allowed}",
        usage.peak_bytes,
        input.len(),
    );
    report.passed.set(true);
}

/// Prints the input when the target has failed, as a line for the corpus.
struct Report<'a> {
    name: &'a str,
    seed: u64,
    input: &'a [u8],
    passed: Cell<bool>,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if !self.passed.get() {
            eprintln!(
                "{} failed, CORELOG_FUZZ_SEED={}; add to its corpus:",
                self.name, self.seed
            );
            eprintln!("regression {}", hex(self.input));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn fails(target: impl FnMut(&[u8])) -> bool {
        let seeds = [Seed {
            label: "seed".to_owned(),
            bytes: vec![0, 0, 0, 1, 7],
        }];
        let fuzz = Fuzz {
            time: Duration::from_millis(300),
            seed: 1,
        };
        catch_unwind(AssertUnwindSafe(|| fuzz.run("target", &seeds, target))).is_err()
    }

    #[test]
    fn finds_a_panic() {
        assert!(fails(|input| assert!(input.first() != Some(&0xff))));
    }

    #[test]
    fn finds_an_allocation_by_a_claimed_count() {
        assert!(fails(|input| {
            if let Some((count, _)) = input.split_first_chunk::<4>() {
                let bytes = u32::from_be_bytes(*count).min(1 << 20) as usize;
                drop(std::hint::black_box(Vec::<u8>::with_capacity(bytes)));
            }
        }));
    }

    #[test]
    fn passes_what_is_sound() {
        assert!(!fails(|input| assert!(
            str::from_utf8(input).is_ok() || !input.is_ascii()
        )));
    }
}
