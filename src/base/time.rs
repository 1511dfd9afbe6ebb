//! Two clocks that must not be mixed: monotonic for waiting, wall for what records say.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// Nanoseconds of the monotonic clock since an origin that only this process knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Time from `earlier` to this, zero if `earlier` is later.
    pub fn since(self, earlier: Monotonic) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Monotonic;

    /// Saturates: a wait of centuries is a wait for ever.
    fn add(self, duration: Duration) -> Monotonic {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Monotonic(self.0.saturating_add(nanos))
    }
}

/// Milliseconds since 1970 in UTC, as records carry it; -1 means none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct TimestampMs(pub i64);

impl TimestampMs {
    pub const NONE: TimestampMs = TimestampMs(-1);
}

impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
