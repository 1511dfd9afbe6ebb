//! What threads count, and hand over once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corelog_base::Monotonic;

use crate::histogram::{self, Times, times};
use crate::payload::Stamp;

/// How finely the timeline is cut.
pub(crate) const SLOT: Duration = Duration::from_millis(100);
/// A request that starts so much later than it was meant to is late: the generator's own fault.
pub(crate) const LATE: Duration = Duration::from_millis(1);
/// Different refusals that are told apart.
const REFUSALS_MAX: usize = 16;

/// What is measured: requests that were meant to start from `begin` on and before `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    pub begin: Monotonic,
    pub end: Monotonic,
}

impl Window {
    pub(crate) fn holds(self, moment: Monotonic) -> bool {
        self.begin <= moment && moment < self.end
    }
}

/// The requests that were meant to start in one slot of time, as far as they were answered.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub requests: u64,
    pub slowest: Duration,
}

impl Slot {
    pub(crate) fn add(&mut self, other: Slot) {
        self.requests += other.requests;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// A request that is on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub intended: Monotonic,
    pub started: Monotonic,
}

/// What a producing thread counted. All but `*_in_all` is of the window.
#[derive(Debug)]
pub(crate) struct Published {
    pub window: Window,
    /// From the intended start to the acknowledgement.
    pub publish: Times,
    /// From the real start to the acknowledgement.
    pub service: Times,
    /// From the intended to the real start.
    pub lag: Times,
    /// Requests that were meant to start.
    pub scheduled: u64,
    pub late: u64,
    /// Acknowledgements that came in the window, whenever their requests started.
    pub acknowledged: u64,
    pub acknowledged_in_all: u64,
    /// Requests of the window that never got an answer.
    pub unanswered: u64,
    /// Requests of the window that were never sent.
    pub unsent: u64,
    pub refused: BTreeMap<String, u64>,
    /// How much the thread goes before others; 0 is like everybody.
    pub niceness: i32,
    /// By the number of the slot since the window began.
    pub slots: Vec<(u64, Slot)>,
}

impl Published {
    pub(crate) fn new(window: Window) -> Self {
        Self {
            window,
            publish: times(),
            service: times(),
            lag: times(),
            scheduled: 0,
            late: 0,
            acknowledged: 0,
            acknowledged_in_all: 0,
            unanswered: 0,
            unsent: 0,
            refused: BTreeMap::new(),
            niceness: 0,
            slots: Vec::new(),
        }
    }

    pub(crate) fn started(&mut self, sent: Sent) {
        if self.window.holds(sent.intended) {
            let lag = sent.started.since(sent.intended);
            self.scheduled += 1;
            self.late += u64::from(lag > LATE);
            histogram::record(&mut self.lag, lag);
        }
    }

    /// A request of the schedule that was not sent because the run ended.
    pub(crate) fn never_started(&mut self, intended: Monotonic) {
        if self.window.holds(intended) {
            self.scheduled += 1;
            self.late += 1;
            self.unsent += 1;
        }
    }

    pub(crate) fn acknowledged(&mut self, sent: Sent, now: Monotonic) {
        self.acknowledged_in_all += 1;
        self.acknowledged += u64::from(self.window.holds(now));
        if self.window.holds(sent.intended) {
            let time = now.since(sent.intended);
            histogram::record(&mut self.publish, time);
            histogram::record(&mut self.service, now.since(sent.started));
            self.slot(sent.intended, time);
        }
    }

    /// What has no answer by `now` took at least so long: left out, it would flatter.
    pub(crate) fn unanswered(&mut self, sent: Sent, now: Monotonic) {
        if self.window.holds(sent.intended) {
            self.unanswered += 1;
            histogram::record(&mut self.publish, now.since(sent.intended));
            self.slot(sent.intended, now.since(sent.intended));
        }
    }

    pub(crate) fn refused(&mut self, why: String) {
        if self.refused.len() < REFUSALS_MAX || self.refused.contains_key(&why) {
            *self.refused.entry(why).or_default() += 1;
        }
    }

    fn slot(&mut self, intended: Monotonic, time: Duration) {
        let since = intended.since(self.window.begin).as_nanos();
        let number = u64::try_from(since / SLOT.as_nanos()).unwrap_or(u64::MAX);
        // Almost always the last one: answers come about in the order of time.
        let known = self.slots.iter_mut().rev();
        let found = known.into_iter().find(|(known, _)| *known == number);
        let slot = match found {
            Some((_, slot)) => slot,
            None => &mut self.slots.push_mut((number, Slot::default())).1,
        };
        slot.add(Slot {
            requests: 1,
            slowest: time,
        });
    }
}

/// Whose records a consumer is after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// Those of the run with this number: their latency is measured.
    Run(u64),
    /// Those of any run that goes on.
    AnyRun,
    /// Those that were there before, all of them, whatever the window.
    History,
}

/// What a consuming thread counted.
#[derive(Debug)]
pub(crate) struct Consumed {
    pub window: Window,
    pub wanted: Wanted,
    /// From the intended start to the moment at which a consumer had the batch.
    pub end_to_end: Times,
    /// From asking for records to having them.
    pub fetch: Times,
    /// Batches of the run, in the window or not.
    pub batches_in_all: u64,
    /// All that came in the window; with `History`, all that came.
    pub records: u64,
    pub bytes: u64,
    /// Batches that say nothing of their send time, or one that cannot be.
    pub foreign: u64,
    /// When records came first and last.
    pub span: Option<(Monotonic, Monotonic)>,
}

impl Consumed {
    pub(crate) fn new(window: Window, wanted: Wanted) -> Self {
        Self {
            window,
            wanted,
            end_to_end: times(),
            fetch: times(),
            batches_in_all: 0,
            records: 0,
            bytes: 0,
            foreign: 0,
            span: None,
        }
    }

    /// A batch of which a consumer had all bytes at `now`. None: it says nothing of its send time.
    pub(crate) fn batch(&mut self, stamp: Option<Stamp>, now: Monotonic) {
        // What is older than this was not sent by a run that is still going on, or not on this host.
        const AGE_MAX: Duration = Duration::from_secs(60);
        let of_run = |stamp: &Stamp| match self.wanted {
            Wanted::Run(run) => run == stamp.run,
            Wanted::AnyRun => true,
            Wanted::History => false,
        };
        let Some(stamp) = stamp.filter(of_run) else {
            self.foreign += 1;
            return;
        };
        if stamp.intended > now || now.since(stamp.intended) > AGE_MAX {
            self.foreign += 1;
            return;
        }
        self.batches_in_all += 1;
        if self.window.holds(stamp.intended) {
            histogram::record(&mut self.end_to_end, now.since(stamp.intended));
        }
    }

    /// An answer with records.
    pub(crate) fn arrived(&mut self, records: u64, bytes: u64, asked: Monotonic, now: Monotonic) {
        let first = self.span.map_or(asked, |(first, _)| first);
        self.span = Some((first, now));
        if self.wanted == Wanted::History || self.window.holds(now) {
            self.records += records;
            self.bytes += bytes;
            histogram::record(&mut self.fetch, now.since(asked));
        }
    }
}

/// Counts that one thread adds to while another takes them away once a second. The lock is held
/// for a few additions, or for the exchange of two pointers.
#[derive(Debug)]
pub(crate) struct Counts<T>(Arc<Mutex<Box<T>>>);

impl<T> Clone for Counts<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Counts<T> {
    pub(crate) fn new(counts: T) -> Self {
        Self(Arc::new(Mutex::new(Box::new(counts))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Box<T>> {
        // Numbers are sound whoever panicked; the panic is reported where the thread is joined.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was counted, and leaves `empty` in its place.
    pub(crate) fn take(&self, empty: &mut Box<T>) {
        std::mem::swap(&mut *self.lock(), empty);
    }
}

impl Published {
    pub(crate) fn reset(&mut self) {
        for times in [&mut self.publish, &mut self.service, &mut self.lag] {
            times.reset();
        }
        self.scheduled = 0;
        self.late = 0;
        self.acknowledged = 0;
        self.acknowledged_in_all = 0;
        self.unanswered = 0;
        self.unsent = 0;
        self.refused.clear();
        self.niceness = 0;
        self.slots.clear();
    }

    /// Adds another's counts, but for its slots.
    pub(crate) fn add(&mut self, other: &Published) {
        histogram::add(&mut self.publish, &other.publish);
        histogram::add(&mut self.service, &other.service);
        histogram::add(&mut self.lag, &other.lag);
        self.scheduled += other.scheduled;
        self.late += other.late;
        self.acknowledged += other.acknowledged;
        self.acknowledged_in_all += other.acknowledged_in_all;
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        self.niceness = self.niceness.min(other.niceness);
        for (why, count) in &other.refused {
            *self.refused.entry(why.clone()).or_default() += count;
        }
    }
}

impl Consumed {
    pub(crate) fn reset(&mut self) {
        self.end_to_end.reset();
        self.fetch.reset();
        self.batches_in_all = 0;
        self.records = 0;
        self.bytes = 0;
        self.foreign = 0;
        self.span = None;
    }

    pub(crate) fn add(&mut self, other: &Consumed) {
        histogram::add(&mut self.end_to_end, &other.end_to_end);
        histogram::add(&mut self.fetch, &other.fetch);
        self.batches_in_all += other.batches_in_all;
        self.records += other.records;
        self.bytes += other.bytes;
        self.foreign += other.foreign;
        self.span = match (self.span, other.span) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (one, other) => one.or(other),
        };
    }
}
