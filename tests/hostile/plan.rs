//! What a scenario is told.

use std::path::PathBuf;

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
    /// Kafka's port; HTTP's is the next.
    pub port: u16,
    pub seed: u64,
    pub size: Size,
}

impl Plan {
    pub fn pick<T>(&self, short: T, long: T) -> T {
        match self.size {
            Size::Short => short,
            Size::Long => long,
        }
    }
}
