//! Many seeds of a workload, on the machine's cores.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A seed that broke a promise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Failure {
    pub seed: u64,
    pub message: String,
}

fn text(panic: Box<dyn Any + Send>) -> String {
    let panic = match panic.downcast::<String>() {
        Ok(text) => return *text,
        Err(other) => other,
    };
    match panic.downcast::<&'static str>() {
        Ok(text) => (*text).to_owned(),
        Err(_) => "a panic without words".to_owned(),
    }
}

/// Runs `run` for each seed; stops after `failures_max` failures. Reports come in the order of
/// seeds. A panic is a failure of its seed, and prints it.
pub fn seeds<T: Send>(
    name: &str,
    range: Range<u64>,
    failures_max: usize,
    run: impl Fn(u64) -> T + Sync,
) -> (Vec<(u64, T)>, Vec<Failure>) {
    let next = AtomicU64::new(range.start);
    let done = Mutex::new((Vec::new(), Vec::<Failure>::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let failed = done.lock().map_or(0, |done| done.1.len());
            if seed >= range.end || failed >= failures_max {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
            if outcome.is_err() {
                eprintln!(
                    "seed {seed} of workload {name} fails; replay it with\n  \
                     just sim --workload {name} --seeds 1 --seed {seed}"
                );
            }
            let Ok(mut done) = done.lock() else { return };
            match outcome {
                Ok(report) => done.0.push((seed, report)),
                Err(panic) => done.1.push(Failure {
                    seed,
                    message: text(panic),
                }),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (mut reports, mut failures) = done.into_inner().unwrap_or_default();
    reports.sort_by_key(|report| report.0);
    failures.sort();
    (reports, failures)
}
