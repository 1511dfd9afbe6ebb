//! The ring and its slab: submits operations, owns their memory, reaps completions.
//!
//! No borrow of the slab is held while a waker is called or a value of somebody else is dropped:
//! both may come back here.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use io_uring::{opcode, types};

use super::remote::Remote;
use super::slot::{Accept, Done, Keep, Single, Ticket, WOKEN, Work};
use super::state::{Chain, State, Sweep};

/// One core's ring.
pub(super) struct Driver {
    state: RefCell<State>,
    /// Kept between reaps so that waking allocates nothing.
    woken: RefCell<Vec<Waker>>,
}

impl Driver {
    pub(super) fn new() -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            state: RefCell::new(State::new()?),
            woken: RefCell::new(Vec::new()),
        }))
    }

    /// A second descriptor of the ring, for messages from other rings.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        let state = self.state.borrow();
        let ring = state.ring.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        // SAFETY: the ring is open for as long as the borrow.
        let fd = unsafe { BorrowedFd::borrow_raw(ring.as_raw_fd()) };
        fd.try_clone_to_owned()
    }

    /// Starts an operation, refused (ENOBUFS) at the limit and after the shutdown.
    ///
    /// # Safety
    /// Every pointer in `chain` points to what `keep` owns on the heap, and stays right for as
    /// long as `keep` is not touched. Every descriptor in it is `descriptor`.
    pub(super) unsafe fn submit(
        self: &Rc<Self>,
        descriptor: &Rc<OwnedFd>,
        keep: Keep,
        chain: Chain,
    ) -> Op {
        let mut state = self.state.borrow_mut();
        let fate = if state.is_full() {
            Fate::Refused(keep)
        } else {
            let halves = chain.halves();
            let ticket = state.insert(
                Work::Single(Single {
                    waker: None,
                    halves,
                    awaited: halves,
                    results: [0; 2],
                    flags: 0,
                    abandoned: false,
                    keep,
                }),
                Some(Rc::clone(descriptor)),
            );
            // SAFETY: the slot now holds both until the last completion; see above.
            unsafe { state.push(chain.with_ticket(ticket)) };
            Fate::Submitted(ticket)
        };
        drop(state);
        Op {
            driver: Rc::clone(self),
            fate,
        }
    }

    /// Keeps a read of the event counter standing, so that a signal ends a park.
    pub(super) fn watch(&self, event: &Rc<OwnedFd>) {
        let mut state = self.state.borrow_mut();
        let ticket = state.insert(Work::Event(Box::new([0; 8])), Some(Rc::clone(event)));
        state.push_event_read(ticket);
    }

    /// Sends a wake-up to another core's ring with the next submission. False after the shutdown.
    pub(super) fn send_wake(&self, to: &Arc<Remote>) -> bool {
        let mut state = self.state.borrow_mut();
        if state.is_full() {
            return false;
        }
        let ticket = state.insert(Work::Wake(Arc::clone(to)), None);
        let entry = opcode::MsgRingData::new(types::Fd(to.ring_fd()), 0, WOKEN, None).build();
        // SAFETY: no pointers; the slot keeps the other ring's descriptor open.
        unsafe { state.push(Chain::One(entry).with_ticket(ticket)) };
        true
    }

    /// Submits what waits and lets the kernel run what it deferred, without waiting.
    pub(super) fn poll(&self) {
        let mut state = self.state.borrow_mut();
        if state.wants_kernel() {
            state.enter(None);
        }
    }

    /// Submits what waits, then waits for a completion, at most for `limit`.
    pub(super) fn park(&self, limit: Duration) {
        self.state.borrow_mut().enter(Some(limit));
    }

    /// Takes completions off the queue and wakes those who wait for them. Returns how many.
    pub(super) fn reap(&self) -> usize {
        let mut sweep = Sweep {
            woken: self.woken.take(),
            ..Sweep::default()
        };
        let mut state = self.state.borrow_mut();
        state.sweep(&mut sweep);
        for ticket in sweep.cancel.drain(..) {
            state.cancel(ticket, 1);
        }
        if let Some(ticket) = sweep.event {
            state.push_event_read(ticket);
        }
        drop(state);
        for remote in sweep.undelivered {
            remote.signal();
        }
        drop(sweep.garbage);
        for waker in sweep.woken.drain(..) {
            waker.wake();
        }
        // Waking may not reap, so nobody has put anything here meanwhile.
        self.woken.replace(sweep.woken);
        sweep.count
    }

    /// Cancels everything and waits until the kernel has let go of the last buffer. Whatever
    /// still holds an operation afterwards gets ENOBUFS from it, and no memory is shared.
    pub(super) fn shutdown(&self) {
        let mut state = self.state.borrow_mut();
        state.closing = true;
        let live: Vec<(Ticket, u8)> = state.live().collect();
        for (ticket, halves) in live {
            state.cancel(ticket, halves);
        }
        drop(state);
        loop {
            self.reap();
            let mut state = self.state.borrow_mut();
            if state.live().next().is_none() && state.backlog.is_empty() {
                // The ring goes first: only then is the last memory it could know of freed.
                let ring = state.ring.take();
                drop(state);
                drop(ring);
                return;
            }
            state.enter(Some(Duration::from_millis(50)));
        }
    }

    fn poll_op(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Done> {
        let mut state = self.state.borrow_mut();
        let slot = state.slot(ticket);
        let Work::Single(single) = &mut slot.work else {
            unreachable!("the ticket was given for a single operation")
        };
        if single.awaited > 0 {
            let old = keep_waker(&mut single.waker, cx);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let slot = state.slots.remove(ticket.key as usize);
        drop(state);
        let Work::Single(single) = slot.work else {
            unreachable!("looked at above")
        };
        Poll::Ready(Done {
            results: single.results,
            flags: single.flags,
            keep: single.keep,
        })
    }

    /// The future is gone.
    fn abandon(&self, ticket: Ticket) {
        let mut state = self.state.borrow_mut();
        let Work::Single(single) = &mut state.slot(ticket).work else {
            unreachable!("the ticket was given for a single operation")
        };
        let waker = single.waker.take();
        single.abandoned = true;
        let halves = single.halves;
        let garbage = if single.awaited == 0 {
            Some(state.slots.remove(ticket.key as usize))
        } else {
            // A pair is cancelled whole: to the half that has completed it means nothing.
            state.cancel(ticket, halves);
            None
        };
        drop(state);
        drop((waker, garbage));
    }

    /// Starts a multishot accept; None at the limit and after the shutdown.
    pub(super) fn arm_accept(&self, listener: &Rc<OwnedFd>) -> Option<Ticket> {
        let mut state = self.state.borrow_mut();
        if state.is_full() {
            return None;
        }
        let work = Work::Accept(Accept {
            waker: None,
            accepted: VecDeque::new(),
            finished: false,
            cancelled: false,
            abandoned: false,
        });
        let ticket = state.insert(work, Some(Rc::clone(listener)));
        let entry = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build();
        // SAFETY: no pointers; the slot keeps the descriptor open.
        unsafe { state.push(Chain::One(entry).with_ticket(ticket)) };
        Some(ticket)
    }

    /// The next connection; `Ready(None)` if this accept has ended and must be armed anew.
    pub(super) fn poll_accept(
        &self,
        ticket: Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<OwnedFd>>> {
        let mut state = self.state.borrow_mut();
        let Work::Accept(accept) = &mut state.slot(ticket).work else {
            unreachable!("the ticket was given for an accept")
        };
        if let Some(connection) = accept.accepted.pop_front() {
            return Poll::Ready(Some(connection));
        }
        if accept.finished {
            let slot = state.slots.remove(ticket.key as usize);
            drop(state);
            drop(slot);
            return Poll::Ready(None);
        }
        let old = keep_waker(&mut accept.waker, cx);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// The listener is gone: what was accepted for it is closed.
    pub(super) fn abandon_accept(&self, ticket: Ticket) {
        let mut state = self.state.borrow_mut();
        let Work::Accept(accept) = &mut state.slot(ticket).work else {
            unreachable!("the ticket was given for an accept")
        };
        accept.abandoned = true;
        let waker = accept.waker.take();
        let accepted = std::mem::take(&mut accept.accepted);
        let slot = if accept.finished {
            Some(state.slots.remove(ticket.key as usize))
        } else {
            state.cancel(ticket, 1);
            None
        };
        drop(state);
        drop((waker, accepted, slot));
    }

    /// Operations that the kernel has not completed.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.state.borrow().live().count()
    }
}

/// Remembers who to wake; gives back who was remembered before, to be dropped without a borrow.
fn keep_waker(place: &mut Option<Waker>, cx: &mut Context<'_>) -> Option<Waker> {
    match place {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => place.replace(cx.waker().clone()),
    }
}

enum Fate {
    Submitted(Ticket),
    Refused(Keep),
    Over,
}

/// An operation in flight. Dropping it abandons the result, never the memory.
pub(super) struct Op {
    driver: Rc<Driver>,
    fate: Fate,
}

impl Future for Op {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        match std::mem::replace(&mut self.fate, Fate::Over) {
            Fate::Submitted(ticket) => {
                let done = self.driver.poll_op(ticket, cx);
                if done.is_pending() {
                    self.fate = Fate::Submitted(ticket);
                }
                done
            }
            Fate::Refused(keep) => Poll::Ready(Done {
                results: [-libc::ENOBUFS; 2],
                flags: 0,
                keep,
            }),
            Fate::Over => panic!("polled after it was over"),
        }
    }
}

impl Drop for Op {
    fn drop(&mut self) {
        if let Fate::Submitted(ticket) = self.fate {
            self.driver.abandon(ticket);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Without a shutdown the kernel might still write into the slab's memory.
        let state = self.state.get_mut();
        assert!(state.ring.is_none() || state.live().next().is_none());
    }
}
