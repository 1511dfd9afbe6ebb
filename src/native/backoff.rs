//! Tries of one call until its time is up.

use corelog_base::{Pauses, entropy};
use tokio::time::{Instant, sleep};

use crate::Error;
use crate::options::{Options, UNKNOWN_TOPIC_TRIES};

#[derive(Debug)]
pub(crate) struct Backoff {
    pauses: Pauses,
    until: Instant,
    unknown_tries: u32,
}

pub(crate) fn pauses(options: &Options) -> Pauses {
    Pauses::new(options.backoff_min, options.backoff_max, entropy())
}

impl Backoff {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            pauses: pauses(options),
            until: Instant::now() + options.retry_for,
            unknown_tries: 0,
        }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// The error given, if it will not pass or the time is up.
    pub(crate) async fn again(&mut self, error: Error) -> Result<(), Error> {
        self.unknown_tries += u32::from(error.is_unknown_topic());
        let pause = self.pauses.draw();
        let over = Instant::now() + pause >= self.until;
        if !error.is_retriable() || over || self.unknown_tries >= UNKNOWN_TOPIC_TRIES {
            return Err(error);
        }
        sleep(pause).await;
        Ok(())
    }
}
