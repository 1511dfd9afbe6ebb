//! Visits in progress: one reply once every item has its outcome.

use corelog_base::IdMap;

use crate::message::ReplyTo;
use crate::{Outcomes, Result};

/// An item of a visit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ItemId {
    visit: u64,
    item: u32,
}

struct Visit<T> {
    reply_to: ReplyTo,
    outcomes: Vec<Option<Result<T>>>,
    missing: u32,
}

/// Bounded by the requests that the doors have in flight.
pub(crate) struct Visits<T> {
    next: u64,
    open: IdMap<u64, Visit<T>>,
}

impl<T> Default for Visits<T> {
    fn default() -> Self {
        Self {
            next: 0,
            open: IdMap::default(),
        }
    }
}

impl ItemId {
    pub(crate) fn new(visit: u64, item: u32) -> ItemId {
        ItemId { visit, item }
    }
}

impl<T> Visits<T> {
    /// Opens a visit of `items` items, at least one.
    pub(crate) fn open(&mut self, reply_to: ReplyTo, items: u32) -> u64 {
        assert!(items > 0);
        self.next += 1;
        let visit = Visit {
            reply_to,
            outcomes: (0..items).map(|_| None).collect(),
            missing: items,
        };
        self.open.insert(self.next, visit);
        self.next
    }

    /// Settles one item, once; gives the reply when it was the last.
    #[must_use]
    pub(crate) fn settle(
        &mut self,
        id: ItemId,
        outcome: Result<T>,
    ) -> Option<(ReplyTo, Outcomes<T>)> {
        let visit = self.open.get_mut(&id.visit).expect("an item settles once");
        let place = &mut visit.outcomes[id.item as usize];
        assert!(place.replace(outcome).is_none(), "an item settles once");
        visit.missing -= 1;
        if visit.missing > 0 {
            return None;
        }
        let visit = self.open.remove(&id.visit)?;
        let outcomes: Outcomes<T> = visit.outcomes.into_iter().flatten().collect();
        Some((visit.reply_to, outcomes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use corelog_base::CoreId;

    #[test]
    fn replies_once_all_items_are_settled() {
        let mut visits: Visits<u8> = Visits::default();
        let reply_to = ReplyTo {
            core: CoreId(1),
            slot: 9,
        };
        let visit = visits.open(reply_to, 2);
        let second = visits.settle(ItemId::new(visit, 1), Err(Error::TimedOut));
        assert!(second.is_none());
        let (to, outcomes) = visits
            .settle(ItemId::new(visit, 0), Err(Error::DiskFull))
            .unwrap();
        assert_eq!(to, reply_to);
        assert_eq!(outcomes, [Err(Error::DiskFull), Err(Error::TimedOut)]);
        assert!(visits.open.is_empty());
    }
}
