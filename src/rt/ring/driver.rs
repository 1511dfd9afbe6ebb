//! The ring and its slab: submits operations, owns their memory, reaps completions.
//!
//! No borrow of the slab is held while a waker is called or a value of somebody else is dropped:
//! both may come back here.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, cqueue, opcode, types};
use slab::Slab;

use super::remote::Remote;
use super::slot::{ACCEPTED_MAX, Accept, Done, IGNORED, Keep, Single, Slot, Ticket, WOKEN, Work};

/// Entries of the submission queue; a full one is submitted early.
const SUBMISSIONS: u32 = 512;
/// Entries of the completion queue. What does not fit stays in the kernel until there is room.
const COMPLETIONS: u32 = 4096;
/// Operations in flight on a core; more are refused with ENOBUFS.
const OPERATIONS_MAX: usize = 1 << 20;
const ENTER_GETEVENTS: u32 = 1;

/// What is submitted together.
pub(super) enum Chain {
    One(Entry),
    /// The second starts when the first has succeeded.
    Linked(Entry, Entry),
}

struct State {
    /// None after the shutdown.
    ring: Option<IoUring>,
    slots: Slab<Slot>,
    /// What the submission queue had no room for while the kernel was busy.
    backlog: VecDeque<Chain>,
    generation: u32,
    closing: bool,
}

/// One core's ring.
pub(super) struct Driver {
    state: RefCell<State>,
    /// Kept between reaps so that waking allocates nothing.
    woken: RefCell<Vec<Waker>>,
}

/// A ring as fast as this kernel lets it be.
fn build() -> io::Result<IoUring> {
    let mut error = None;
    for level in 0..3 {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS);
        if level < 2 {
            builder.setup_submit_all().setup_coop_taskrun();
            builder.setup_taskrun_flag();
        }
        if level < 1 {
            builder.setup_single_issuer().setup_defer_taskrun();
        }
        match builder.build(SUBMISSIONS) {
            Ok(ring) => return Ok(ring),
            // An older kernel says EINVAL to a flag that it does not know.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => error = Some(e),
            Err(e) => return Err(e),
        }
    }
    Err(error.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
}

impl Driver {
    pub(super) fn new() -> io::Result<Rc<Self>> {
        let ring = build()?;
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel's io_uring is too old: Linux 5.19 or later is needed",
            ));
        }
        Ok(Rc::new(Self {
            state: RefCell::new(State {
                ring: Some(ring),
                slots: Slab::new(),
                backlog: VecDeque::new(),
                generation: 0,
                closing: false,
            }),
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
        let fate = if state.closing || state.slots.len() >= OPERATIONS_MAX {
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
        if state.closing || state.slots.len() >= OPERATIONS_MAX {
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
        if state.closing || state.slots.len() >= OPERATIONS_MAX {
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
}

/// Remembers who to wake; gives back who was remembered before, to be dropped without a borrow.
fn keep_waker(place: &mut Option<Waker>, cx: &mut Context<'_>) -> Option<Waker> {
    match place {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => place.replace(cx.waker().clone()),
    }
}

impl Chain {
    fn with_ticket(self, ticket: Ticket) -> Self {
        match self {
            Chain::One(entry) => Chain::One(entry.user_data(ticket.user_data(0))),
            Chain::Linked(first, second) => Chain::Linked(
                first.flags(Flags::IO_LINK).user_data(ticket.user_data(0)),
                second.user_data(ticket.user_data(1)),
            ),
        }
    }

    fn halves(&self) -> u8 {
        match self {
            Chain::One(_) => 1,
            Chain::Linked(..) => 2,
        }
    }

    fn entries(&self) -> usize {
        usize::from(self.halves())
    }
}

/// What a look at the completion queue found, to be acted on without a borrow.
#[derive(Default)]
struct Sweep {
    count: usize,
    woken: Vec<Waker>,
    garbage: Vec<Slot>,
    undelivered: Vec<Arc<Remote>>,
    /// The event counter was read and must be watched again.
    event: Option<Ticket>,
    cancel: Vec<Ticket>,
}

impl State {
    fn insert(&mut self, work: Work, descriptor: Option<Rc<OwnedFd>>) -> Ticket {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let key = self.slots.insert(Slot {
            generation,
            work,
            _descriptor: descriptor,
        });
        // In range: the slab holds at most OPERATIONS_MAX and a few standing operations.
        Ticket {
            key: key as u32,
            generation,
        }
    }

    fn slot(&mut self, ticket: Ticket) -> &mut Slot {
        let slot = &mut self.slots[ticket.key as usize];
        assert_eq!(slot.generation, ticket.generation);
        slot
    }

    /// What the kernel still works on, and in how many halves.
    fn live(&self) -> impl Iterator<Item = (Ticket, u8)> + '_ {
        self.slots.iter().filter_map(|(key, slot)| {
            let halves = match &slot.work {
                Work::Single(single) if single.awaited == 0 => return None,
                Work::Accept(accept) if accept.finished => return None,
                Work::Single(single) => single.halves,
                Work::Accept(_) | Work::Event(_) | Work::Wake(_) => 1,
            };
            let ticket = Ticket {
                key: key as u32,
                generation: slot.generation,
            };
            Some((ticket, halves))
        })
    }

    fn push_event_read(&mut self, ticket: Ticket) {
        let slot = self.slot(ticket);
        let Some(event) = slot._descriptor.clone() else {
            unreachable!("the event slot holds its descriptor")
        };
        let Work::Event(counter) = &mut slot.work else {
            unreachable!("the ticket was given for the event counter")
        };
        let entry = opcode::Read::new(
            types::Fd(event.as_raw_fd()),
            counter.as_mut_ptr(),
            counter.len() as u32,
        )
        .build();
        // SAFETY: the counter is boxed in the slot, which lives until the completion.
        unsafe { self.push(Chain::One(entry).with_ticket(ticket)) };
    }

    fn cancel(&mut self, ticket: Ticket, halves: u8) {
        for half in 0..usize::from(halves) {
            let entry = opcode::AsyncCancel::new(ticket.user_data(half))
                .build()
                .user_data(IGNORED);
            // SAFETY: no pointers.
            unsafe { self.push(Chain::One(entry)) };
        }
    }

    /// Queues for the next submission. A chain is never torn over two submissions.
    ///
    /// # Safety
    /// As for [`Driver::submit`].
    unsafe fn push(&mut self, chain: Chain) {
        let room = |ring: &mut IoUring| {
            let queue = ring.submission();
            queue.capacity() - queue.len()
        };
        let Some(ring) = &mut self.ring else { return };
        if self.backlog.is_empty() && room(ring) < chain.entries() {
            self.enter(None);
        }
        let Some(ring) = &mut self.ring else { return };
        if !self.backlog.is_empty() || room(ring) < chain.entries() {
            self.backlog.push_back(chain);
            return;
        }
        // SAFETY: promised by the caller.
        unsafe { Self::fill(ring, &chain) };
    }

    /// # Safety
    /// As for [`Driver::submit`]; and there is room.
    unsafe fn fill(ring: &mut IoUring, chain: &Chain) {
        let mut queue = ring.submission();
        let pushed = match chain {
            // SAFETY: promised by the caller.
            Chain::One(entry) => unsafe { queue.push(entry) },
            Chain::Linked(first, second) => {
                // SAFETY: promised by the caller.
                unsafe { queue.push_multiple(&[first.clone(), second.clone()]) }
            }
        };
        assert!(pushed.is_ok(), "there was room");
    }

    /// Something to submit, or the kernel says that it has something for us.
    fn wants_kernel(&mut self) -> bool {
        let backlog = !self.backlog.is_empty();
        let Some(ring) = &mut self.ring else {
            return false;
        };
        let queue = ring.submission();
        backlog || !queue.is_empty() || queue.taskrun() || queue.cq_overflow()
    }

    /// One visit to the kernel: submits, runs what it deferred, and waits if asked to.
    fn enter(&mut self, wait: Option<Duration>) {
        let Some(ring) = &mut self.ring else { return };
        loop {
            while let Some(chain) = self.backlog.front() {
                let queue = ring.submission();
                if queue.capacity() - queue.len() < chain.entries() {
                    break;
                }
                drop(queue);
                // SAFETY: promised when it was pushed; its slot has lived since.
                unsafe { Self::fill(ring, chain) };
                self.backlog.pop_front();
            }
            let queued = ring.submission().len();
            let completed = !ring.completion().is_empty();
            let outcome = match wait {
                Some(limit) if self.backlog.is_empty() && !completed => {
                    let limit = types::Timespec::from(limit);
                    let args = types::SubmitArgs::new().timespec(&limit);
                    ring.submitter().submit_with_args(1, &args)
                }
                // SAFETY: no argument is passed.
                _ => unsafe {
                    let submitter = ring.submitter();
                    submitter.enter::<libc::sigset_t>(queued as u32, 0, ENTER_GETEVENTS, None)
                },
            };
            let submitted = match outcome {
                Ok(submitted) => submitted,
                Err(error) => match error.raw_os_error() {
                    // The time was up, a signal came, or completions must be reaped first.
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => return,
                    _ => panic!("the ring of a core failed: {error}"),
                },
            };
            if self.backlog.is_empty() || submitted == 0 {
                return;
            }
        }
    }

    fn sweep(&mut self, sweep: &mut Sweep) {
        let Some(ring) = &mut self.ring else { return };
        for cqe in ring.completion() {
            sweep.count += 1;
            let data = cqe.user_data();
            if data == IGNORED || data == WOKEN {
                continue;
            }
            let (ticket, half) = Ticket::from_user_data(data);
            let slot = &mut self.slots[ticket.key as usize];
            assert_eq!(
                slot.generation, ticket.generation,
                "a completion of its own"
            );
            let over = match &mut slot.work {
                Work::Single(single) => {
                    single.results[half] = cqe.result();
                    single.flags = cqe.flags();
                    single.awaited -= 1;
                    if single.awaited == 0 {
                        sweep.woken.extend(single.waker.take());
                    }
                    single.awaited == 0 && single.abandoned
                }
                Work::Accept(accept) => accept_one(accept, ticket, &cqe, sweep),
                Work::Event(_) => {
                    if !self.closing {
                        sweep.event = Some(ticket);
                    }
                    self.closing
                }
                Work::Wake(remote) => {
                    if cqe.result() < 0 {
                        sweep.undelivered.push(Arc::clone(remote));
                    }
                    true
                }
            };
            if over {
                sweep.garbage.push(self.slots.remove(ticket.key as usize));
            }
        }
    }
}

/// Takes in one completion of a multishot accept. True if the slot is over.
fn accept_one(accept: &mut Accept, ticket: Ticket, cqe: &cqueue::Entry, sweep: &mut Sweep) -> bool {
    accept.finished = !cqueue::more(cqe.flags());
    let result = cqe.result();
    let connection = if result >= 0 {
        // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
        Some(Ok(unsafe { OwnedFd::from_raw_fd(result) }))
    } else if result == -libc::ECANCELED {
        None
    } else {
        Some(Err(io::Error::from_raw_os_error(-result)))
    };
    if accept.abandoned {
        drop(connection);
        return accept.finished;
    }
    accept.accepted.extend(connection);
    if accept.accepted.len() >= ACCEPTED_MAX && !accept.finished && !accept.cancelled {
        accept.cancelled = true;
        sweep.cancel.push(ticket);
    }
    sweep.woken.extend(accept.waker.take());
    false
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
