//! What a core's log is put through while it lives.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::{
    Entry, EntryKind, GroupId, HardState, LogIndex, LogStart, Offset, Random, Term,
};
use corelog_log::{GroupConfig, Kind, Log};
use corelog_rt::{Runtime, Shared};
use corelog_sim::SimRuntime;

use super::model::{GroupModel, Model};
use super::reader::{Reader, settings};
use crate::batch::random_batch;
use crate::placement::owner;

/// Segments are small, so that they roll.
pub(super) fn config() -> GroupConfig {
    GroupConfig {
        segment_bytes_max: 96 << 10,
        retention_age: None,
        ..GroupConfig::default()
    }
}

/// One core at work.
#[derive(Clone)]
pub(super) struct Writer {
    pub rt: SimRuntime,
    pub log: Log<SimRuntime>,
    pub cores: u16,
    pub model: Shared<Model>,
}

impl Writer {
    fn my_groups(&self) -> Vec<GroupId> {
        let mine = |id: &GroupId| owner(*id, self.cores) == self.rt.core();
        self.model
            .with(|model| model.groups.keys().copied().filter(mine).collect())
    }

    fn with<O>(&self, id: GroupId, visit: impl FnOnce(&mut GroupModel) -> O) -> Option<O> {
        self.model
            .with(|model| model.groups.get_mut(&id).map(visit))
    }

    /// Hears what became durable, and commits some of it.
    pub(super) async fn pump(self, mut random: Random) {
        loop {
            let events = self.log.events().await;
            for event in &events {
                self.model.with(|model| model.event(event));
            }
            for id in self.my_groups() {
                if random.chance(600) {
                    self.commit(id, &mut random);
                }
            }
        }
    }

    fn commit(&self, id: GroupId, random: &mut Random) {
        let index = self.with(id, |group| {
            let durable = group.durable();
            let back = random
                .below(3)
                .min(durable.0.saturating_sub(group.committed.0));
            group.committed = group.committed.max(LogIndex(durable.0 - back));
            group.committed
        });
        if let Some(index) = index.filter(|index| index.0 > 0) {
            self.log.commit(id, index);
        }
    }

    /// Works until the node goes down.
    pub(super) async fn work(self, mut random: Random) {
        loop {
            let busy = random.chance(300);
            for _ in 0..1 + random.below(if busy { 30 } else { 3 }) {
                self.step(&mut random).await;
            }
            let rest = Duration::from_micros(random.below(3000));
            self.rt.sleep(rest).await;
        }
    }

    async fn step(&self, random: &mut Random) {
        let groups = self.my_groups();
        if groups.is_empty() || (groups.len() < 3 && random.chance(50)) {
            self.create();
            return;
        }
        let id = groups[random.below(groups.len() as u64) as usize];
        match random.below(1000) {
            0..=699 => self.append(id, random),
            700..=759 => self.truncate(id, random),
            760..=779 => self.vote(id, random),
            780..=809 => self.trim(id, random),
            810..=816 => self.remove(id).await,
            _ => {
                let reader = Reader::new(self.log.clone(), id, self.model.clone());
                reader.look(random, settings(&self.rt)).await;
            }
        }
    }

    fn create(&self) {
        let cores = self.cores;
        let me = self.rt.core();
        let (id, topic, partition) = self.model.with(|model| {
            while owner(GroupId(model.next_group + 1), cores) != me {
                model.next_group += 1;
            }
            let id = model.add_group();
            let group = &model.groups[&id];
            (id, group.topic, group.partition)
        });
        match self.log.create_group(id, topic, partition, config()) {
            Ok(()) => {}
            Err(error) => {
                assert!(may_refuse(error.kind), "create {id:?}: {error}");
                self.model.with(|model| model.groups.remove(&id));
            }
        }
    }

    fn append(&self, id: GroupId, random: &mut Random) {
        let Some((last, end, term)) =
            self.with(id, |group| (group.last_index(), group.end(), group.term()))
        else {
            return;
        };
        let term = Term(term.0.max(1));
        self.put(id, last.next(), end, term, random);
    }

    /// A new leader's entries cut off some that were not committed.
    fn truncate(&self, id: GroupId, random: &mut Random) {
        let found = self.with(id, |group| {
            let (first, last) = (group.committed.next(), group.last_index());
            let cut = LogIndex(first.0 + random.below(last.next().0 + 1 - first.0));
            let end = match cut.0 - 1 {
                0 => Offset(0),
                before => group
                    .entry(LogIndex(before))
                    .map_or(Offset(0), |e| e.next_offset),
            };
            (cut, end, Term(group.term().0 + 1))
        });
        if let Some((cut, end, term)) = found {
            self.put(id, cut, end, term, random);
        }
    }

    fn put(&self, id: GroupId, first: LogIndex, base: Offset, term: Term, random: &mut Random) {
        let mut entries = Vec::new();
        let (mut index, mut offset) = (first, base);
        for _ in 0..1 + random.below(3) {
            let entry = self.entry(index, offset, term, random);
            (index, offset) = (index.next(), entry.next_offset);
            entries.push(entry);
        }
        let bytes: u64 = entries.iter().map(|e| e.data.len() as u64).sum();
        if let Err(error) = self.log.admit(id, bytes) {
            assert!(may_refuse(error.kind), "admit: {error}");
            return;
        }
        let hard_state = self.with(id, |group| {
            let old = group.hard_state();
            let new = HardState {
                term,
                vote: if term > old.term {
                    random.below(4)
                } else {
                    old.vote
                },
                commit: group.committed,
            };
            (term > old.term || random.chance(300)).then_some(new)
        });
        let hard_state = hard_state.flatten();
        match self.log.append(id, entries.clone(), hard_state) {
            Ok(()) => {
                self.with(id, |group| group.append(&entries, hard_state));
            }
            Err(error) => assert!(may_refuse(error.kind), "append: {error}"),
        }
    }

    fn entry(&self, index: LogIndex, base: Offset, term: Term, random: &mut Random) -> Entry {
        let (kind, data, count) = match random.below(20) {
            0 => (EntryKind::Opening, Bytes::new(), 0),
            1 => (
                EntryKind::LogStart,
                Bytes::copy_from_slice(&base.0.to_le_bytes()),
                0,
            ),
            _ => {
                let (bytes, count) = random_batch(random, base, term, self.rt.wall());
                (EntryKind::Batch, bytes, count)
            }
        };
        Entry {
            index,
            term,
            kind,
            base_offset: base,
            next_offset: base.plus(count),
            data,
        }
    }

    /// A vote alone.
    fn vote(&self, id: GroupId, random: &mut Random) {
        let hard_state = self.with(id, |group| HardState {
            term: Term(group.term().0 + 1),
            vote: 1 + random.below(3),
            commit: group.committed,
        });
        let Some(hard_state) = hard_state else { return };
        match self.log.append(id, Vec::new(), Some(hard_state)) {
            Ok(()) => {
                self.with(id, |group| group.append(&[], Some(hard_state)));
            }
            Err(error) => assert!(may_refuse(error.kind), "append a vote: {error}"),
        }
    }

    /// The log start moves to some committed entry, or into it.
    fn trim(&self, id: GroupId, random: &mut Random) {
        let start = self.with(id, |group| {
            let (first, last) = (group.start().index.0, group.committed.0);
            let index = LogIndex(first + random.below(last.checked_sub(first)?.max(1)));
            let entry = group.entry(index)?;
            let inside = entry.next_offset.0 - entry.base_offset.0;
            let offset = entry
                .base_offset
                .plus(random.below(inside.max(1) as u64) as i64);
            let start = LogStart {
                index,
                term_before: group.term_at(LogIndex(index.0 - 1)),
                offset: offset.max(group.start().offset),
            };
            group.set_start(start);
            Some(start)
        });
        if let Some(start) = start.flatten() {
            self.log.set_start(id, start);
        }
    }

    async fn remove(&self, id: GroupId) {
        self.model.with(|model| model.remove_group(id));
        let place = self.model.with(|model| model.removed.get(&id).copied());
        if let Some((topic, partition)) = place {
            match self.log.remove_group(id, topic, partition).await {
                Ok(()) => {}
                Err(error) => assert!(may_refuse(error.kind), "remove: {error}"),
            }
        }
    }
}

/// What a log may answer to what it cannot take.
pub(super) fn may_refuse(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Fenced | Kind::DiskFull | Kind::Overloaded | Kind::Closed | Kind::Io
    )
}
