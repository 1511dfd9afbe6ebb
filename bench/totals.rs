//! The counts of all threads, by seconds and together.

use std::collections::BTreeMap;
use std::time::Duration;

use corelog_base::Monotonic;

use crate::histogram::Sparse;
use crate::tally::{Consumed, Counts, Published, Slot, Wanted, Window};

/// One second or so, for the interval log and for resampling.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// Since the window began; what came before counts as its first moment.
    pub at: Duration,
    pub time: Duration,
    pub publish: Sparse,
    pub end_to_end: Sparse,
}

/// Collects what the threads count.
#[derive(Debug)]
pub(crate) struct Totals {
    pub published: Published,
    pub consumed: Consumed,
    pub slots: BTreeMap<u64, Slot>,
    pub intervals: Vec<Interval>,
    /// What came since the last collection.
    pub fresh: Fresh,
    collected: Monotonic,
    spare: (Box<Published>, Box<Consumed>),
}

#[derive(Debug)]
pub(crate) struct Fresh {
    pub published: Published,
    pub consumed: Consumed,
}

impl Totals {
    pub(crate) fn new(window: Window, wanted: Wanted) -> Self {
        Self {
            published: Published::new(window),
            consumed: Consumed::new(window, wanted),
            slots: BTreeMap::new(),
            intervals: Vec::new(),
            fresh: Fresh {
                published: Published::new(window),
                consumed: Consumed::new(window, wanted),
            },
            collected: window.begin,
            spare: (
                Box::new(Published::new(window)),
                Box::new(Consumed::new(window, wanted)),
            ),
        }
    }

    /// Takes what was counted since the last time.
    pub(crate) fn collect(
        &mut self,
        now: Monotonic,
        published: &[Counts<Published>],
        consumed: &[Counts<Consumed>],
    ) {
        let fresh = &mut self.fresh;
        fresh.published.reset();
        fresh.consumed.reset();
        for counts in published {
            let spare = &mut self.spare.0;
            spare.reset();
            counts.take(spare);
            fresh.published.add(spare);
            for (number, slot) in &spare.slots {
                self.slots.entry(*number).or_default().add(*slot);
            }
        }
        for counts in consumed {
            let spare = &mut self.spare.1;
            spare.reset();
            counts.take(spare);
            fresh.consumed.add(spare);
        }
        self.published.add(&fresh.published);
        self.consumed.add(&fresh.consumed);
        let interval = Interval {
            at: self.collected.since(self.published.window.begin),
            time: now.since(self.collected),
            publish: Sparse::of(&fresh.published.publish),
            end_to_end: Sparse::of(&fresh.consumed.end_to_end),
        };
        if !interval.publish.0.is_empty() || !interval.end_to_end.0.is_empty() {
            self.intervals.push(interval);
        }
        self.collected = now.max(self.published.window.begin);
    }
}
