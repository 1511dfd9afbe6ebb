//! The one clock: CLOCK_MONOTONIC, which all processes of a host share. So the send time that a
//! record carries can be compared by whoever reads it, in this process or another.

use std::num::NonZeroU64;
use std::time::Duration;

use corelog_base::Monotonic;
use rustix::process::setpriority_process;
use rustix::thread::{clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{ClockId, Timespec, clock_gettime};

const NANOS: u64 = 1_000_000_000;

pub(crate) fn now() -> Monotonic {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// What this process has used of all CPUs since it began.
pub(crate) fn cpu_time() -> Duration {
    Duration::from_nanos(nanos(clock_gettime(ClockId::ProcessCPUTime)).0)
}

fn nanos(time: Timespec) -> Monotonic {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Monotonic(seconds.saturating_mul(NANOS).saturating_add(nanos))
}

/// Waits until the moment has come.
pub(crate) fn sleep_until(at: Monotonic) {
    let at = timespec(Duration::from_nanos(at.0));
    // A signal ends the wait early: then it begins again.
    while clock_nanosleep_absolute(rustix::thread::ClockId::Monotonic, &at).is_err() {}
}

/// The kernel may be 50 µs late with a thread's timers unless it is told otherwise.
pub(crate) fn sharpen_timers() {
    // Refused only to what is not a thread; then the timers stay as they are, and send lag shows it.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
}

/// Lets the calling thread go before others of this host, where that is allowed: a generator that
/// waits for a CPU is late. What it got, as a niceness: 0 is like everybody.
pub(crate) fn go_first() -> i32 {
    const NICENESS: i32 = -15;
    match setpriority_process(None, NICENESS) {
        Ok(()) => NICENESS,
        Err(_) => 0,
    }
}

pub(crate) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_after_its_moment() {
        sharpen_timers();
        let at = now() + Duration::from_millis(2);
        sleep_until(at);
        assert!(now() >= at);
        sleep_until(Monotonic(1));
    }
}
