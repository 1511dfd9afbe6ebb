//! The one thing of a core that other threads touch: a queue of tasks to run, and a way to wake
//! the core for them.
//!
//! **No wake-up is lost.** A waker pushes its task, then looks whether the core is parked. The
//! core says that it parks, then looks whether a task was pushed. Both have a full fence between
//! the two steps, so at least one of them sees the other.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use async_task::Runnable;
use crossbeam_queue::SegQueue;

use super::driver::Driver;
use super::executor;
use crate::sys;

pub(super) struct Remote {
    /// Each task is in it at most once, so the tasks of the core bound it.
    queue: SegQueue<Runnable>,
    parked: AtomicBool,
    /// A second descriptor of the core's ring, so that the number stays right for as long as
    /// anybody may send to it.
    ring: OwnedFd,
    event: OwnedFd,
}

impl Remote {
    /// The core's end and the counter that its ring must watch.
    pub(super) fn new(driver: &Driver) -> io::Result<(Arc<Self>, Rc<OwnedFd>)> {
        let event = sys::event()?;
        let watched = Rc::new(event.try_clone()?);
        let remote = Arc::new(Self {
            queue: SegQueue::new(),
            parked: AtomicBool::new(false),
            ring: driver.duplicate()?,
            event,
        });
        Ok((remote, watched))
    }

    pub(super) fn ring_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    /// Called on any thread but the core's own.
    pub(super) fn push(self: &Arc<Self>, task: Runnable) {
        self.queue.push(task);
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::SeqCst) {
            let sent = executor::with_current(|core| core.driver().send_wake(self));
            if sent != Some(true) {
                self.signal();
            }
        }
    }

    /// Wakes the core without a ring.
    pub(super) fn signal(&self) {
        sys::signal(&self.event);
    }

    pub(super) fn pop(&self) -> Option<Runnable> {
        self.queue.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Says that the core is about to park. False if there is something to do after all.
    pub(super) fn try_park(&self) -> bool {
        self.parked.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.queue.is_empty() {
            return true;
        }
        self.unpark();
        false
    }

    pub(super) fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }
}
