//! Timers of a core: an ordered map from deadline to waker. The kernel sees only the earliest, as
//! the limit of a park, so that a timer that is dropped costs it nothing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::task::{Context, Waker};
use std::time::Duration;

use corelog_base::Monotonic;

#[derive(Default)]
pub(super) struct Timers {
    /// Bounded by the sleeping tasks of the core.
    waiting: RefCell<BTreeMap<(Monotonic, u64), Waker>>,
    next: Cell<u64>,
}

impl Timers {
    /// A number that tells apart timers of one deadline.
    pub(super) fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }

    pub(super) fn set(&self, deadline: Monotonic, number: u64, cx: &mut Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        let old = match waiting.get(&(deadline, number)) {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => waiting.insert((deadline, number), cx.waker().clone()),
        };
        drop(waiting);
        // Dropping a waker may run code that comes back here.
        drop(old);
    }

    pub(super) fn clear(&self, deadline: Monotonic, number: u64) {
        let old = self.waiting.borrow_mut().remove(&(deadline, number));
        drop(old);
    }

    /// How long until the earliest deadline; None without timers.
    pub(super) fn until_next(&self, now: impl FnOnce() -> Monotonic) -> Option<Duration> {
        let waiting = self.waiting.borrow();
        let ((deadline, _), _) = waiting.first_key_value()?;
        Some(deadline.since(now()))
    }

    /// Wakes everything that is due, in order of deadline.
    pub(super) fn fire(&self, now: impl FnOnce() -> Monotonic) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let now = now();
        while let Some(waker) = self.take_due(now) {
            waker.wake();
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    fn take_due(&self, now: Monotonic) -> Option<Waker> {
        let mut waiting = self.waiting.borrow_mut();
        let entry = waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_due_fires_and_dropped_timers_leave_nothing() {
        let timers = Timers::default();
        let mut cx = Context::from_waker(Waker::noop());
        for n in 0..1000 {
            timers.set(Monotonic(n), n, &mut cx);
        }
        for n in (0..1000).filter(|n| n % 10 != 0) {
            timers.clear(Monotonic(n), n);
        }
        timers.fire(|| Monotonic(500));
        assert_eq!(timers.waiting.borrow().len(), 49);
        let next = timers.until_next(|| Monotonic(500));
        assert_eq!(next, Some(Duration::from_nanos(10)));
        timers.fire(|| Monotonic(990));
        assert_eq!(timers.until_next(|| Monotonic(0)), None);
    }
}
