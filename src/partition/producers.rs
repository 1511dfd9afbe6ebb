//! Producers that count: the last batches of each and its open transaction, at two levels.
//!
//! *Committed* state is what every replica agrees on; *proposed* state lies on top of it at the
//! leader and holds what is on its way to commit. Truncation and a change of leader discard the
//! proposed level. Committed state is written beside the segments as a checkpoint, so that a
//! restart replays only what follows.

use std::collections::{BTreeMap, VecDeque};

use corelog_base::{Offset, ProducerEpoch, ProducerId, TimestampMs};

use crate::{Aborted, AbortedIndex};

/// How many batches of a producer are remembered; Kafka's clients have at most 5 in flight.
pub(crate) const BATCHES_MAX: usize = 5;
/// How many producers a partition remembers. Above it the one that wrote longest ago is
/// forgotten, as if it had expired.
const PRODUCERS_MAX: usize = 100_000;
/// How many transactions a partition remembers: open ones, and aborted ones from its log start on,
/// 24 bytes each. At the bound no other may begin here until retention has taken old ones.
pub(crate) const TRANSACTIONS_MAX: usize = 100_000;

/// What a batch says of its producer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sequenced {
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    /// The first sequence; -1 for a coordinator's own batches, which are not counted.
    pub base_sequence: i32,
    /// The number of records less one.
    pub last_offset_delta: i32,
    pub max_timestamp: TimestampMs,
    pub transactional: bool,
}

impl Sequenced {
    /// Sequences wrap from `i32::MAX` to 0.
    fn last_sequence(&self) -> i32 {
        advance(self.base_sequence, self.last_offset_delta)
    }

    fn is_counted(&self) -> bool {
        self.base_sequence >= 0
    }
}

fn advance(sequence: i32, by: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(by);
    (sum & i64::from(i32::MAX)) as i32
}

/// What is known of the transaction that a client's batch says it is in, before the partition is
/// asked. The coordinator of transactions knows which partitions a transaction has; a batch that
/// begins one elsewhere would never be ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verified {
    /// Nothing: the batch is in no transaction, or in one that is open here.
    No,
    /// The coordinator said that the partition is in the producer's open transaction. It was asked
    /// when the last marker of the producer here was this one: if another has come since, the answer
    /// was about a transaction that has ended.
    After(Option<Offset>),
    /// As above, and the epoch names one transaction only (KIP-890): a marker fences it.
    ByEpoch,
}

/// How the epoch of a marker follows on the epoch of the transaction that it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkerEpoch {
    /// It is the transaction's own, or a higher one that fences it.
    AtLeast,
    /// It is higher: each transaction has an epoch of its own (KIP-890).
    Above,
}

/// The end of a transaction, as a marker's batch says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    pub committed: bool,
    pub coordinator_epoch: i32,
    pub timestamp: TimestampMs,
}

/// Where a producer's transaction stands in this partition, uncommitted batches included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Open in this epoch: batches need no verification.
    Open,
    /// A newer epoch has written: batches will be refused.
    Fenced,
    /// None is open. The producer's last marker, if there was one.
    Closed { ended: Option<Offset> },
}

/// Whether a batch may be appended.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Append,
    /// The same batch was appended before at `base`; its last record is at `last`.
    Duplicate {
        base: Offset,
        last: Offset,
    },
    /// Appended so long ago that its offset is forgotten.
    Forgotten,
    /// A newer incarnation of the producer has written.
    Fenced,
    /// Records before it are missing.
    Gap,
    /// It would begin a transaction of which the coordinator has not said that it is open here.
    Unverified,
    /// It is in no transaction, but its producer has one open.
    OutsideTransaction,
    /// Too many transactions are open or aborted here.
    Full,
    /// A newer leader of the coordinator has written.
    CoordinatorFenced,
}

/// A batch that was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Appended {
    pub(crate) base_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base: Offset,
    pub(crate) last: Offset,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Producer {
    pub(crate) epoch: ProducerEpoch,
    pub(crate) last_timestamp: TimestampMs,
    /// Of the last marker; -1 before the first.
    pub(crate) coordinator_epoch: i32,
    /// The first offset of the open transaction.
    pub(crate) transaction: Option<Offset>,
    /// The last marker.
    pub(crate) ended: Option<Offset>,
    /// Ascending, at most [`BATCHES_MAX`].
    pub(crate) batches: VecDeque<Appended>,
}

impl Producer {
    fn last_sequence(&self) -> Option<i32> {
        self.batches.back().map(|b| b.last_sequence)
    }

    /// The epoch comes first, then the sequence, then the transaction: a producer that was fenced
    /// must learn that and nothing else (KAFKA-19690).
    fn judge(&self, batch: &Sequenced, verified: Verified) -> Verdict {
        match self.judge_sequence(batch) {
            Verdict::Append => self.judge_transaction(batch, verified),
            other => other,
        }
    }

    fn judge_transaction(&self, batch: &Sequenced, verified: Verified) -> Verdict {
        let open = self.transaction.is_some() && self.epoch == batch.epoch;
        match (batch.transactional, verified) {
            (false, _) if open => Verdict::OutsideTransaction,
            (false, _) => Verdict::Append,
            (true, _) if open => Verdict::Append,
            (true, Verified::ByEpoch) => Verdict::Append,
            (true, Verified::After(ended)) if ended == self.ended => Verdict::Append,
            (true, Verified::After(_) | Verified::No) => Verdict::Unverified,
        }
    }

    fn judge_end(&self, end: &End, rule: MarkerEpoch) -> Verdict {
        if end.coordinator_epoch < self.coordinator_epoch {
            return Verdict::CoordinatorFenced;
        }
        if end.epoch < self.epoch {
            return Verdict::Fenced;
        }
        if rule == MarkerEpoch::Above && end.epoch == self.epoch {
            // The answer to the first one got lost, and it comes again.
            return match (self.transaction, self.ended) {
                (None, Some(at)) => Verdict::Duplicate { base: at, last: at },
                (None, None) => Verdict::Append,
                (Some(_), _) => Verdict::Fenced,
            };
        }
        Verdict::Append
    }

    fn judge_sequence(&self, batch: &Sequenced) -> Verdict {
        if batch.epoch < self.epoch {
            return Verdict::Fenced;
        }
        if !batch.is_counted() {
            return Verdict::Append;
        }
        if batch.epoch > self.epoch {
            return match batch.base_sequence {
                0 => Verdict::Append,
                _ => Verdict::Gap,
            };
        }
        let same = |b: &&Appended| {
            b.base_sequence == batch.base_sequence && b.last_sequence == batch.last_sequence()
        };
        if let Some(found) = self.batches.iter().find(same) {
            return Verdict::Duplicate {
                base: found.base,
                last: found.last,
            };
        }
        let Some(last) = self.last_sequence() else {
            // A marker began this epoch.
            return match batch.base_sequence {
                0 => Verdict::Append,
                _ => Verdict::Gap,
            };
        };
        if batch.base_sequence == advance(last, 1) {
            return Verdict::Append;
        }
        // Half of the ring of sequences counts as the past, as in serial number arithmetic.
        let behind = last.wrapping_sub(batch.last_sequence()) & i32::MAX;
        if behind < i32::MAX / 2 {
            Verdict::Forgotten
        } else {
            Verdict::Gap
        }
    }

    fn append(&mut self, batch: &Sequenced, base: Offset) {
        if batch.epoch != self.epoch {
            self.epoch = batch.epoch;
            self.batches.clear();
        }
        self.last_timestamp = batch.max_timestamp;
        if batch.transactional && self.transaction.is_none() {
            self.transaction = Some(base);
        }
        if !batch.is_counted() {
            return;
        }
        if self.batches.len() == BATCHES_MAX {
            self.batches.pop_front();
        }
        self.batches.push_back(Appended {
            base_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base,
            last: base.plus(i64::from(batch.last_offset_delta)),
        });
    }

    /// Gives the first offset of the transaction that ended, if one was open.
    fn end(&mut self, end: &End, at: Offset) -> Option<Offset> {
        if end.epoch > self.epoch {
            self.epoch = end.epoch;
            self.batches.clear();
        }
        self.last_timestamp = end.timestamp;
        self.coordinator_epoch = end.coordinator_epoch;
        self.ended = Some(at);
        self.transaction.take()
    }
}

/// What DescribeProducers tells of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerInfo {
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    pub last_sequence: i32,
    pub last_timestamp: TimestampMs,
    /// Of the last marker; -1 before the first.
    pub coordinator_epoch: i32,
    /// The first offset of the open transaction.
    pub transaction: Option<Offset>,
}

/// Every producer of one partition.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    pub(crate) committed: BTreeMap<ProducerId, Producer>,
    /// Whole states after the proposals on their way; looked at before `committed`.
    proposed: BTreeMap<ProducerId, Producer>,
    /// Open transactions of `committed`, by their first offsets.
    open: BTreeMap<Offset, ProducerId>,
    aborted: AbortedIndex,
}

impl Producers {
    /// Committed state, as a checkpoint has it.
    pub(crate) fn of(committed: BTreeMap<ProducerId, Producer>, aborted: AbortedIndex) -> Self {
        let open = committed.iter();
        let open = open.filter_map(|(id, producer)| Some((producer.transaction?, *id)));
        Self {
            open: open.collect(),
            committed,
            proposed: BTreeMap::new(),
            aborted,
        }
    }

    fn known(&self, id: ProducerId) -> Option<&Producer> {
        let proposed = self.proposed.get(&id);
        proposed.or_else(|| self.committed.get(&id))
    }

    pub fn judge(&self, batch: &Sequenced, verified: Verified) -> Verdict {
        let known = self.known(batch.producer);
        let verdict = match known {
            Some(producer) => producer.judge(batch, verified),
            // A producer that the partition has never seen, or has forgotten, may start anywhere.
            None if !batch.transactional => Verdict::Append,
            None => match (verified, batch.base_sequence) {
                (Verified::After(None), _) | (Verified::ByEpoch, 0) => Verdict::Append,
                (Verified::ByEpoch, _) => Verdict::Gap,
                (Verified::After(Some(_)) | Verified::No, _) => Verdict::Unverified,
            },
        };
        let begins = batch.transactional && known.is_none_or(|p| p.transaction.is_none());
        let full = self.open.len() + self.aborted.len() >= TRANSACTIONS_MAX;
        match verdict {
            Verdict::Append if begins && full => Verdict::Full,
            verdict => verdict,
        }
    }

    /// A batch of the coordinator that lives in this partition; it has verified it itself.
    pub fn judge_coordinated(&self, batch: &Sequenced) -> Verdict {
        match self.known(batch.producer) {
            Some(producer) if batch.epoch < producer.epoch => Verdict::Fenced,
            _ => Verdict::Append,
        }
    }

    pub fn judge_end(&self, end: &End, rule: MarkerEpoch) -> Verdict {
        let known = self.known(end.producer);
        known.map_or(Verdict::Append, |producer| producer.judge_end(end, rule))
    }

    /// Where the transaction of `producer` in `epoch` stands.
    pub fn standing(&self, producer: ProducerId, epoch: ProducerEpoch) -> Standing {
        match self.known(producer) {
            None => Standing::Closed { ended: None },
            Some(known) if epoch < known.epoch => Standing::Fenced,
            Some(known) if epoch == known.epoch && known.transaction.is_some() => Standing::Open,
            Some(known) => Standing::Closed { ended: known.ended },
        }
    }

    fn proposed(&mut self, id: ProducerId, epoch: ProducerEpoch) -> &mut Producer {
        let committed = &self.committed;
        self.proposed.entry(id).or_insert_with(|| {
            let known = committed.get(&id).cloned();
            known.unwrap_or_else(|| Producer::new(epoch))
        })
    }

    /// The leader proposes a batch that `judge` allowed.
    pub fn propose(&mut self, batch: &Sequenced, base: Offset) {
        self.proposed(batch.producer, batch.epoch)
            .append(batch, base);
    }

    /// The leader proposes a marker that `judge_end` allowed.
    pub fn propose_end(&mut self, end: &End, at: Offset) {
        self.proposed(end.producer, end.epoch).end(end, at);
    }

    /// A batch is committed, here or as a follower. In log order, each once.
    pub fn commit(&mut self, batch: &Sequenced, base: Offset) {
        let state = self.committed_state(batch.producer, batch.epoch);
        let was_open = state.transaction;
        state.append(batch, base);
        if let (None, Some(first)) = (was_open, state.transaction) {
            self.open.insert(first, batch.producer);
        }
        self.meet(batch.producer);
    }

    /// A marker is committed. In log order, each once.
    pub fn commit_end(&mut self, end: &End, at: Offset) {
        let state = self.committed_state(end.producer, end.epoch);
        if let Some(first) = state.end(end, at) {
            self.open.remove(&first);
            if !end.committed {
                self.aborted.note(Aborted {
                    producer: end.producer,
                    first,
                    last: at,
                });
            }
        }
        self.meet(end.producer);
    }

    fn committed_state(&mut self, id: ProducerId, epoch: ProducerEpoch) -> &mut Producer {
        if !self.committed.contains_key(&id) && self.committed.len() >= PRODUCERS_MAX {
            self.forget_oldest();
        }
        let fresh = || Producer::new(epoch);
        self.committed.entry(id).or_insert_with(fresh)
    }

    /// What was proposed is committed: one state is enough.
    fn meet(&mut self, id: ProducerId) {
        let proposed = self.proposed.get(&id);
        if proposed.is_some() && proposed == self.committed.get(&id) {
            self.proposed.remove(&id);
        }
    }

    /// The first record of a transaction that is open, among what is committed.
    pub fn first_unstable(&self) -> Option<Offset> {
        self.open.first_key_value().map(|(first, _)| *first)
    }

    pub fn aborted(&self) -> &AbortedIndex {
        &self.aborted
    }

    /// The log starts later: what ended before that is of no use to anybody.
    pub fn trim(&mut self, start: Offset) {
        self.aborted.trim(start);
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .committed
            .iter()
            .filter(|(_, p)| p.transaction.is_none())
            .min_by_key(|(id, p)| (p.last_timestamp, **id))
            .map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.committed.remove(&id);
        }
    }

    /// Proposals were dropped or cut off: what is committed is all that is known.
    pub fn discard_proposed(&mut self) {
        self.proposed.clear();
    }

    /// Forgets producers whose last record is older than `before`, but for those that have a
    /// transaction open or something proposed.
    pub fn expire(&mut self, before: TimestampMs) {
        let proposed = &self.proposed;
        self.committed.retain(|id, p| {
            let is_busy = p.transaction.is_some() || proposed.contains_key(id);
            p.last_timestamp >= before || is_busy
        });
    }

    /// The epoch of a producer and the offset of its last record of that epoch, as far as committed.
    pub fn last_of(&self, id: ProducerId) -> Option<(ProducerEpoch, Option<Offset>)> {
        let producer = self.committed.get(&id)?;
        Some((producer.epoch, producer.batches.back().map(|b| b.last)))
    }

    pub fn len(&self) -> usize {
        self.committed.len()
    }

    pub fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }

    /// Committed producers in the order of their ids.
    pub fn list(&self) -> impl Iterator<Item = ProducerInfo> + '_ {
        self.committed.iter().map(|(id, p)| ProducerInfo {
            producer: *id,
            epoch: p.epoch,
            last_sequence: p.last_sequence().unwrap_or(-1),
            last_timestamp: p.last_timestamp,
            coordinator_epoch: p.coordinator_epoch,
            transaction: p.transaction,
        })
    }
}

impl Producer {
    pub(crate) fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            last_timestamp: TimestampMs::NONE,
            coordinator_epoch: -1,
            transaction: None,
            ended: None,
            batches: VecDeque::with_capacity(BATCHES_MAX),
        }
    }
}
