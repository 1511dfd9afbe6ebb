//! The offsets of one group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use corelog_base::{ProducerId, TimestampMs, TopicId};

use super::records;
use super::{Commit, Committed, Fetch, FetchedTopic};
use crate::{At, Error, Result, Stored};

/// A committed offset with what is kept beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Offset {
    pub(super) committed: Committed,
    /// When it was committed.
    pub(super) time: TimestampMs,
    /// When it goes whatever its group does; -1 if it lives as long as its group.
    pub(super) expires: TimestampMs,
    /// Zero if it is not known.
    pub(super) topic: TopicId,
    /// Its place in the partition's order: a transaction decides over older offsets only.
    pub(super) place: u64,
}

type ByTopic = BTreeMap<String, BTreeMap<i32, Offset>>;

#[derive(Default)]
pub(super) struct Offsets {
    committed: ByTopic,
    /// Of transactions that have not ended.
    pending: BTreeMap<ProducerId, ByTopic>,
}

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    pub(super) fn set(&mut self, topic: &str, partition: i32, offset: Offset) {
        let partitions = self.committed.entry(topic.to_owned()).or_default();
        partitions.insert(partition, offset);
    }

    pub(super) fn set_pending(
        &mut self,
        producer: ProducerId,
        topic: &str,
        partition: i32,
        offset: Offset,
    ) {
        let topics = self.pending.entry(producer).or_default();
        let partitions = topics.entry(topic.to_owned()).or_default();
        partitions.insert(partition, offset);
    }

    pub(super) fn remove(&mut self, topic: &str, partition: i32) -> bool {
        let Some(partitions) = self.committed.get_mut(topic) else {
            return false;
        };
        let removed = partitions.remove(&partition).is_some();
        if partitions.is_empty() {
            self.committed.remove(topic);
        }
        removed
    }

    /// A transaction has ended.
    pub(super) fn decide(&mut self, producer: ProducerId, committed: bool) {
        let topics = self.pending.remove(&producer).unwrap_or_default();
        if !committed {
            return;
        }
        for (topic, partitions) in topics {
            let into = self.committed.entry(topic).or_default();
            for (partition, offset) in partitions {
                // What was committed outside of the transaction after it was newer.
                let newer = into.get(&partition).map(|known| known.place);
                if newer.is_none_or(|place| place < offset.place) {
                    into.insert(partition, offset);
                }
            }
        }
    }

    /// What of a commit can be taken, in the order of its partitions.
    pub(super) fn judge(commit: &Commit, at: &At<'_>) -> Vec<Result<()>> {
        let bytes_max = at.settings.groups.offset_metadata_bytes_max as usize;
        let partitions = commit.topics.iter().flat_map(|topic| &topic.partitions);
        partitions
            .map(|partition| match partition.metadata.len() > bytes_max {
                true => Err(Error::OffsetMetadataTooLarge),
                false => Ok(()),
            })
            .collect()
    }

    /// What a commit's good partitions become, with their topics.
    pub(super) fn of_commit<'c>(
        commit: &'c Commit,
        judged: &'c [Result<()>],
        wall: TimestampMs,
        place: u64,
    ) -> impl Iterator<Item = (&'c str, i32, Offset)> {
        let expires = commit.retention_ms.map(|ms| wall.0.saturating_add(ms));
        let expires = TimestampMs(expires.unwrap_or(-1));
        let topics = commit.topics.iter();
        let all = topics.flat_map(|topic| topic.partitions.iter().map(move |p| (topic, p)));
        let good = all.zip(judged).filter(|(_, judged)| judged.is_ok());
        good.map(move |((topic, partition), _)| {
            let committed = Committed {
                offset: partition.offset,
                leader_epoch: partition.leader_epoch,
                metadata: partition.metadata.clone(),
            };
            let offset = Offset {
                committed,
                time: wall,
                expires,
                topic: topic.id,
                place,
            };
            (topic.name.as_str(), partition.partition, offset)
        })
    }

    pub(super) fn fetch(&self, fetch: &Fetch, at: &At<'_>) -> Vec<FetchedTopic> {
        let all = || {
            let topics = self.committed.iter();
            let pending = self.pending.values().flatten();
            let mut every: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
            for (topic, partitions) in topics.chain(pending) {
                let known = every.entry(topic).or_default();
                known.extend(partitions.keys().copied());
            }
            let named = every.into_iter();
            named
                .map(|(topic, partitions)| (topic.to_owned(), partitions.into_iter().collect()))
                .collect()
        };
        let asked: Vec<(String, Vec<i32>)> = fetch.topics.clone().unwrap_or_else(all);
        let found = asked.into_iter().map(|(name, partitions)| {
            let one = |partition| (partition, self.one(&name, partition, fetch, at));
            let partitions = partitions.into_iter().map(one).collect();
            FetchedTopic { name, partitions }
        });
        found.collect()
    }

    fn one(
        &self,
        topic: &str,
        partition: i32,
        fetch: &Fetch,
        at: &At<'_>,
    ) -> Result<Option<Committed>> {
        let of = |topics: &ByTopic| topics.get(topic)?.get(&partition).cloned();
        if fetch.require_stable && self.pending.values().any(|topics| of(topics).is_some()) {
            return Err(Error::UnstableOffset);
        }
        let found = of(&self.committed);
        // Of a topic that was deleted and made again meanwhile.
        let another = |offset: &Offset| {
            let current = at.topics.named(topic).map(|(id, _)| id);
            offset.topic != TopicId::ZERO && current.is_some_and(|id| id != offset.topic)
        };
        let found = found.filter(|offset| !another(offset));
        Ok(found.map(|offset| offset.committed))
    }

    /// Removes what `gone` says is gone, and leaves the records for it.
    pub(super) fn prune(
        &mut self,
        group: &str,
        gone: impl Fn(&str, &Offset) -> bool,
        into: &mut Vec<Stored>,
    ) {
        self.committed.retain(|topic, partitions| {
            partitions.retain(|partition, offset| {
                let gone = gone(topic, offset);
                if gone {
                    into.push(records::no_offset(group, topic, *partition));
                }
                !gone
            });
            !partitions.is_empty()
        });
    }
}

/// Whether an offset has outlived `since` by `retention`, or its own expiry.
pub(super) fn has_expired(
    offset: &Offset,
    since: TimestampMs,
    retention: Duration,
    wall: TimestampMs,
) -> bool {
    if offset.expires.0 >= 0 {
        return wall >= offset.expires;
    }
    let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    wall.0 >= since.0.saturating_add(retention)
}
