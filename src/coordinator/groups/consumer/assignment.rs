//! Partitions by topic.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::TopicId;

/// Topics without partitions are not in it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in super::super) struct Assignment(BTreeMap<TopicId, BTreeSet<i32>>);

impl Assignment {
    pub(in super::super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in super::super) fn insert(&mut self, topic: TopicId, partition: i32) {
        self.0.entry(topic).or_default().insert(partition);
    }

    pub(in super::super) fn contains(&self, topic: TopicId, partition: i32) -> bool {
        let partitions = self.0.get(&topic);
        partitions.is_some_and(|partitions| partitions.contains(&partition))
    }

    /// Every partition, in order.
    pub(in super::super) fn each(&self) -> impl Iterator<Item = (TopicId, i32)> + '_ {
        let topics = self.0.iter();
        topics.flat_map(|(topic, partitions)| partitions.iter().map(|p| (*topic, *p)))
    }

    pub(in super::super) fn topics(&self) -> impl Iterator<Item = (TopicId, &BTreeSet<i32>)> {
        self.0
            .iter()
            .map(|(topic, partitions)| (*topic, partitions))
    }

    pub(in super::super) fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    pub(in super::super) fn minus(&self, other: &Assignment) -> Assignment {
        self.each()
            .filter(|(t, p)| !other.contains(*t, *p))
            .collect()
    }

    pub(in super::super) fn and(&self, other: &Assignment) -> Assignment {
        self.each()
            .filter(|(t, p)| other.contains(*t, *p))
            .collect()
    }

    pub(in super::super) fn plus(&self, other: &Assignment) -> Assignment {
        self.each().chain(other.each()).collect()
    }

    pub(in super::super) fn is_within(&self, other: &Assignment) -> bool {
        self.each().all(|(t, p)| other.contains(t, p))
    }
}

impl FromIterator<(TopicId, i32)> for Assignment {
    fn from_iter<I: IntoIterator<Item = (TopicId, i32)>>(iter: I) -> Self {
        let mut all = Assignment::default();
        for (topic, partition) in iter {
            all.insert(topic, partition);
        }
        all
    }
}
