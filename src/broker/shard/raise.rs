//! Groups come and go with the metadata: one path at boot, at creation, and at deletion.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::{EntryKind, GroupId, LeaderEpoch, LogIndex, Offset, Replica, Term, TopicId};
use corelog_cluster::{Change, Cleanup, TopicSettings};
use corelog_log::{CompactionConfig, GroupConfig, RestoredGroup};
use corelog_partition::{Epochs, Partition, Producers};
use corelog_record::{BatchHeader, EndMarker};
use corelog_replica::{In, Restored, Spec};
use corelog_rt::{Notify, Runtime};

use super::Shard;
use super::group::{Group, Health};
use super::job::Job;
use crate::Error;
use crate::api::{Leadership, PartitionKey};
use crate::effects::Effects;

/// What is known while this core comes up, and what it waits for.
pub(crate) struct Boot {
    pub(super) metadata_voters: Vec<Replica>,
    /// The scan lost what may have named groups: one that it did not find counts as damaged.
    scan_incomplete: bool,
    /// What the scan found for this core, until the metadata says what it is.
    stashed: BTreeMap<GroupId, RestoredGroup>,
    /// The metadata is known up to an entry of its present leader.
    pub(super) complete: bool,
    /// Groups that updates wait for, by the update's version.
    raising: BTreeMap<u64, BTreeSet<GroupId>>,
    /// Set when the above two make the core ready.
    pub(crate) became_ready: Notify,
}

impl Boot {
    pub(super) fn new(metadata_voters: Vec<Replica>, scan_incomplete: bool) -> Self {
        Self {
            metadata_voters,
            scan_incomplete,
            stashed: BTreeMap::new(),
            complete: false,
            raising: BTreeMap::new(),
            became_ready: Notify::new(),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.complete && self.raising.is_empty()
    }

    pub(super) fn check_ready(&self) {
        if self.is_ready() {
            self.became_ready.notify();
        }
    }

    /// An update waits until these groups are up.
    pub(super) fn wait_for(&mut self, version: u64, groups: BTreeSet<GroupId>) {
        self.raising.insert(version, groups);
    }

    /// A group is up: gives the updates that wait for no other.
    pub(super) fn raised(&mut self, id: GroupId) -> Vec<u64> {
        let mut done = Vec::new();
        self.raising.retain(|version, groups| {
            groups.remove(&id);
            if groups.is_empty() {
                done.push(*version);
            }
            !groups.is_empty()
        });
        done
    }
}

/// A removed group's files.
pub(crate) struct RemoveJob {
    pub(crate) group: GroupId,
    pub(crate) key: PartitionKey,
}

impl<R: Runtime> Shard<R> {
    /// What the scan found for this core, until the metadata says what it is.
    pub(crate) fn stash(&mut self, restored: Vec<RestoredGroup>) {
        let groups = restored.into_iter().map(|g| (g.group, g));
        self.boot.stashed.extend(groups);
        self.boot.stashed.remove(&GroupId::METADATA);
    }

    pub(super) fn take_change(
        &mut self,
        change: &Change,
        raising: &mut BTreeSet<GroupId>,
        fx: &mut Effects,
    ) {
        match change {
            Change::Everything => {
                let topics: Vec<TopicId> = self.image.topics().map(|topic| topic.id).collect();
                for topic in topics {
                    self.raise_topic(topic, raising, fx);
                }
            }
            Change::TopicCreated { topic } | Change::PartitionsAdded { topic } => {
                self.raise_topic(*topic, raising, fx);
            }
            Change::TopicDeleted { topic, groups } => {
                for (partition, group) in groups {
                    let key = PartitionKey {
                        topic: *topic,
                        partition: *partition,
                    };
                    self.lower(*group, key, fx);
                }
            }
            Change::TopicConfigured { topic } => self.configure(*topic),
            Change::BrokersConfigured => {
                let topics: Vec<TopicId> = self.image.topics().map(|topic| topic.id).collect();
                for topic in topics {
                    self.configure(topic);
                }
            }
            Change::Nothing => {}
        }
        self.coordinators.note(change);
    }

    /// Brings up the replicas of a topic that this core owns and does not have yet.
    fn raise_topic(&mut self, topic: TopicId, raising: &mut BTreeSet<GroupId>, fx: &mut Effects) {
        let Some(found) = self.image.topic(topic) else {
            return;
        };
        let mut new = Vec::new();
        for partition in found.partitions() {
            let here = partition.replicas.iter().any(|r| r.node == self.node);
            let mine = corelog_cluster::core_of(partition.group, self.cores) == self.core();
            if here && mine && !self.groups.contains_key(&partition.group) {
                let key = PartitionKey {
                    topic,
                    partition: partition.index,
                };
                new.push((partition.group, key, partition.replicas.clone()));
            }
        }
        let settings = self.image.settings(topic);
        for (group, key, replicas) in new {
            let restored = self.boot.stashed.remove(&group);
            let health = self.raise_partition(group, key, &settings, restored.as_ref());
            match health {
                Health::Failed(why) if replicas.len() == 1 => {
                    tracing::error!(group = group.0, "partition is read only: {why}");
                    self.raise_read_only(group, restored.as_ref(), fx);
                }
                _ => {
                    raising.insert(group);
                    self.raise_replica(group, replicas, restored.as_ref(), fx);
                }
            }
        }
    }

    /// A lone copy that is damaged: no consensus can go on over a hole, and nobody has what is lost.
    /// It leads without a replica and serves what is sound; appends are refused by its health. What
    /// was flushed counts as committed, because nobody else could have taken another decision.
    fn raise_read_only(&mut self, id: GroupId, restored: Option<&RestoredGroup>, fx: &mut Effects) {
        let term = restored.map_or(Term(0), |found| found.hard_state.term);
        let epoch = LeaderEpoch::of(term);
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if let Some(found) = restored {
            let mut epochs = Epochs::default();
            for start in &found.terms {
                epochs.note(LeaderEpoch::of(start.term), start.offset);
            }
            let start = found.start.offset;
            let end = readable_end(found).max(start);
            group.partition = Partition::restore(start, end, epochs, Producers::default());
        } else {
            // Nothing is known of it: a read from its begin must meet the refusal.
            let end = Offset(1);
            let nobody = Producers::default();
            group.partition = Partition::restore(Offset(0), end, Epochs::default(), nobody);
        }
        group
            .partition
            .lead(epoch, group.partition.high_watermark());
        group.partition.opened();
        let leader = Leadership {
            leader: Some(self.node),
            epoch,
        };
        self.leaders.insert(id, leader);
        fx.leaders.push((id, leader));
    }

    fn raise_partition(
        &mut self,
        id: GroupId,
        key: PartitionKey,
        settings: &TopicSettings,
        restored: Option<&RestoredGroup>,
    ) -> Health {
        let mut partition = Partition::default();
        let mut applied = LogIndex(0);
        let mut checkpointed = LogIndex(0);
        let mut health = Health::Sound;
        if let Some(restored) = restored {
            applied = restored.settled.index;
            let mut producers = Producers::default();
            if let Some(checkpoint) = &restored.checkpoint {
                match Producers::restore(&checkpoint.data) {
                    Ok(found) => {
                        producers = found;
                        checkpointed = checkpoint.index;
                    }
                    Err(_) => {
                        health = Health::Failed("the producers' checkpoint is malformed".into())
                    }
                }
            }
            if let Some(damage) = restored.damage.first() {
                health = Health::Failed(format!(
                    "damaged from offset {} to {}",
                    damage.base_offset, damage.next_offset
                ));
            }
            let start = restored.start.offset;
            let end = restored.settled.next_offset.max(start);
            partition = Partition::restore(start, end, epochs(restored), producers);
            for (header, marker) in trimmed(restored, checkpointed) {
                partition.remember(&header, marker);
            }
        }
        let config = group_config(settings);
        match restored {
            Some(_) => self.log.configure(id, config),
            None => {
                let lost = self.boot.scan_incomplete && !self.boot.complete;
                let made = match lost {
                    true => self.log.create_damaged_group(id, key.topic, key.partition),
                    false => self.log.create_group(id, key.topic, key.partition, config),
                };
                if lost {
                    health = Health::Failed("its journal is damaged beyond naming it".into());
                }
                if let Err(error) = made {
                    health = Health::Failed(error.to_string());
                }
            }
        }
        let mut group = Group::new(id, key, partition, applied, settings.clone());
        group.checkpointed = checkpointed;
        group.health = health.clone();
        self.groups.insert(id, Box::new(group));
        health
    }

    /// Starts the group's replica; a lone one stands for election at once.
    pub(super) fn raise_replica(
        &mut self,
        id: GroupId,
        voters: Vec<Replica>,
        restored: Option<&RestoredGroup>,
        fx: &mut Effects,
    ) {
        let Some(me) = voters.iter().find(|r| r.node == self.node) else {
            return;
        };
        let lone = voters.len() == 1;
        let spec = Spec {
            group: id,
            me: me.id,
            voters: voters.clone(),
            learners: Vec::new(),
        };
        if id == GroupId::METADATA && restored.is_none() {
            let config = GroupConfig {
                retention_age: None,
                ..GroupConfig::default()
            };
            let made = self
                .log
                .create_group(id, TopicId::METADATA, Default::default(), config);
            made.unwrap_or_else(|error| panic!("the metadata's log cannot be made: {error}"));
        }
        let restored = restored.map_or_else(Restored::default, |found| Restored {
            hard_state: found.hard_state,
            start: found.start,
            settled_index: found.settled.index,
            settled_term: found.settled.term,
            settled_offset: found.settled.next_offset,
            entries: found.entries.clone(),
            terms: found.terms.iter().map(|t| (t.index, t.term)).collect(),
        });
        self.step(In::Create { spec, restored }, fx);
        if lone {
            self.step(In::Campaign { group: id }, fx);
        }
    }

    /// A topic is deleted: its group leaves this core, and its files go.
    fn lower(&mut self, id: GroupId, key: PartitionKey, fx: &mut Effects) {
        let known = self.groups.contains_key(&id) || self.boot.stashed.remove(&id).is_some();
        if !known {
            return;
        }
        self.fail_commits(id, &Error::UnknownPartition, fx);
        self.fire_all(id, fx);
        self.groups.remove(&id);
        self.step(In::Remove { group: id }, fx);
        fx.jobs.push(Job::Remove(RemoveJob { group: id, key }));
        self.raised(id, fx);
    }

    /// At boot, once the metadata is known to be complete: a group whose id was given out and that
    /// is not there was deleted, because ids are never reused, and its files go. What the metadata
    /// has never heard of is kept and reported.
    pub(crate) fn drop_unknown(&mut self, fx: &mut Effects) {
        let next = self.image.next_group();
        let deleted = self.boot.stashed.range(..next).map(|(id, _)| *id);
        for id in deleted.collect::<Vec<_>>() {
            if let Some(found) = self.boot.stashed.remove(&id) {
                let key = PartitionKey {
                    topic: found.topic,
                    partition: found.partition,
                };
                fx.jobs.push(Job::Remove(RemoveJob { group: id, key }));
            }
        }
        for (id, found) in &self.boot.stashed {
            tracing::warn!(
                group = id.0,
                topic = %found.topic,
                "this group is not in the metadata: its files are kept"
            );
        }
    }

    fn configure(&mut self, topic: TopicId) {
        let settings = self.image.settings(topic);
        for group in self.groups.values_mut().filter(|g| g.key.topic == topic) {
            self.log.configure(group.id, group_config(&settings));
            group.settings = settings.clone();
        }
    }
}

/// Batches that lie before the log's start and in no checkpoint: the replica does not give them
/// again, but a producer may repeat one of them.
fn trimmed(
    restored: &RestoredGroup,
    checkpointed: LogIndex,
) -> impl Iterator<Item = (BatchHeader, Option<EndMarker>)> + '_ {
    let entries = restored.entries.iter().filter(move |entry| {
        let known = entry.index <= checkpointed || entry.kind != EntryKind::Batch;
        entry.index < restored.start.index && !known
    });
    entries.filter_map(|entry| {
        let header = BatchHeader::parse(&entry.data).ok()?;
        let marker = EndMarker::parse(&header, &entry.data).ok()?;
        Some((header, marker))
    })
}

/// Where a damaged log ends for readers. Where nobody knows how much is lost, the first offset of
/// that is below the end, so that who reads on to it is refused instead of being told of an end.
fn readable_end(restored: &RestoredGroup) -> Offset {
    let lost = restored
        .damage
        .iter()
        .map(|damage| match damage.next_offset {
            Offset(i64::MAX) => damage.base_offset.plus(1),
            known => known,
        });
    lost.fold(restored.last().next_offset, Offset::max)
}

/// The epochs of what is settled; later ones are noted as their entries commit.
fn epochs(restored: &RestoredGroup) -> Epochs {
    let mut epochs = Epochs::default();
    let settled = restored
        .terms
        .iter()
        .filter(|t| t.index <= restored.settled.index);
    for start in settled {
        epochs.note(LeaderEpoch::of(start.term), start.offset);
    }
    epochs
}

fn group_config(settings: &TopicSettings) -> GroupConfig {
    // What is only compacted is kept whatever its age and size.
    let Cleanup { delete, compact } = settings.cleanup;
    let compaction = settings.compaction;
    let lag_max = compaction.lag_max.filter(|_| compact);
    GroupConfig {
        durability: match settings.durability {
            corelog_cluster::Durability::Disk => corelog_log::Durability::Disk,
            corelog_cluster::Durability::Written => corelog_log::Durability::Written,
            corelog_cluster::Durability::Memory => corelog_log::Durability::Memory,
        },
        segment_bytes_max: settings.segment_bytes,
        // A segment is compacted once it is sealed.
        segment_age_max: lag_max.map_or(settings.segment_age, |lag| lag.min(settings.segment_age)),
        retention_bytes: settings.retention_bytes.filter(|_| delete),
        retention_age: settings.retention_age.filter(|_| delete),
        compaction: compact.then_some(CompactionConfig {
            lag_min: compaction.lag_min,
            lag_max: compaction.lag_max,
            dirty_ppm_min: compaction.dirty_ppm_min,
            delete_retention: compaction.delete_retention,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use corelog_cluster::Image;

    #[test]
    fn what_is_only_compacted_is_not_deleted_by_age_or_size() {
        let mut settings = Image::default().settings(TopicId::ZERO);
        settings.retention_bytes = Some(1);
        let kept = |delete, compact| {
            let cleanup = Cleanup { delete, compact };
            let config = group_config(&TopicSettings {
                cleanup,
                ..settings.clone()
            });
            config.retention_age.is_none() && config.retention_bytes.is_none()
        };
        assert!(kept(false, true));
        assert!(!kept(true, true) && !kept(true, false));
    }

    #[test]
    fn only_a_compacted_topic_is_compacted_and_rolls_by_its_lag() {
        let mut settings = Image::default().settings(TopicId::ZERO);
        let lag = Duration::from_secs(5);
        settings.compaction.lag_max = Some(lag);
        let config = group_config(&settings);
        assert!(config.compaction.is_none() && config.segment_age_max == settings.segment_age);
        settings.cleanup.compact = true;
        let config = group_config(&settings);
        assert_eq!(config.segment_age_max, lag);
        let compaction = config.compaction.expect("it is compacted");
        assert_eq!(compaction.dirty_ppm_min, 500_000);
        assert_eq!(compaction.delete_retention, Duration::from_secs(86_400));
        assert_eq!(
            (compaction.lag_min, compaction.lag_max),
            (Duration::ZERO, Some(lag))
        );
    }
}
