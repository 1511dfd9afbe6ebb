//! What the groups are put through: keyed records, tombstones, transactions, moved starts, passes.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::{
    Entry, EntryKind, GroupId, HardState, LeaderEpoch, ProducerEpoch, ProducerId, Random, Term,
    TimestampMs,
};
use corelog_log::{Kind, Log};
use corelog_record::{BatchBuilder, Codec, EndMarker, ProducerState, stamp};
use corelog_rt::{Runtime, Shared};
use corelog_sim::SimRuntime;

use super::checker::Checker;
use super::facts::Facts;
use crate::log::model::{GroupModel, Model};

/// More entries make the naive side slow.
const ENTRIES_MAX: usize = 500;
const EPOCH: ProducerEpoch = ProducerEpoch(0);

#[derive(Clone)]
pub(super) struct Writer {
    pub rt: SimRuntime,
    pub log: Log<SimRuntime>,
    pub model: Shared<Model>,
    pub keys: u64,
}

/// What a log may answer to what it cannot take.
fn may_refuse(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Fenced | Kind::DiskFull | Kind::Overloaded | Kind::Closed | Kind::Io
    )
}

impl Writer {
    fn groups(&self) -> Vec<GroupId> {
        self.model
            .with(|model| model.groups.keys().copied().collect())
    }

    fn with<O>(&self, id: GroupId, visit: impl FnOnce(&mut GroupModel) -> O) -> Option<O> {
        self.model
            .with(|model| model.groups.get_mut(&id).map(visit))
    }

    /// Hears what became durable, and commits it.
    pub(super) async fn pump(self) {
        loop {
            let events = self.log.events().await;
            for event in &events {
                self.model.with(|model| model.event(event));
            }
            for id in self.groups() {
                let index = self.with(id, |group| {
                    group.committed = group.committed.max(group.durable());
                    group.committed
                });
                if let Some(index) = index.filter(|index| index.0 > 0) {
                    self.log.commit(id, index);
                }
            }
        }
    }

    /// Asks for compaction again and again, as a broker does.
    pub(super) async fn compact(self, mut random: Random) {
        loop {
            self.ask_for_compaction();
            let rest = Duration::from_micros(random.below(20_000));
            self.rt.sleep(rest).await;
        }
    }

    pub(super) fn ask_for_compaction(&self) {
        for id in self.groups() {
            let stable = self.with(id, |group| Facts::of(group.committed_entries()).stable());
            let Some(stable) = stable else { continue };
            if let Some(start) = self.log.compact(id, self.rt.wall(), stable) {
                self.with(id, |group| group.set_start(start));
                self.log.set_start(id, start);
            }
        }
    }

    /// Works until the node goes down.
    pub(super) async fn work(self, mut random: Random) {
        loop {
            for _ in 0..1 + random.below(12) {
                self.step(&mut random).await;
            }
            let rest = Duration::from_micros(random.below(4000));
            self.rt.sleep(rest).await;
        }
    }

    async fn step(&self, random: &mut Random) {
        let groups = self.groups();
        let id = groups[random.below(groups.len() as u64) as usize];
        match random.below(1000) {
            0..=5 => self.trim(id, random),
            6..=150 => {
                let checker = Checker::new(self.log.clone(), id, self.model.clone());
                checker.look(random).await;
            }
            _ => self.append(id, random),
        }
    }

    /// The log start moves to a committed record, as by DeleteRecords.
    fn trim(&self, id: GroupId, random: &mut Random) {
        let target = self.with(id, |group| {
            let entries = group.committed_entries();
            let (start, end) = (group.start().offset, entries.last()?.next_offset);
            let room = u64::try_from(end.0 - start.0)
                .ok()
                .filter(|room| *room > 0)?;
            Some(start.plus(random.below(room) as i64 / 4))
        });
        let Some(target) = target.flatten() else {
            return;
        };
        if let Some(start) = self.log.start_at(id, target) {
            self.with(id, |group| group.set_start(start));
            self.log.set_start(id, start);
        }
    }

    fn append(&self, id: GroupId, random: &mut Random) {
        let found = self.with(id, |group| {
            let facts = Facts::of(&group.now);
            (group.now.len() < ENTRIES_MAX)
                .then(|| (group.last_index().next(), group.term(), facts))
        });
        let Some((index, term, facts)) = found.flatten() else {
            return;
        };
        let term = Term(term.0.max(1) + u64::from(random.chance(20)));
        let (kind, data, count) = self.data(&facts, random);
        let mut data = data;
        if kind == EntryKind::Batch {
            let mut bytes = bytes::BytesMut::from(&data[..]);
            stamp(&mut bytes, facts.end, LeaderEpoch::of(term));
            data = bytes.freeze();
        }
        let entry = Entry {
            index,
            term,
            kind,
            base_offset: facts.end,
            next_offset: facts.end.plus(count),
            data,
        };
        self.put(id, entry);
    }

    fn put(&self, id: GroupId, entry: Entry) {
        if let Err(error) = self.log.admit(id, entry.data.len() as u64) {
            assert!(may_refuse(error.kind), "admit: {error}");
            return;
        }
        let hard_state = self.with(id, |group| {
            let old = group.hard_state();
            (entry.term > old.term).then_some(HardState {
                term: entry.term,
                vote: 1,
                commit: group.committed,
            })
        });
        let hard_state = hard_state.flatten();
        match self.log.append(id, vec![entry.clone()], hard_state) {
            Ok(()) => drop(self.with(id, |group| group.append(&[entry], hard_state))),
            Err(error) => assert!(may_refuse(error.kind), "append: {error}"),
        }
    }

    /// Producer 0 is none, 1 is idempotent, the others write transactions.
    fn data(&self, facts: &Facts, random: &mut Random) -> (EntryKind, Bytes, i64) {
        if random.chance(30) {
            return (EntryKind::Opening, Bytes::new(), 0);
        }
        let producer = ProducerId(random.below(5) as i64);
        let is_open = facts.open.contains_key(&producer);
        if is_open && random.chance(400) {
            let marker = EndMarker {
                committed: random.chance(500),
                coordinator_epoch: 0,
            };
            let batch = marker.batch(producer, EPOCH, self.rt.wall());
            return (EntryKind::Batch, batch.freeze(), 1);
        }
        let codec = match random.chance(500) {
            true => Codec::None,
            false => Codec::ALL[random.below(5) as usize],
        };
        let mut builder = BatchBuilder::new(codec);
        if producer.0 > 0 {
            builder.producer(ProducerState {
                id: producer,
                epoch: EPOCH,
                base_sequence: 0,
            });
        }
        if producer.0 > 1 {
            builder.transactional();
        }
        let most = if random.chance(100) { 30 } else { 4 };
        let count = 1 + random.below(most);
        for _ in 0..count {
            self.record(&mut builder, random);
        }
        (EntryKind::Batch, builder.finish().freeze(), count as i64)
    }

    fn record(&self, builder: &mut BatchBuilder, random: &mut Random) {
        let key = random.below(self.keys).to_le_bytes();
        let mut value = vec![0; 8 + random.below(600) as usize];
        random.fill(&mut value);
        let value = (!random.chance(200)).then_some(&value[..]);
        let time = self.rt.wall().0 - random.below(50) as i64;
        builder
            .push(TimestampMs(time), Some(&key), value, &[])
            .expect("a small record fits");
    }
}
