//! Produce at the owning core: producer state, offsets, stamps, a proposal.

use bytes::Bytes;
use corelog_base::{EntryKind, GroupId, TimestampMs};
use corelog_log::Kind;
use corelog_partition::{Admission, Origin, Refusal};
use corelog_record::{stamp, stamp_append_time};
use corelog_replica::In;
use corelog_rt::Runtime;

use super::Shard;
use super::group::{Appender, CommitWait, Held};
use super::visits::ItemId;
use crate::api::{Acks, Produced};
use crate::effects::Effects;
use crate::message::{ProduceVisit, Reply, ReplyTo};
use crate::{Error, Result};

/// Whether this replica has led after a batch came, or may have been replaced without knowing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leads {
    Perhaps,
    Surely,
}

/// Whether the log takes a batch now.
pub(super) enum Room {
    Some,
    None,
}

impl<R: Runtime> Shard<R> {
    pub(super) fn produce(&mut self, reply_to: ReplyTo, visit: ProduceVisit, fx: &mut Effects) {
        let count = u32::try_from(visit.items.len()).expect("a visit's items fit its frame");
        let id = self.produces.open(reply_to, count);
        for (index, item) in (0u32..).zip(visit.items) {
            let held = Held {
                appender: Appender::Item(ItemId::new(id, index)),
                origin: Origin::Client(item.verified),
                header: item.header,
                batch: item.batch,
                in_sync: visit.acks == Acks::InSync,
            };
            self.append(item.group, held, fx);
        }
    }

    pub(super) fn settle(
        &mut self,
        appender: Appender,
        outcome: Result<Produced>,
        fx: &mut Effects,
    ) {
        match appender {
            Appender::Item(item) => {
                if let Some((to, outcomes)) = self.produces.settle(item, outcome) {
                    fx.reply(to, Reply::Produce(outcomes));
                }
            }
            Appender::Coordinator(group, instance) => {
                self.coordinator_appended(group, instance, outcome, fx);
            }
        }
    }

    /// Proposes a batch, joins the wait of the batch that it repeats, holds it behind those that
    /// are held already, or refuses it.
    pub(super) fn append(&mut self, id: GroupId, held: Held, fx: &mut Effects) {
        let appender = held.appender;
        if let Some(group) = self.groups.get_mut(&id)
            && !group.held.is_empty()
        {
            return group.held.push(held);
        }
        match self.check_append(id, held.in_sync, held.batch.len() as u64) {
            Ok(Room::Some) => {}
            Ok(Room::None) => return self.hold(id, held),
            Err(error) => return self.settle(appender, Err(error), fx),
        }
        self.admit(id, held, Leads::Perhaps, fx);
    }

    fn admit(&mut self, id: GroupId, held: Held, leads: Leads, fx: &mut Effects) {
        let appender = held.appender;
        let group = self.groups.get_mut(&id).expect("checked to be there");
        let error = match group.partition.admit(&held.header, held.origin) {
            Ok(Admission::Append { .. }) => return self.propose(id, held, fx),
            Ok(Admission::Duplicate { base, last }) => {
                let produced = group.produced(base, TimestampMs::NONE);
                let wait = CommitWait {
                    appender,
                    produced,
                    in_sync: held.in_sync,
                };
                if group.partition.high_watermark() <= last {
                    return group.commits.wait(last.plus(1), wait);
                }
                return self.settle(appender, Ok(produced), fx);
            }
            // Producer states of earlier leaders count only once they are known to be committed.
            Err(Refusal::NotReady) => return group.held.push(held),
            Err(Refusal::NotLeader) => self.not_leader(id),
            // What else it says of producers may be outdated too.
            Err(_) if leads == Leads::Perhaps && !self.is_lone(id) => {
                return self.doubt(id, held, fx);
            }
            Err(Refusal::Fenced) => Error::ProducerFenced,
            Err(Refusal::Gap) => Error::SequenceGap,
            Err(Refusal::Forgotten) => Error::SequenceForgotten,
            Err(Refusal::Unverified) => Error::NotInTransaction,
            Err(Refusal::OutsideTransaction) => Error::OutsideTransaction,
            Err(Refusal::TransactionsFull) => Error::TransactionsFull,
            Err(Refusal::CoordinatorFenced) => Error::CoordinatorFenced,
        };
        self.settle(appender, Err(error), fx);
    }

    /// A refusal by what is known of a producer ends its sequence, so it must be the truth. A
    /// replica that was cut off or stood still may believe that it leads while a newer leader has
    /// taken batches: it finds a gap before the next one of a producer that did nothing wrong. So
    /// an empty entry is proposed, and the batch is judged again once that has committed; a
    /// replica that leads no more tells the producer so instead.
    fn doubt(&mut self, id: GroupId, held: Held, fx: &mut Effects) {
        let group = self.groups.get_mut(&id).expect("checked to be there");
        group.doubted.push_back(held);
        let barrier = In::Propose {
            group: id,
            kind: EntryKind::Opening,
            base_offset: group.partition.next_offset(),
            data: Bytes::new(),
        };
        self.step(barrier, fx);
    }

    /// An empty entry of this leadership has committed after its first: it is the barrier of the
    /// batch that has waited longest. This replica led when that batch came.
    pub(super) fn settle_doubt(&mut self, id: GroupId, fx: &mut Effects) {
        let group = self.groups.get_mut(&id);
        if let Some(held) = group.and_then(|group| group.doubted.pop_front()) {
            self.admit(id, held, Leads::Surely, fx);
        }
    }

    /// Agrees with nobody: no other replica can have taken over.
    fn is_lone(&self, id: GroupId) -> bool {
        let key = self.groups.get(&id).map(|group| group.key);
        let topic = key.and_then(|key| self.image.topic(key.topic));
        let partition = key.and_then(|key| topic?.partition(key.partition));
        partition.is_some_and(|partition| partition.replicas.len() == 1)
    }

    fn propose(&mut self, id: GroupId, held: Held, fx: &mut Effects) {
        let group = self.groups.get_mut(&id).expect("checked to be there");
        let accepted = group.partition.accept(&held.header, held.origin);
        let mut batch = held.batch;
        let mut append_time = TimestampMs::NONE;
        if group.settings.append_time {
            append_time = self.rt.wall();
            stamp_append_time(&mut batch, append_time);
        }
        stamp(&mut batch, accepted.base, accepted.epoch);
        let wait = CommitWait {
            appender: held.appender,
            produced: group.produced(accepted.base, append_time),
            in_sync: held.in_sync,
        };
        group.commits.wait(accepted.next, wait);
        self.counters.produced_batches += 1;
        self.counters.produced_bytes += batch.len() as u64;
        let proposal = In::Propose {
            group: id,
            kind: EntryKind::Batch,
            base_offset: accepted.base,
            data: batch.freeze(),
        };
        self.step(proposal, fx);
    }

    /// Keeps a batch until the log says that it has room; connections that feed it stop reading
    /// once their requests in flight are many, so nothing is refused and order is kept.
    fn hold(&mut self, id: GroupId, held: Held) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.held.push(held);
            self.upkeep.blocked.push_back(id);
        }
    }

    /// The log may have room again. Who finds none keeps its place before those behind, so that
    /// each has its turn.
    pub(super) fn release_blocked(&mut self, fx: &mut Effects) {
        let mut waiting = std::mem::take(&mut self.upkeep.blocked);
        while let Some(id) = waiting.pop_front() {
            self.release_held(id, fx);
            if !self.upkeep.blocked.is_empty() {
                break;
            }
        }
        self.upkeep.blocked.append(&mut waiting);
    }

    /// What was held goes on in its order: the opening entry has committed, or there is room.
    pub(super) fn release_held(&mut self, id: GroupId, fx: &mut Effects) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        for held in std::mem::take(&mut group.held) {
            self.append(id, held, fx);
        }
    }

    /// What is refused before anything is appended.
    pub(super) fn check_append(&self, id: GroupId, in_sync: bool, bytes: u64) -> Result<Room> {
        let group = self.leading(id)?;
        group.check_health()?;
        if in_sync && !self.has_in_sync(id, group.settings.min_insync_replicas) {
            return Err(Error::NotEnoughReplicas);
        }
        match self.log.admit(id, bytes) {
            Ok(()) => Ok(Room::Some),
            Err(error) => match error.kind {
                Kind::Overloaded => Ok(Room::None),
                Kind::DiskFull => Err(Error::DiskFull),
                Kind::TooLarge => Err(Error::TooLarge),
                _ => Err(Error::Storage(error.to_string())),
            },
        }
    }

    /// Whether at least so many voters have kept up, this one included.
    pub(super) fn has_in_sync(&self, id: GroupId, least: u32) -> bool {
        // A leader is in sync with itself.
        if least <= 1 {
            return true;
        }
        let lag_max = self.image.broker_settings().replica_lag_time_max;
        let in_sync = self.replicas.in_sync(id, self.rt.now(), lag_max);
        u32::try_from(in_sync.len()).expect("a group has few voters") >= least
    }

    /// Fails everybody who waits for a commit in this group.
    pub(super) fn fail_commits(&mut self, id: GroupId, error: &Error, fx: &mut Effects) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let commits = group.commits.drain().map(|wait| wait.appender);
        let mut appenders: Vec<Appender> = commits.collect();
        appenders.extend(group.held.drain(..).map(|held| held.appender));
        appenders.extend(group.doubted.drain(..).map(|held| held.appender));
        let trims = std::mem::take(&mut group.trims);
        // Before its appends fail one by one: it is gone whole.
        self.unhost(id, fx);
        for appender in appenders {
            self.settle(appender, Err(error.clone()), fx);
        }
        for wait in trims {
            self.settle_trim(wait.trim, Err(error.clone()), fx);
        }
    }
}
