//! Requests of this core that wait for an answer, by slot.

use corelog_base::IdMap;
use corelog_rt::local::{Receiver, Sender};
use corelog_rt::{Credit, oneshot};

use crate::message::Reply;

struct Waiting {
    sender: Sender<Reply>,
    /// The reply's place in the lane; none for a request to the own core. Held until the reply
    /// has come, also when the asker has gone, so that replies in flight stay bounded.
    _credit: Option<Credit>,
}

/// Bounded by the reply credits of all lanes plus the requests to the own core.
#[derive(Default)]
pub(crate) struct Pending {
    next_slot: u64,
    waiting: IdMap<u64, Waiting>,
}

impl Pending {
    pub(crate) fn open(&mut self, credit: Option<Credit>) -> (u64, Receiver<Reply>) {
        self.next_slot += 1;
        let (sender, receiver) = oneshot();
        let waiting = Waiting {
            sender,
            _credit: credit,
        };
        self.waiting.insert(self.next_slot, waiting);
        (self.next_slot, receiver)
    }

    /// Takes the slot's sender; None if it was closed meanwhile. The caller sends outside of any
    /// borrow.
    pub(crate) fn take(&mut self, slot: u64) -> Option<Sender<Reply>> {
        self.waiting.remove(&slot).map(|waiting| waiting.sender)
    }

    /// Whoever asked has gone, or has been answered.
    pub(crate) fn is_abandoned(&self, slot: u64) -> bool {
        let waiting = self.waiting.get(&slot);
        waiting.is_none_or(|waiting| waiting.sender.is_abandoned())
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_abandoned_when_nobody_waits_for_it() {
        let mut pending = Pending::default();
        let (slot, receiver) = pending.open(None);
        assert!(!pending.is_abandoned(slot));
        drop(receiver);
        assert!(pending.is_abandoned(slot));
        let (slot, _receiver) = pending.open(None);
        drop(pending.take(slot));
        assert!(pending.is_abandoned(slot) && pending.len() == 1);
    }
}
