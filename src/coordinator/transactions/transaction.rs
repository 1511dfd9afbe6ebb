//! One transactional id.

use corelog_base::{Monotonic, ProducerEpoch, ProducerId, TimestampMs};

use super::{End, Init, Mark, Partitions, Protocol};
use crate::{At, Error, Producer, Result};

/// The last epoch that a client gets; the one after it is for the marker that ends its transaction.
pub(super) const EPOCH_MAX: i16 = i16::MAX - 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Empty,
    Ongoing,
    /// Decided; markers are on their way.
    Prepared {
        committed: bool,
    },
    /// All markers are there.
    Complete {
        committed: bool,
    },
}

impl Phase {
    /// Kafka's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::Ongoing => "Ongoing",
            Phase::Prepared { committed: true } => "PrepareCommit",
            Phase::Prepared { committed: false } => "PrepareAbort",
            Phase::Complete { committed: true } => "CompleteCommit",
            Phase::Complete { committed: false } => "CompleteAbort",
        }
    }
}

/// Kafka's names of all states; the last two are never left to be seen.
pub const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

/// What a request comes to.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Nothing has changed: the answer is known.
    Known,
    /// The state has changed and is to be stored.
    Changed,
    /// The transaction has been decided: store, then write markers.
    Prepared,
    /// The transaction of somebody else was aborted; ask again once it is complete.
    Aborted,
    /// Markers are on their way: ask again once they are there.
    Wait,
}

#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) producer: Producer,
    /// The epoch before the last one, if its owner got the new one: it may ask again.
    pub(super) last_epoch: Option<ProducerEpoch>,
    /// The producer id before this one.
    pub(super) previous: Option<ProducerId>,
    /// The producer id after this transaction.
    pub(super) next: Option<ProducerId>,
    pub(super) timeout_ms: i32,
    pub(super) phase: Phase,
    pub(super) protocol: Protocol,
    pub(super) partitions: Partitions,
    /// -1 if none is open.
    pub(super) started: TimestampMs,
    pub(super) updated: TimestampMs,
    /// When an open transaction is aborted.
    pub(super) due: Option<Monotonic>,
}

impl Transaction {
    pub(super) fn new(producer: Producer) -> Self {
        Self {
            producer,
            last_epoch: None,
            previous: None,
            next: None,
            timeout_ms: 0,
            phase: Phase::Empty,
            protocol: Protocol::Classic,
            partitions: Partitions::new(),
            started: TimestampMs::NONE,
            updated: TimestampMs::NONE,
            due: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Ongoing
    }

    /// When an open transaction is to be aborted.
    pub(super) fn due(&self, at: &At<'_>) -> Monotonic {
        let ends = self.started.0.saturating_add(i64::from(self.timeout_ms));
        let left = u64::try_from(ends.saturating_sub(at.wall.0)).unwrap_or(0);
        // The wall clock may have gone back: never longer than it was asked for.
        let most = u64::try_from(self.timeout_ms).unwrap_or(0);
        at.now + std::time::Duration::from_millis(left.min(most))
    }

    pub(super) fn is_prepared(&self) -> bool {
        matches!(self.phase, Phase::Prepared { .. })
    }

    /// Who speaks is who has the id now.
    pub(super) fn check(&self, producer: Producer) -> Result<()> {
        if producer.id != self.producer.id {
            return Err(Error::UnknownProducer);
        }
        if producer.epoch != self.producer.epoch {
            return Err(Error::ProducerFenced);
        }
        Ok(())
    }

    /// A producer takes the transactional id, or goes on with it.
    pub(super) fn init(&mut self, init: &Init) -> Result<Step> {
        if let Some(current) = init.current {
            self.check_current(current)?;
        }
        match self.phase {
            Phase::Prepared { .. } => return Ok(Step::Wait),
            Phase::Ongoing => {
                self.fence();
                // Its owner may ask again with what it knows.
                self.last_epoch = init.current.map(|current| current.epoch);
                return Ok(Step::Aborted);
            }
            Phase::Empty | Phase::Complete { .. } => {}
        }
        self.timeout_ms = init.timeout_ms;
        let is_repeat = init.current.is_some_and(|c| c != self.producer);
        if is_repeat {
            return Ok(Step::Changed);
        }
        self.last_epoch = init.current.map(|_| self.producer.epoch);
        if self.producer.epoch.0 >= EPOCH_MAX {
            self.rotate(init.fresh);
        } else {
            self.producer.epoch.0 += 1;
        }
        self.end();
        Ok(Step::Changed)
    }

    /// What a producer has is what there is, or what it had before its last bump, whose answer it
    /// has not seen.
    fn check_current(&self, current: Producer) -> Result<()> {
        let has_it = current == self.producer;
        let had_it = current.id == self.producer.id && Some(current.epoch) == self.last_epoch;
        let rotated = Some(current.id) == self.previous
            && current.epoch.0 == EPOCH_MAX
            && self.producer.epoch.0 == 0
            && self.phase != Phase::Ongoing;
        match has_it || had_it || rotated {
            true => Ok(()),
            false => Err(Error::ProducerFenced),
        }
    }

    fn rotate(&mut self, fresh: ProducerId) {
        self.previous = Some(self.producer.id);
        self.producer = Producer {
            id: fresh,
            epoch: ProducerEpoch(0),
        };
    }

    /// No transaction is open.
    fn end(&mut self) {
        self.phase = Phase::Empty;
        self.partitions.clear();
        self.started = TimestampMs::NONE;
        self.next = None;
    }

    /// Aborts the open transaction under a higher epoch: whoever wrote it can do so no more.
    pub(super) fn fence(&mut self) {
        assert!(self.is_open(), "only what is open is aborted");
        assert!(self.producer.epoch.0 < i16::MAX, "clients get epochs below");
        self.producer.epoch.0 += 1;
        self.last_epoch = None;
        self.phase = Phase::Prepared { committed: false };
    }

    /// Partitions join the transaction; the first ones open it.
    pub(super) fn add(
        &mut self,
        producer: Producer,
        protocol: Protocol,
        partitions: &Partitions,
        now: TimestampMs,
    ) -> Result<Step> {
        self.check(producer)?;
        if self.is_prepared() {
            return Ok(Step::Wait);
        }
        let known = |(topic, indexes): (&String, &std::collections::BTreeSet<i32>)| {
            let there = self.partitions.get(topic);
            there.is_some_and(|there| indexes.is_subset(there))
        };
        if self.is_open() && partitions.iter().all(known) {
            return Ok(Step::Known);
        }
        if !self.is_open() {
            self.end();
            self.phase = Phase::Ongoing;
            self.started = now;
            self.protocol = protocol;
        }
        // What has used an epoch for itself goes on so.
        self.protocol = self.protocol.max(protocol);
        for (topic, indexes) in partitions {
            let there = self.partitions.entry(topic.clone()).or_default();
            there.extend(indexes);
        }
        Ok(Step::Changed)
    }

    pub(super) fn has(&self, topic: &str, partition: i32) -> bool {
        let there = self.partitions.get(topic);
        self.is_open() && there.is_some_and(|there| there.contains(&partition))
    }

    pub(super) fn end_by_client(&mut self, end: &End) -> Result<Step> {
        match end.protocol {
            Protocol::Classic => self.end_classic(end),
            Protocol::Epochs => self.end_with_epoch(end),
        }
    }

    fn end_classic(&mut self, end: &End) -> Result<Step> {
        self.check(end.producer)?;
        match self.phase {
            Phase::Ongoing => {
                self.phase = Phase::Prepared {
                    committed: end.committed,
                };
                Ok(Step::Prepared)
            }
            Phase::Complete { committed } if committed == end.committed => Ok(Step::Known),
            Phase::Prepared { committed } if committed == end.committed => Ok(Step::Wait),
            _ => Err(Error::InvalidTransactionState),
        }
    }

    /// A repeated request carries the epoch before the bump; one with the present epoch is about
    /// the next transaction, which may be aborted before it has any partition.
    fn end_with_epoch(&mut self, end: &End) -> Result<Step> {
        if !self.is_repeated_end(end.producer) {
            self.check(end.producer)?;
            return match (self.phase, end.committed) {
                (Phase::Ongoing, committed) => Ok(self.prepare(committed, end.fresh)),
                (Phase::Empty | Phase::Complete { .. }, false) => {
                    self.end();
                    Ok(self.prepare(false, end.fresh))
                }
                (Phase::Empty | Phase::Complete { .. }, true) => {
                    Err(Error::InvalidTransactionState)
                }
                // The Java client may end a transaction ahead of its records. That is not fenced: it
                // comes again, and its records are there by then.
                (Phase::Prepared { .. }, _) => Err(Error::ConcurrentTransactions),
            };
        }
        match self.phase {
            Phase::Prepared { committed } if committed == end.committed => Ok(Step::Wait),
            Phase::Complete { committed } if committed == end.committed => Ok(Step::Known),
            _ => Err(Error::InvalidTransactionState),
        }
    }

    fn is_repeated_end(&self, producer: Producer) -> bool {
        let ended = matches!(self.phase, Phase::Prepared { .. } | Phase::Complete { .. });
        let bumped = producer.id == self.producer.id && Some(producer.epoch) == self.last_epoch;
        let rotated = Some(producer.id) == self.previous
            && producer.epoch.0 == EPOCH_MAX
            && self.producer.epoch.0 == 0;
        ended && (bumped || rotated)
    }

    /// Decides, under the epoch of the next transaction.
    fn prepare(&mut self, committed: bool, fresh: Option<ProducerId>) -> Step {
        self.protocol = Protocol::Epochs;
        self.last_epoch = Some(self.producer.epoch);
        self.producer.epoch.0 += 1;
        if self.producer.epoch.0 > EPOCH_MAX {
            self.next = fresh;
        }
        self.phase = Phase::Prepared { committed };
        Step::Prepared
    }

    /// What a client that ended a transaction writes with from now on.
    pub(super) fn after_end(&self) -> Producer {
        match self.next {
            Some(id) => Producer {
                id,
                epoch: ProducerEpoch(0),
            },
            None => self.producer,
        }
    }

    /// All markers are there.
    pub(super) fn complete(&mut self) {
        let Phase::Prepared { committed } = self.phase else {
            panic!("only what is prepared is completed");
        };
        let next = self.next;
        self.end();
        self.phase = Phase::Complete { committed };
        if let Some(next) = next {
            self.rotate(next);
        }
    }

    /// The markers that a prepared transaction needs.
    pub(super) fn mark(&self, id: &str) -> Option<Mark> {
        let Phase::Prepared { committed } = self.phase else {
            return None;
        };
        Some(Mark {
            id: id.to_owned(),
            producer: self.producer,
            protocol: self.protocol,
            committed,
            partitions: self.partitions.clone(),
        })
    }
}
