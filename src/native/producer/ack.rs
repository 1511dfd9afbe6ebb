//! Waiting for acknowledgements: one place a batch, however many records wait on it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use corelog_base::{Offset, PartitionIndex, TimestampMs};

use crate::Error;
use crate::error::closed;

/// Where a record went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledged {
    pub partition: PartitionIndex,
    pub offset: Offset,
    /// Set where the topic stamps the time of the append.
    pub append_time: Option<TimestampMs>,
}

/// Where a batch went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    pub base_offset: Offset,
    pub append_time: Option<TimestampMs>,
}

/// What a batch's records wait for. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Settlement {
    partition: PartitionIndex,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
enum State {
    /// By the record's place in the batch.
    Waiting(Vec<Option<Waker>>),
    Settled(Result<Placed, Error>),
}

impl Settlement {
    pub(super) fn new(partition: PartitionIndex) -> Self {
        Self {
            partition,
            state: Arc::new(Mutex::new(State::Waiting(Vec::new()))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first result counts.
    pub(super) fn settle(&self, result: Result<Placed, Error>) {
        let mut state = self.lock();
        let State::Waiting(wakers) = &mut *state else {
            return;
        };
        let wakers = std::mem::take(wakers);
        *state = State::Settled(result);
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn poll(&self, place: usize, context: &Context<'_>) -> Poll<Result<Placed, Error>> {
        match &mut *self.lock() {
            State::Settled(result) => Poll::Ready(result.clone()),
            State::Waiting(wakers) => {
                if wakers.len() <= place {
                    wakers.resize(place + 1, None);
                }
                let slot = &mut wakers[place];
                if !slot.as_ref().is_some_and(|w| w.will_wake(context.waker())) {
                    *slot = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// The acknowledgement of the record at this place in the batch.
    pub(super) fn ack(&self, place: u32) -> Ack {
        Ack {
            settlement: self.clone(),
            place,
        }
    }
}

/// Owned by whoever must settle a batch. Dropped, nobody will: everyone is told so.
#[derive(Debug)]
pub(super) struct Settles(pub(super) Settlement);

impl Drop for Settles {
    fn drop(&mut self) {
        self.0.settle(Err(closed()));
    }
}

/// Resolves when a record is acknowledged or given up. Dropping it changes nothing: the record is
/// sent all the same.
#[derive(Debug)]
pub struct Ack {
    settlement: Settlement,
    place: u32,
}

impl Future for Ack {
    type Output = Result<Acknowledged, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let settled = self.settlement.poll(self.place as usize, context);
        settled.map(|result| {
            result.map(|placed| Acknowledged {
                partition: self.settlement.partition,
                offset: placed.base_offset.plus(i64::from(self.place)),
                append_time: placed.append_time,
            })
        })
    }
}
