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

/// How long a run takes.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Time(Duration),
    /// So many mutations, whatever time they take; each run then prints what it saw.
    Mutations(u64),
}

/// How long, and from which seed.
#[derive(Clone, Debug)]
pub struct Fuzz {
    limit: Limit,
    seed: u64,
}

/// What a run saw.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    inputs: u64,
    /// The most that the target held beyond four times its input.
    excess_bytes: usize,
}

impl Fuzz {
    /// A time for all of `targets` together: `CORELOG_FUZZ_SECONDS`, or three; or, for each, as many
    /// mutations as `CORELOG_FUZZ_INPUTS` says. The seed of a failure is printed and repeated by
    /// `CORELOG_FUZZ_SEED`.
    ///
    /// # Panics
    /// If a variable is not a number.
    pub fn from_env(targets: u32) -> Fuzz {
        let time = Duration::from_secs(number("CORELOG_FUZZ_SECONDS").unwrap_or(3));
        let mutations = number("CORELOG_FUZZ_INPUTS").map(Limit::Mutations);
        Fuzz {
            limit: mutations.unwrap_or(Limit::Time(time / targets.max(1))),
            seed: number("CORELOG_FUZZ_SEED").unwrap_or(1),
        }
    }

    /// Every seed as it is, then mutations until the limit, but no fewer than 500. Gives the number
    /// of inputs.
    ///
    /// # Panics
    /// If `target` panics or holds too much memory; the input is printed first.
    pub fn run(&self, name: &str, seeds: &[Seed], target: impl FnMut(&[u8])) -> u64 {
        let mut fixed = seeds.iter();
        let make = |random: &mut Random| match fixed.next() {
            Some(seed) => seed.bytes.clone(),
            None => {
                let (one, other) = (pick(random, seeds), pick(random, seeds));
                mutate(random, one, other)
            }
        };
        self.run_made(name, seeds.len() as u64, make, target)
    }

    /// As [`Fuzz::run`], with inputs that `make` makes: the first `fixed` of them count beside the
    /// limit.
    ///
    /// # Panics
    /// As [`Fuzz::run`].
    pub fn run_made(
        &self,
        name: &str,
        fixed: u64,
        mut make: impl FnMut(&mut Random) -> Vec<u8>,
        mut target: impl FnMut(&[u8]),
    ) -> u64 {
        let mut random = Random::new(self.seed);
        let start = Instant::now();
        let mut seen = Seen::default();
        while seen.inputs < fixed || !self.is_over(seen.inputs - fixed, start) {
            let input = make(&mut random);
            let held = check(name, self.seed, &input, &mut target);
            let excess = held.saturating_sub(input.len() * INPUT_FACTOR);
            seen.excess_bytes = seen.excess_bytes.max(excess);
            seen.inputs += 1;
        }
        if let Limit::Mutations(_) = self.limit {
            let (inputs, excess, took) = (seen.inputs, seen.excess_bytes, start.elapsed());
            eprintln!("{name}: {inputs} inputs, 4 x input + {excess} bytes at most, {took:.1?}");
        }
        seen.inputs
    }

    fn is_over(&self, mutations: u64, start: Instant) -> bool {
        match self.limit {
            Limit::Time(time) => mutations >= MUTATIONS_MIN && start.elapsed() >= time,
            Limit::Mutations(wanted) => mutations >= wanted.max(MUTATIONS_MIN),
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is not a number")))
}

fn pick<'a>(random: &mut Random, seeds: &'a [Seed]) -> &'a [u8] {
    match seeds.len() {
        0 => &[],
        n => &seeds[random.below(n as u64) as usize].bytes,
    }
}

/// The most that the target held.
fn check(name: &str, seed: u64, input: &[u8], target: &mut impl FnMut(&[u8])) -> usize {
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
    usage.peak_bytes
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
            limit: Limit::Time(Duration::from_millis(300)),
            seed: 1,
        };
        catch_unwind(AssertUnwindSafe(|| fuzz.run("target", &seeds, target))).is_err()
    }

    #[test]
    fn runs_as_often_as_it_is_told() {
        let fuzz = Fuzz {
            limit: Limit::Mutations(2_000),
            seed: 1,
        };
        let seed = Seed {
            label: "seed".to_owned(),
            bytes: vec![1, 2, 3],
        };
        let mut inputs = Vec::new();
        let runs = fuzz.run("target", std::slice::from_ref(&seed), |input| {
            inputs.push(input.len())
        });
        assert_eq!((runs, inputs.len()), (2_001, 2_001));
        assert_eq!(inputs[0], 3);
        let mut lengths = 0..;
        let make = |_: &mut Random| vec![0; lengths.next().unwrap_or(0)];
        assert_eq!(fuzz.run_made("target", 3, make, |_| ()), 2_003);
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
