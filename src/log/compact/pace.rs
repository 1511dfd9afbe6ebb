//! How long a pass holds the core: a slice, then everybody else's turn.

use std::future::Future;
use std::time::Duration;

use corelog_base::Monotonic;
use corelog_rt::Runtime;

use crate::Log;

/// A fifth of what is promised: a look at the clock may come late.
const SLICE: Duration = Duration::from_micros(200);
/// The clock is looked at once in so many steps: a step takes a microsecond, more or less.
const STEPS_A_LOOK: u32 = 16;
/// Where no time passes, as in the simulator, this many end a slice.
const STEPS_MAX: u32 = 2_048;

pub(super) struct Pace<R: Runtime> {
    log: Log<R>,
    since: Monotonic,
    steps: u32,
}

impl<R: Runtime> Pace<R> {
    pub(super) fn new(log: &Log<R>) -> Self {
        Self {
            since: log.rt.now(),
            log: log.clone(),
            steps: 0,
        }
    }

    /// A step was made; true if it is time to [`Pace::rest`].
    #[must_use]
    pub(super) fn is_over(&mut self) -> bool {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_A_LOOK) && self.log.rt.now().since(self.since) >= SLICE {
            return true;
        }
        self.steps >= STEPS_MAX
    }

    /// The same after a step that takes long by itself.
    #[must_use]
    pub(super) fn is_late(&self) -> bool {
        self.log.rt.now().since(self.since) >= SLICE
    }

    /// Lets others run.
    pub(super) async fn rest(&mut self) {
        let rest = self.log.rt.yield_now();
        self.away(rest).await;
    }

    /// Waits for something; the core is others' meanwhile.
    pub(super) async fn away<T>(&mut self, waits: impl Future<Output = T>) -> T {
        let held = self.log.rt.now().since(self.since);
        let us = u64::try_from(held.as_micros()).unwrap_or(u64::MAX);
        self.log.with(|c| {
            let stats = &mut c.stats.compaction;
            stats.held_us_max = stats.held_us_max.max(us);
        });
        let out = waits.await;
        self.since = self.log.rt.now();
        self.steps = 0;
        out
    }
}
