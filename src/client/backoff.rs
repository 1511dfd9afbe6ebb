//! Pauses between tries.

use std::time::Duration;

use corelog_base::{Random, entropy};
use tokio::time::{Instant, sleep};

use crate::{Error, Options};

/// Counts tries of one call until its time is up.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    pause_max: Duration,
    until: Instant,
    random: Random,
}

impl Backoff {
    pub(crate) fn new(options: &Options) -> Self {
        Self::lasting(options, options.retry_for)
    }

    pub(crate) fn lasting(options: &Options, time: Duration) -> Self {
        Self {
            pause: options.backoff_min,
            pause_max: options.backoff_max,
            until: Instant::now() + time,
            random: Random::new(entropy()),
        }
    }

    /// Waits before the next try, between half a pause and a whole one.
    ///
    /// # Errors
    /// The error given, if it will not pass or the time is up.
    pub(crate) async fn again(&mut self, error: Error) -> Result<(), Error> {
        let half = self.pause / 2;
        let more = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        let pause = half + Duration::from_micros(self.random.below(more));
        if !error.is_retriable() || Instant::now() + pause >= self.until {
            return Err(error);
        }
        sleep(pause).await;
        self.pause = (self.pause * 2).min(self.pause_max);
        Ok(())
    }
}
