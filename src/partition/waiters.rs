//! Who waits for this partition, and for what.

use std::collections::{BTreeSet, VecDeque};

use corelog_base::Offset;

/// Producers that wait for their batch to commit, in log order.
#[derive(Debug)]
pub struct CommitWaiters<T> {
    /// Ascending by the offset that the high watermark must reach.
    waiting: VecDeque<(Offset, T)>,
}

impl<T> Default for CommitWaiters<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
        }
    }
}

impl<T> CommitWaiters<T> {
    /// Waits until the high watermark is at least `until`.
    pub fn wait(&mut self, until: Offset, token: T) {
        let place = self.waiting.partition_point(|(offset, _)| *offset <= until);
        self.waiting.insert(place, (until, token));
    }

    /// Takes those whose time has come, in order.
    pub fn reached(&mut self, high_watermark: Offset) -> impl Iterator<Item = T> + '_ {
        let count = self
            .waiting
            .partition_point(|(offset, _)| *offset <= high_watermark);
        self.waiting.drain(..count).map(|(_, token)| token)
    }

    /// Takes those that `whom` names, in order.
    pub fn take_if(&mut self, mut whom: impl FnMut(&T) -> bool) -> Vec<T> {
        let all = std::mem::take(&mut self.waiting);
        let (taken, left): (VecDeque<_>, _) = all.into_iter().partition(|(_, token)| whom(token));
        self.waiting = left;
        taken.into_iter().map(|(_, token)| token).collect()
    }

    /// Takes all: the leader has changed, or the partition is gone.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.waiting.drain(..).map(|(_, token)| token)
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Consumers that wait for bytes, by the id of their wait.
#[derive(Debug, Default)]
pub struct FetchWaiters {
    waiting: BTreeSet<u64>,
}

impl FetchWaiters {
    pub fn arm(&mut self, wait: u64) {
        self.waiting.insert(wait);
    }

    pub fn disarm(&mut self, wait: u64) {
        self.waiting.remove(&wait);
    }

    /// The waits in the order in which they were armed (ids ascend).
    pub fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.waiting.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_complete_in_order() {
        let mut waiters = CommitWaiters::default();
        waiters.wait(Offset(5), 'a');
        waiters.wait(Offset(9), 'b');
        waiters.wait(Offset(5), 'c');
        assert_eq!(waiters.reached(Offset(4)).count(), 0);
        assert_eq!(waiters.reached(Offset(8)).collect::<String>(), "ac");
        assert_eq!(waiters.drain().collect::<String>(), "b");
        assert!(waiters.is_empty());
    }

    #[test]
    fn some_are_taken_and_the_others_keep_their_order() {
        let mut waiters = CommitWaiters::default();
        for (until, token) in [(3, 'a'), (5, 'B'), (5, 'c'), (9, 'D')] {
            waiters.wait(Offset(until), token);
        }
        assert_eq!(waiters.take_if(|t| t.is_uppercase()), ['B', 'D']);
        assert_eq!(waiters.len(), 2);
        assert_eq!(waiters.reached(Offset(9)).collect::<String>(), "ac");
    }

    #[test]
    fn fetches_are_armed_once() {
        let mut waiters = FetchWaiters::default();
        waiters.arm(3);
        waiters.arm(1);
        waiters.arm(3);
        assert_eq!(waiters.ids().collect::<Vec<_>>(), [1, 3]);
        waiters.disarm(3);
        waiters.disarm(1);
        assert!(waiters.is_empty());
    }
}
