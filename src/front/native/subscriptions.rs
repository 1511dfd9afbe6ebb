//! The subscriptions of one connection: how many there may be, and what the client tells each.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

use corelog_rt::{Credit, Credits, Shared};
use corelog_wire::kafka::ErrorCode;

/// Of one connection.
const SUBSCRIPTIONS_MAX: usize = 64;
/// Partitions that a connection remembers in its own memory, in all its subscriptions.
const OWN_PARTS: u64 = 256;
/// What each takes while it is read: its place, what is asked of its core, and what was found.
const PART_BYTES: u64 = 256;

/// Clones share them.
#[derive(Clone)]
pub(super) struct Subscriptions {
    open: Shared<BTreeMap<u64, Control>>,
    own: Credits,
    /// Of the core.
    pool: Credits,
}

impl Subscriptions {
    pub(super) fn new(pool: Credits) -> Self {
        Self {
            open: Shared::new(BTreeMap::new()),
            own: Credits::new(OWN_PARTS),
            pool,
        }
    }

    /// A place for one more, with this id. None if there is one with this id.
    ///
    /// # Errors
    /// There are as many as there may be, or there is no memory for so many partitions.
    pub(super) fn begin(
        &self,
        id: u64,
        parts: usize,
        credit_bytes: u64,
    ) -> Result<Option<Place>, ErrorCode> {
        let (is_known, count) = self.open.with(|open| (open.contains_key(&id), open.len()));
        if is_known {
            return Ok(None);
        }
        if count >= SUBSCRIPTIONS_MAX {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let parts = parts as u64;
        let memory = self.own.try_take(parts);
        let memory = memory.or_else(|| self.pool.try_take(parts * PART_BYTES));
        let memory = memory.ok_or(ErrorCode::THROTTLING_QUOTA_EXCEEDED)?;
        let control = Control::new(credit_bytes);
        self.open.with(|open| open.insert(id, control.clone()));
        Ok(Some(Place {
            id,
            control,
            home: self.clone(),
            _memory: memory,
        }))
    }

    /// Nothing if it has ended meanwhile.
    pub(super) fn add_credit(&self, id: u64, bytes: u64) {
        if let Some(control) = self.open.with(|open| open.get(&id).cloned()) {
            control.change(|state| state.credit = state.credit.saturating_add(whole(bytes)));
        }
    }

    /// Nothing if it has ended meanwhile.
    pub(super) fn end(&self, id: u64) {
        if let Some(control) = self.open.with(|open| open.get(&id).cloned()) {
            control.change(|state| state.ended = true);
        }
    }
}

/// A subscription's own; it is forgotten when this is dropped.
pub(super) struct Place {
    pub(super) id: u64,
    pub(super) control: Control,
    home: Subscriptions,
    _memory: Credit,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.home.open.with(|open| open.remove(&self.id)));
    }
}

struct State {
    /// Below zero once a batch has overdrawn it.
    credit: i64,
    ended: bool,
    waker: Option<Waker>,
}

/// What the client has told one subscription. Only the subscription waits here.
#[derive(Clone)]
pub(super) struct Control(Shared<State>);

fn whole(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Control {
    fn new(credit_bytes: u64) -> Self {
        Self(Shared::new(State {
            credit: whole(credit_bytes),
            ended: false,
            waker: None,
        }))
    }

    fn change(&self, step: impl FnOnce(&mut State)) {
        let waker = self.0.with(|state| {
            step(state);
            state.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Bytes that may be sent; none are left below 1.
    pub(super) fn credit(&self) -> u64 {
        self.0
            .with(|state| u64::try_from(state.credit).unwrap_or(0))
    }

    pub(super) fn spend(&self, bytes: u64) {
        self.0
            .with(|state| state.credit = state.credit.saturating_sub(whole(bytes)));
    }

    /// Waits until the client wants no more.
    pub(super) fn ended(&self) -> impl Future<Output = ()> {
        self.until(|state| state.ended)
    }

    /// Waits until something may be sent.
    pub(super) fn has_credit(&self) -> impl Future<Output = ()> {
        self.until(|state| state.credit > 0)
    }

    fn until(&self, mut is_so: impl FnMut(&State) -> bool) -> impl Future<Output = ()> {
        let state = self.0.clone();
        poll_fn(move |cx: &mut Context<'_>| {
            let mut old = None;
            let is_so = state.with(|state| {
                let is_so = is_so(state);
                if !is_so {
                    old = state.waker.replace(cx.waker().clone());
                }
                is_so
            });
            drop(old);
            match is_so {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
    }
}
