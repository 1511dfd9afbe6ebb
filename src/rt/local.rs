//! Primitives for tasks of one core. None of them crosses a thread; none needs a runtime.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::mem::replace;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::Runtime;

/// A core's state, reached by one closure at a time. The closure is not async, so no borrow of
/// the state lives across an await: take an owned plan, await, look up again, apply.
pub struct Shared<T>(Rc<RefCell<T>>);

impl<T> Shared<T> {
    pub fn new(state: T) -> Self {
        Self(Rc::new(RefCell::new(state)))
    }

    /// # Panics
    /// If called from within itself: a bug of the caller.
    pub fn with<O>(&self, visit: impl FnOnce(&mut T) -> O) -> O {
        visit(&mut self.0.borrow_mut())
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// A [`Shared`] that keeps nothing alive: for state that refers back to what owns it.
pub struct WeakShared<T>(Weak<RefCell<T>>);

impl<T> Shared<T> {
    pub fn downgrade(&self) -> WeakShared<T> {
        WeakShared(Rc::downgrade(&self.0))
    }
}

impl<T> WeakShared<T> {
    /// None once the last [`Shared`] is gone.
    pub fn upgrade(&self) -> Option<Shared<T>> {
        self.0.upgrade().map(Shared)
    }
}

impl<T> Clone for WeakShared<T> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0))
    }
}

/// Remembers whom to wake. Gives back who was remembered before: dropping a waker may run code, so
/// that must not happen inside a borrow.
#[must_use]
fn keep_waker(place: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match place {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => place.replace(cx.waker().clone()),
    }
}

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
    sender_gone: bool,
    receiver_gone: bool,
}

/// One value from one task to another of the same core.
pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Shared::new(Slot {
        value: None,
        waker: None,
        sender_gone: false,
        receiver_gone: false,
    });
    (Sender(slot.clone()), Receiver(slot))
}

pub struct Sender<T>(Shared<Slot<T>>);
pub struct Receiver<T>(Shared<Slot<T>>);

impl<T> Sender<T> {
    /// Gives the value back if nobody waits for it any more.
    pub fn send(self, value: T) -> Result<(), T> {
        let waker = self.0.with(|slot| {
            if slot.receiver_gone {
                return Err(value);
            }
            slot.value = Some(value);
            Ok(slot.waker.take())
        })?;
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Nobody waits for the value any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.with(|slot| slot.receiver_gone)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = self.0.with(|slot| {
            slot.sender_gone = true;
            slot.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let unused = self.0.with(|slot| {
            slot.receiver_gone = true;
            (slot.waker.take(), slot.value.take())
        });
        // Outside: either may run code that comes back here.
        drop(unused);
    }
}

impl<T> Future for Receiver<T> {
    /// None if the sender was dropped without sending.
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut old = None;
        self.0.with(|slot| match slot.value.take() {
            Some(value) => Poll::Ready(Some(value)),
            None if slot.sender_gone => Poll::Ready(None),
            None => {
                old = keep_waker(&mut slot.waker, cx);
                Poll::Pending
            }
        })
    }
}

struct NotifyState {
    set: bool,
    waker: Option<Waker>,
}

/// A flag that one task waits for and others set. A notification before the wait is kept.
#[derive(Clone)]
pub struct Notify(Shared<NotifyState>);

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl Notify {
    pub fn new() -> Self {
        Self(Shared::new(NotifyState {
            set: false,
            waker: None,
        }))
    }

    pub fn notify(&self) {
        let waker = self.0.with(|state| {
            state.set = true;
            state.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits for the flag and clears it. Cancel-safe. One waiter at a time.
    pub fn notified(&self) -> impl Future<Output = ()> + 'static {
        let state = self.0.clone();
        poll_fn(move |cx| {
            let mut old = None;
            state.with(|state| {
                if std::mem::take(&mut state.set) {
                    return Poll::Ready(());
                }
                old = keep_waker(&mut state.waker, cx);
                Poll::Pending
            })
        })
    }
}

struct GateState {
    inside: Cell<u32>,
    closed: Cell<bool>,
    /// Who waits for the last to leave. Bounded by the tasks that close this gate.
    closers: RefCell<Vec<Waker>>,
}

/// Counts work in flight; shutdown closes it and waits until it is empty.
#[derive(Clone)]
pub struct Gate(Rc<GateState>);

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    pub fn new() -> Self {
        Self(Rc::new(GateState {
            inside: Cell::new(0),
            closed: Cell::new(false),
            closers: RefCell::new(Vec::new()),
        }))
    }

    /// None once the gate is closed.
    pub fn enter(&self) -> Option<GatePass> {
        if self.0.closed.get() {
            return None;
        }
        self.0.inside.set(self.0.inside.get() + 1);
        Some(GatePass(Rc::clone(&self.0)))
    }

    pub fn is_closed(&self) -> bool {
        self.0.closed.get()
    }

    pub fn inside(&self) -> u32 {
        self.0.inside.get()
    }

    /// Lets nobody in from now on, and waits until everybody has left. Any number of tasks may
    /// wait.
    pub async fn close(&self) {
        self.0.closed.set(true);
        poll_fn(|cx| {
            if self.0.inside.get() == 0 {
                return Poll::Ready(());
            }
            let mut closers = self.0.closers.borrow_mut();
            if !closers.iter().any(|waker| waker.will_wake(cx.waker())) {
                closers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Leaves the gate when dropped.
pub struct GatePass(Rc<GateState>);

impl Drop for GatePass {
    fn drop(&mut self) {
        let inside = self.0.inside.get() - 1;
        self.0.inside.set(inside);
        if inside == 0 {
            for waker in self.0.closers.take() {
                waker.wake();
            }
        }
    }
}

struct CreditsState {
    free: u64,
    total: u64,
    /// First in, first out: what was asked and who to wake. Bounded by the tasks of the core.
    waiters: VecDeque<(u64, u64, Waker)>,
    next_waiter: u64,
}

/// A budget in any unit, given first in, first out.
#[derive(Clone)]
pub struct Credits(Shared<CreditsState>);

impl Credits {
    pub fn new(total: u64) -> Self {
        Self(Shared::new(CreditsState {
            free: total,
            total,
            waiters: VecDeque::new(),
            next_waiter: 0,
        }))
    }

    pub fn free(&self) -> u64 {
        self.0.with(|state| state.free)
    }

    pub fn total(&self) -> u64 {
        self.0.with(|state| state.total)
    }

    /// Whether somebody waits for more than is free.
    pub fn is_awaited(&self) -> bool {
        self.0.with(|state| !state.waiters.is_empty())
    }

    /// Takes `amount` now, or nothing. Never overtakes a waiter.
    pub fn try_take(&self, amount: u64) -> Option<Credit> {
        let taken = self.0.with(|state| {
            let taken = state.waiters.is_empty() && state.free >= amount;
            if taken {
                state.free -= amount;
            }
            taken
        });
        taken.then(|| Credit {
            home: self.clone(),
            amount,
        })
    }

    /// Waits for `amount`, first in, first out. Cancel-safe.
    ///
    /// # Panics
    /// If `amount` exceeds the total: it would wait for ever.
    pub async fn take(&self, amount: u64) -> Credit {
        assert!(amount <= self.total());
        if let Some(credit) = self.try_take(amount) {
            return credit;
        }
        let ticket = Ticket {
            home: self.clone(),
            id: self.0.with(|state| {
                state.next_waiter += 1;
                state.next_waiter
            }),
        };
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            // Dropped outside the borrow, for that may run code.
            let mut old = None;
            ticket.home.0.with(|state| {
                let place = state.waiters.iter().position(|w| w.1 == ticket.id);
                if place.is_none_or(|p| p == 0)
                    && (place.is_some() || state.waiters.is_empty())
                    && state.free >= amount
                {
                    state.free -= amount;
                    return Poll::Ready(());
                }
                match place {
                    Some(place) => old = Some(replace(&mut state.waiters[place].2, waker)),
                    None => state.waiters.push_back((amount, ticket.id, waker)),
                }
                Poll::Pending
            })
        })
        .await;
        drop(ticket);
        Credit {
            home: self.clone(),
            amount,
        }
    }

    fn give(&self, amount: u64) {
        self.0.with(|state| {
            state.free += amount;
            assert!(state.free <= state.total);
        });
        self.wake_first();
    }

    fn wake_first(&self) {
        let waker = self.0.with(|state| {
            state
                .waiters
                .front()
                .filter(|w| w.0 <= state.free)
                .map(|w| w.2.clone())
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A place in the line; leaves it when dropped, so that a cancelled waiter holds nobody up.
struct Ticket {
    home: Credits,
    id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let place = self.home.0.with(|state| {
            let at = state.waiters.iter().position(|w| w.1 == self.id)?;
            state.waiters.remove(at)
        });
        // Outside the borrow: dropping its waker may run code.
        drop(place);
        self.home.wake_first();
    }
}

/// Part of a budget; goes back when dropped.
pub struct Credit {
    home: Credits,
    amount: u64,
}

impl Credit {
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Gives back all but `amount`.
    pub fn shrink_to(&mut self, amount: u64) {
        if amount < self.amount {
            let back = self.amount - amount;
            self.amount = amount;
            self.home.give(back);
        }
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.home.give(self.amount);
        }
    }
}

/// The time was up before the future was ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

/// Waits for a future, at most for `limit`; drops it when the time is up.
pub async fn timeout<R: Runtime, F: Future>(
    rt: &R,
    limit: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = pin!(rt.sleep(limit));
    poll_fn(|cx| {
        if let Poll::Ready(out) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(out));
        }
        sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

#[cfg(test)]
#[path = "local_test.rs"]
mod tests;
