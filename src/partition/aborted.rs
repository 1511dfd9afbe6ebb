//! Transactions that were aborted: what read committed consumers leave out.

use std::collections::VecDeque;

use corelog_base::{Offset, ProducerId};

/// An aborted transaction, as far as it lies in this partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aborted {
    pub producer: ProducerId,
    /// Of its first record.
    pub first: Offset,
    /// Of its marker.
    pub last: Offset,
}

/// The aborted transactions of a partition, from its log start on. In the order of their markers,
/// which is how they come; their first offsets are in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbortedIndex {
    entries: VecDeque<Aborted>,
}

impl AbortedIndex {
    /// The marker of a transaction is committed. Called in log order.
    pub fn note(&mut self, aborted: Aborted) {
        debug_assert!(self.entries.back().is_none_or(|b| b.last < aborted.last));
        self.entries.push_back(aborted);
    }

    /// Those with records in `from..end`, in the order of their first offsets.
    pub fn within(&self, from: Offset, end: Offset) -> Vec<Aborted> {
        let skip = self.entries.partition_point(|entry| entry.last < from);
        let later = self.entries.range(skip..);
        let mut found: Vec<Aborted> = later.filter(|entry| entry.first < end).copied().collect();
        found.sort_unstable_by_key(|entry| entry.first);
        found
    }

    /// Forgets what ended before `start`, the new log start.
    pub fn trim(&mut self, start: Offset) {
        let gone = self.entries.partition_point(|entry| entry.last < start);
        self.entries.drain(..gone);
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In the order of their markers.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Aborted> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> AbortedIndex {
        let mut index = AbortedIndex::default();
        for (producer, first, last) in [(1, 5, 9), (2, 2, 12), (1, 13, 20)] {
            index.note(Aborted {
                producer: ProducerId(producer),
                first: Offset(first),
                last: Offset(last),
            });
        }
        index
    }

    fn check(index: &AbortedIndex, from: i64, end: i64, expected: &[i64]) {
        let found = index.within(Offset(from), Offset(end));
        let firsts: Vec<i64> = found.iter().map(|a| a.first.0).collect();
        assert_eq!(firsts, expected, "{from}..{end}");
    }

    #[test]
    fn a_range_has_exactly_those_that_reach_into_it() {
        let index = filled();
        check(&index, 0, 2, &[]);
        check(&index, 0, 3, &[2]);
        check(&index, 0, 100, &[2, 5, 13]);
        check(&index, 9, 10, &[2, 5]);
        check(&index, 10, 13, &[2]);
        check(&index, 20, 21, &[13]);
        check(&index, 21, 22, &[]);
    }

    #[test]
    fn what_ended_before_the_log_start_is_forgotten() {
        let mut index = filled();
        index.trim(Offset(12));
        check(&index, 0, 100, &[2, 13]);
        index.trim(Offset(21));
        assert!(index.is_empty());
    }
}
