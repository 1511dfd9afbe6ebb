//! What a scenario is told.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const TELL_EVERY: Duration = Duration::from_secs(5);

/// How much of a scenario is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// A few seconds, in `cargo test`.
    Short,
    /// What is published: `just hostile NAME`.
    Long,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub binary: PathBuf,
    /// Data and logs; made empty, and removed if nothing was found.
    pub dir: PathBuf,
    /// Kafka's port; HTTP's is the next, and the native protocol's the one after it.
    pub port: u16,
    pub seed: u64,
    pub size: Size,
}

impl Plan {
    /// Prints how far a long run is, every few seconds at most.
    pub fn tell(&self, progress: impl std::fmt::Display) {
        static LAST: Mutex<Option<Instant>> = Mutex::new(None);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= TELL_EVERY);
        if self.size == Size::Long && is_due {
            *last = Some(Instant::now());
            eprintln!("  {progress}");
        }
    }

    pub fn pick<T>(&self, short: T, long: T) -> T {
        match self.size {
            Size::Short => short,
            Size::Long => long,
        }
    }
}
