//! The ring itself and the slab of operations: what the driver does while it borrows them.
//!
//! Nothing here calls a waker or drops a value of somebody else: that is collected in a [`Sweep`]
//! and left to the driver, which does it without the borrow.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, cqueue, opcode, types};
use slab::Slab;

use super::remote::Remote;
use super::slot::{ACCEPTED_MAX, Accept, IGNORED, Slot, Ticket, WOKEN, Work};

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

pub(super) struct State {
    /// None after the shutdown.
    pub(super) ring: Option<IoUring>,
    pub(super) slots: Slab<Slot>,
    /// What the submission queue had no room for while the kernel was busy.
    pub(super) backlog: VecDeque<Chain>,
    generation: u32,
    pub(super) closing: bool,
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

impl Chain {
    pub(super) fn with_ticket(self, ticket: Ticket) -> Self {
        match self {
            Chain::One(entry) => Chain::One(entry.user_data(ticket.user_data(0))),
            Chain::Linked(first, second) => Chain::Linked(
                first.flags(Flags::IO_LINK).user_data(ticket.user_data(0)),
                second.user_data(ticket.user_data(1)),
            ),
        }
    }

    pub(super) fn halves(&self) -> u8 {
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
pub(super) struct Sweep {
    pub(super) count: usize,
    pub(super) woken: Vec<Waker>,
    pub(super) garbage: Vec<Slot>,
    pub(super) undelivered: Vec<Arc<Remote>>,
    /// The event counter was read and must be watched again.
    pub(super) event: Option<Ticket>,
    pub(super) cancel: Vec<Ticket>,
}

impl State {
    pub(super) fn new() -> io::Result<Self> {
        let ring = build()?;
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel's io_uring is too old: Linux 5.19 or later is needed",
            ));
        }
        Ok(Self {
            ring: Some(ring),
            slots: Slab::new(),
            backlog: VecDeque::new(),
            generation: 0,
            closing: false,
        })
    }

    /// No further operation is taken.
    pub(super) fn is_full(&self) -> bool {
        self.closing || self.slots.len() >= OPERATIONS_MAX
    }

    pub(super) fn insert(&mut self, work: Work, descriptor: Option<Rc<OwnedFd>>) -> Ticket {
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

    pub(super) fn slot(&mut self, ticket: Ticket) -> &mut Slot {
        let slot = &mut self.slots[ticket.key as usize];
        assert_eq!(slot.generation, ticket.generation);
        slot
    }

    /// What the kernel still works on, and in how many halves.
    pub(super) fn live(&self) -> impl Iterator<Item = (Ticket, u8)> + '_ {
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

    pub(super) fn push_event_read(&mut self, ticket: Ticket) {
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

    pub(super) fn cancel(&mut self, ticket: Ticket, halves: u8) {
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
    pub(super) unsafe fn push(&mut self, chain: Chain) {
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
    pub(super) fn wants_kernel(&mut self) -> bool {
        let backlog = !self.backlog.is_empty();
        let Some(ring) = &mut self.ring else {
            return false;
        };
        let queue = ring.submission();
        backlog || !queue.is_empty() || queue.taskrun() || queue.cq_overflow()
    }

    /// One visit to the kernel: submits, runs what it deferred, and waits if asked to.
    pub(super) fn enter(&mut self, wait: Option<Duration>) {
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

    pub(super) fn sweep(&mut self, sweep: &mut Sweep) {
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
