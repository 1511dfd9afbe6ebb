//! One partition's batches under way: their numbers, and what becomes of them. No I/O, no clock.
//!
//! Why nothing is written twice or out of order:
//! - A batch keeps its sequence through all tries, and the broker remembers the last five of a
//!   producer. So no batch is sent before the fifth one before it is settled, even where those in
//!   between are: the broker would forget a batch that is to be tried again.
//! - A producer that a partition has never seen may begin at any sequence. So until the first batch
//!   of an epoch is acknowledged, it is alone under way.
//! - After an error that may pass nothing is sent until every batch under way has its answer; then
//!   all that are left are sent again, in order.
//! - When a batch is given up, nobody knows whether it, or a copy of it that is still on its way,
//!   was or will be written. What follows goes under the next epoch, from sequence 0, and the broker
//!   refuses what is late. Batches behind a batch that the broker refused were not written (they
//!   would have left a gap), so they get new numbers; batches behind one that was given up for its
//!   time are given up too.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use corelog_base::{ProducerEpoch, ProducerId};
use corelog_record::{ProducerState, stamp_producer};
use corelog_wire::kafka::ErrorCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::ack::{Placed, Settles};
use super::open::OpenBatch;
use crate::{Error, Kind};

/// The broker remembers so many batches of a producer in a partition.
pub(super) const IN_FLIGHT_MAX: usize = 5;

/// What makes tries recognisable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
}

/// A request's number in the driver.
pub(super) type Request = u64;

struct Batch {
    id: u64,
    bytes: Bytes,
    records: i32,
    settles: Settles,
    deadline: Instant,
    /// The request that carries it; none if it is to be sent again, or settled.
    request: Option<Request>,
    /// It only keeps its place, behind one that is not settled.
    settled: bool,
    _room: OwnedSemaphorePermit,
}

impl Batch {
    fn is_due(&self) -> bool {
        self.request.is_none() && !self.settled
    }
}

/// Whether batches flow.
enum Standing {
    Flowing,
    /// Waits for the answers to what is under way; then it sends again what is left.
    Draining {
        error: Option<Error>,
    },
    /// Sends again from this moment on.
    Paused(Instant),
}

/// Whose batches they are.
#[derive(Clone, Copy)]
enum Numbering {
    /// Retries may write twice.
    Off,
    As(Identity),
    /// The epochs of the last id are used up.
    Exhausted,
}

pub(super) struct Lane {
    numbering: Numbering,
    /// Of the next new batch.
    sequence: i32,
    /// The broker has acknowledged a batch of this epoch.
    established: bool,
    /// What is left of the batches must get new numbers.
    renumber: bool,
    in_flight_max: usize,
    batches: VecDeque<Batch>,
    standing: Standing,
    /// Why the last try failed.
    last: Option<Error>,
    /// Batches that were settled since the driver last asked.
    settled: Vec<u64>,
}

impl Lane {
    pub(super) fn new(identity: Option<Identity>, in_flight_max: usize) -> Self {
        Self {
            numbering: identity.map_or(Numbering::Off, Numbering::As),
            sequence: 0,
            established: false,
            renumber: false,
            in_flight_max: in_flight_max.clamp(1, IN_FLIGHT_MAX),
            batches: VecDeque::new(),
            standing: Standing::Flowing,
            last: None,
            settled: Vec::new(),
        }
    }

    pub(super) fn needs_identity(&self) -> bool {
        matches!(self.numbering, Numbering::Exhausted)
    }

    pub(super) fn set_identity(&mut self, identity: Identity) {
        if self.needs_identity() {
            self.numbering = Numbering::As(identity);
        }
    }

    /// Why the last try failed, if none has succeeded since.
    pub(super) fn last_error(&self) -> Option<&Error> {
        self.last.as_ref()
    }

    pub(super) fn take_settled(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.settled)
    }

    /// When it wants to send again, if it waits for that.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        match self.standing {
            Standing::Paused(until) => Some(until),
            _ => None,
        }
    }

    fn window(&self) -> usize {
        match (self.numbering, self.established) {
            (Numbering::As(_), false) => 1,
            (Numbering::Exhausted, _) => 0,
            _ => self.in_flight_max,
        }
    }

    /// Batches that have no answer yet.
    pub(super) fn under_way(&self) -> usize {
        self.batches.iter().filter(|b| b.request.is_some()).count()
    }

    /// Whether a new batch may be sent now.
    pub(super) fn has_room(&self) -> bool {
        let flowing = matches!(self.standing, Standing::Flowing);
        flowing && self.batches.len() < self.window() && !self.batches.iter().any(Batch::is_due)
    }

    /// Numbers a batch and sends it with this request.
    pub(super) fn send(&mut self, open: OpenBatch, deadline: Instant, request: Request) -> Bytes {
        debug_assert!(self.has_room());
        let mut builder = open.builder;
        let records = builder.count();
        let state = self.number(records);
        builder.producer(state);
        let bytes = builder.finish().freeze();
        self.batches.push_back(Batch {
            id: open.id,
            bytes: bytes.clone(),
            records,
            settles: open.settles,
            deadline,
            request: Some(request),
            settled: false,
            _room: open.room,
        });
        bytes
    }

    fn number(&mut self, records: i32) -> ProducerState {
        let Numbering::As(identity) = self.numbering else {
            return ProducerState::NONE;
        };
        let state = ProducerState {
            id: identity.id,
            epoch: identity.epoch,
            base_sequence: self.sequence,
        };
        // Sequences wrap from 2^31 - 1 to 0.
        self.sequence = self.sequence.wrapping_add(records) & i32::MAX;
        state
    }

    /// The next batch that is sent again with this request, if one may be at this moment.
    pub(super) fn resend(&mut self, now: Instant, request: Request) -> Option<Bytes> {
        if self.needs_identity() {
            return None;
        }
        if let Standing::Paused(until) = self.standing
            && until <= now
        {
            self.standing = Standing::Flowing;
            self.renumber_rest();
        }
        let (flowing, window) = (matches!(self.standing, Standing::Flowing), self.window());
        if !flowing || self.under_way() >= window {
            return None;
        }
        let batch = self.batches.iter_mut().find(|batch| batch.is_due())?;
        batch.request = Some(request);
        Some(batch.bytes.clone())
    }

    fn renumber_rest(&mut self) {
        if !std::mem::take(&mut self.renumber) {
            return;
        }
        self.batches.retain(|batch| !batch.settled);
        for at in 0..self.batches.len() {
            let state = self.number(self.batches[at].records);
            let mut bytes = BytesMut::from(&self.batches[at].bytes[..]);
            stamp_producer(&mut bytes, state);
            self.batches[at].bytes = bytes.freeze();
        }
    }

    /// What was sent with one request goes with another.
    pub(super) fn moved(&mut self, from: Request, to: Request) {
        for batch in &mut self.batches {
            if batch.request == Some(from) {
                batch.request = Some(to);
            }
        }
    }

    /// What became of the batch that `request` carried.
    pub(super) fn answered(&mut self, request: Request, answer: Result<Placed, Error>) {
        let mut all = self.batches.iter();
        let Some(at) = all.position(|batch| batch.request == Some(request)) else {
            // It was given up meanwhile.
            return;
        };
        match answer {
            Ok(placed) => {
                self.established = true;
                self.last = None;
                self.settle(at, Ok(placed));
            }
            Err(error) => self.refused(at, error),
        }
    }

    fn refused(&mut self, at: usize, error: Error) {
        let code = match error.kind {
            Kind::Broker(code) => code,
            _ => ErrorCode::NONE,
        };
        let draining = matches!(self.standing, Standing::Draining { .. });
        match code {
            // It comes behind a batch that is to be sent again, or that was refused.
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER if at > 0 || draining => {
                self.batches[at].request = None;
                self.drain(None);
            }
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::UNKNOWN_PRODUCER_ID
            | ErrorCode::INVALID_PRODUCER_EPOCH
            | ErrorCode::PRODUCER_FENCED => {
                let context = format!("{error}: the broker misses what was written before");
                self.give_up(&Error::new(Kind::Sequence, context));
            }
            _ if error.is_retriable() => {
                self.batches[at].request = None;
                self.last = Some(error.clone());
                self.drain(Some(error));
            }
            // An earlier try wrote it, so long ago that its place is forgotten.
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER => self.settle(at, Err(error)),
            // The broker says no, and has not written it.
            code if code.0 > 0 => {
                self.settle(at, Err(error));
                self.forsake();
                self.renumber = true;
                self.drain(None);
            }
            // Whether it was written is not known.
            _ => self.give_up(&error),
        }
    }

    fn drain(&mut self, error: Option<Error>) {
        match &mut self.standing {
            Standing::Draining { error: first } => *first = first.take().or(error),
            _ => self.standing = Standing::Draining { error },
        }
    }

    /// Once every batch has its answer: why the rest is sent again, and that `pause` is awaited.
    /// Without an error it is sent at once.
    pub(super) fn drained(&mut self) -> Option<Option<Error>> {
        let Standing::Draining { error } = &mut self.standing else {
            return None;
        };
        if self.batches.iter().any(|batch| batch.request.is_some()) {
            return None;
        }
        Some(error.take())
    }

    pub(super) fn pause(&mut self, until: Instant) {
        self.standing = Standing::Paused(until);
    }

    fn settle(&mut self, at: usize, result: Result<Placed, Error>) {
        if let Some(batch) = self.batches.get_mut(at) {
            batch.settles.0.settle(result);
            batch.settled = true;
            batch.request = None;
            self.settled.push(batch.id);
        }
        while self.batches.pop_front_if(|batch| batch.settled).is_some() {}
    }

    /// Whether the time of the oldest batch is up.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let oldest = self.batches.front();
        oldest.is_some_and(|batch| batch.deadline <= now)
    }

    /// Fails all batches under way. What follows goes under the next epoch.
    pub(super) fn give_up(&mut self, error: &Error) {
        for batch in self.batches.drain(..).filter(|batch| !batch.settled) {
            batch.settles.0.settle(Err(error.clone()));
            self.settled.push(batch.id);
        }
        self.forsake();
        self.renumber = false;
        self.standing = Standing::Flowing;
    }

    fn forsake(&mut self) {
        self.sequence = 0;
        self.established = false;
        if let Numbering::As(identity) = self.numbering {
            let next = identity.epoch.0.checked_add(1);
            self.numbering = next.map_or(Numbering::Exhausted, |epoch| {
                Numbering::As(Identity {
                    epoch: ProducerEpoch(epoch),
                    ..identity
                })
            });
        }
    }
}
