//! Pauses between tries.

use std::time::Duration;

use corelog_base::{Pauses, entropy};
use tokio::time::{Instant, sleep};

use crate::{Error, Options};

/// Counts tries of one call until its time is up.
#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: Pauses,
    until: Instant,
}

impl Backoff {
    pub(crate) fn new(options: &Options) -> Self {
        Self::lasting(options, options.retry_for)
    }

    pub(crate) fn lasting(options: &Options, time: Duration) -> Self {
        Self {
            pauses: Pauses::new(options.backoff_min, options.backoff_max, entropy()),
            until: Instant::now() + time,
        }
    }

    /// Waits before the next try, between half a pause and a whole one.
    ///
    /// # Errors
    /// The error given, if it will not pass or the time is up.
    pub(crate) async fn again(&mut self, error: Error) -> Result<(), Error> {
        let pause = self.pauses.draw();
        if !error.is_retriable() || Instant::now() + pause >= self.until {
            return Err(error);
        }
        sleep(pause).await;
        Ok(())
    }
}
