//! The executor of one core.
//!
//! Tasks are not `Send`: they are made, polled and dropped on the core's thread. Only their wakers
//! travel; a waker on another thread hands the task over through [`Remote`].

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_task::{Builder, Runnable};
use corelog_base::{CoreId, Monotonic, Random, entropy};
use slab::Slab;

use super::driver::Driver;
use super::remote::Remote;
use super::timers::Timers;
use crate::blocking::Blocking;
use crate::cores::Pulse;
use crate::{Options, sys};

/// Tasks that run between two looks at ring and timers, so that busy tasks starve neither.
const TASKS_A_TURN: usize = 64;
/// The longest park: a core that lives has a heartbeat at least this often. In tests a park ends
/// by a wake-up or never, so that a lost one cannot hide.
const PARK_MAX: Duration = if cfg!(test) {
    Duration::from_secs(3600)
} else {
    Duration::from_millis(250)
};

/// One core: its tasks, ring and timers.
pub(super) struct Core {
    id: CoreId,
    options: Options,
    remote: Arc<Remote>,
    driver: Rc<Driver>,
    timers: Timers,
    blocking: Blocking,
    random: RefCell<Random>,
    ready: RefCell<VecDeque<Runnable>>,
    /// A waker of every task that lives, to end it at the shutdown. Bounded by whoever spawns.
    tasks: RefCell<Slab<Waker>>,
    closing: Cell<bool>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// Visits the core of the calling thread, if it has one.
pub(super) fn with_current<O>(visit: impl FnOnce(&Core) -> O) -> Option<O> {
    // A waker may be called while the thread ends and its locals are gone.
    let core = CURRENT.try_with(|c| c.borrow().clone()).ok().flatten()?;
    Some(visit(&core))
}

/// Where a waker puts its task: into the core's own queue, or over to its thread.
fn schedule(remote: &Arc<Remote>, task: Runnable) {
    let mut task = Some(task);
    with_current(|core| {
        if Arc::ptr_eq(&core.remote, remote)
            && let Some(task) = task.take()
        {
            core.ready.borrow_mut().push_back(task);
        }
    });
    if let Some(task) = task {
        remote.push(task);
    }
}

impl Core {
    /// Sets up the calling thread's core.
    pub(super) fn new(id: CoreId, options: Options, blocking: Blocking) -> io::Result<Rc<Self>> {
        let driver = Driver::new()?;
        let (remote, event) = Remote::new(&driver)?;
        driver.watch(&event);
        let core = Rc::new(Self {
            id,
            options,
            remote,
            driver,
            timers: Timers::default(),
            blocking,
            random: RefCell::new(Random::new(entropy())),
            ready: RefCell::new(VecDeque::new()),
            tasks: RefCell::new(Slab::new()),
            closing: Cell::new(false),
        });
        CURRENT.with(|current| {
            let before = current.replace(Some(Rc::clone(&core)));
            assert!(before.is_none(), "one core a thread");
        });
        Ok(core)
    }

    pub(super) fn id(&self) -> CoreId {
        self.id
    }

    pub(super) fn options(&self) -> Options {
        self.options
    }

    pub(super) fn driver(&self) -> &Rc<Driver> {
        &self.driver
    }

    pub(super) fn blocking(&self) -> &Blocking {
        &self.blocking
    }

    pub(super) fn random(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// After the shutdown has begun the task is dropped at once. The task comes in a box: what
    /// runs it would be compiled again for each kind otherwise, and there are very many.
    pub(super) fn spawn(self: &Rc<Self>, task: Pin<Box<dyn Future<Output = ()>>>) {
        if self.closing.get() {
            return;
        }
        let key = self.tasks.borrow().vacant_key();
        let listed = Listed {
            core: Rc::clone(self),
            key,
        };
        let task = async move {
            // Leaves the list when the task is over or dropped.
            let _listed = listed;
            task.await;
        };
        let remote = Arc::clone(&self.remote);
        let schedule = move |task| schedule(&remote, task);
        // SAFETY: the runnable is used and dropped on this thread alone: it is in the queue of
        // this core, or in that of its Remote, which only this core empties, and `shutdown`
        // empties both until no task lives. `schedule` is Send, Sync and 'static.
        let (runnable, handle) = unsafe {
            Builder::new()
                .propagate_panic(false)
                .spawn_unchecked(move |()| task, schedule)
        };
        let at = self.tasks.borrow_mut().insert(runnable.waker());
        assert_eq!(at, key);
        handle.detach();
        runnable.schedule();
    }

    /// Runs until `main` has ended, then shuts down: drops every task, cancels every operation,
    /// and waits until the kernel has let go of all memory.
    pub(super) fn run(self: &Rc<Self>, main: impl Future<Output = ()> + 'static, pulse: &Pulse) {
        let ended = Rc::new(Cell::new(false));
        let end = Rc::clone(&ended);
        self.spawn(Box::pin(async move {
            main.await;
            end.set(true);
        }));
        loop {
            pulse.beat();
            self.run_ready();
            if ended.get() {
                break;
            }
            self.visit_kernel();
            self.timers.fire(sys::monotonic);
        }
        self.shutdown();
    }

    /// Runs what was ready at the start of the turn, in order.
    fn run_ready(&self) {
        for _ in 0..TASKS_A_TURN {
            let Some(task) = self.remote.pop() else { break };
            self.ready.borrow_mut().push_back(task);
        }
        let count = self.ready.borrow().len().min(TASKS_A_TURN);
        for _ in 0..count {
            let task = self.ready.borrow_mut().pop_front();
            if let Some(task) = task {
                task.run();
            }
        }
    }

    fn visit_kernel(&self) {
        let busy = !self.ready.borrow().is_empty() || !self.remote.is_empty();
        let limit = if busy {
            Duration::ZERO
        } else {
            self.patience()
        };
        if limit.is_zero() || self.options.spin {
            self.driver.poll();
            let idle = self.driver.reap() == 0 && !limit.is_zero();
            if idle {
                // Kernel workers that flush for this core would wait behind a pure spinner.
                sys::yield_cpu();
            }
            return;
        }
        if self.remote.try_park() {
            self.driver.park(limit);
            self.remote.unpark();
        } else {
            self.driver.poll();
        }
        self.driver.reap();
    }

    /// How long an idle core may park.
    fn patience(&self) -> Duration {
        let timer = self.timers.until_next(sys::monotonic);
        timer.unwrap_or(PARK_MAX).min(PARK_MAX)
    }

    fn shutdown(&self) {
        self.closing.set(true);
        // A task leaves the list when its future is dropped, which happens when its runnable is.
        // Another thread may be between marking a task as scheduled and pushing it: then it comes
        // a moment later, and the loop waits for it.
        while !self.tasks.borrow().is_empty() {
            let wakers: Vec<Waker> = self.tasks.borrow().iter().map(|t| t.1.clone()).collect();
            for waker in wakers {
                waker.wake();
            }
            self.drop_ready();
            if !self.tasks.borrow().is_empty() {
                sys::yield_cpu();
            }
        }
        self.driver.shutdown();
        let current = CURRENT.with(|current| current.borrow_mut().take());
        drop(current);
    }

    fn drop_ready(&self) {
        loop {
            let own = self.ready.borrow_mut().pop_front();
            let Some(task) = own.or_else(|| self.remote.pop()) else {
                return;
            };
            drop(task);
        }
    }
}

/// A task's entry in the list of those that live.
struct Listed {
    core: Rc<Core>,
    key: usize,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let waker = self.core.tasks.borrow_mut().remove(self.key);
        drop(waker);
    }
}

/// Ready after a duration.
pub(super) struct Sleep {
    core: Rc<Core>,
    deadline: Monotonic,
    number: u64,
}

impl Sleep {
    pub(super) fn new(core: &Rc<Core>, duration: Duration) -> Self {
        Self {
            core: Rc::clone(core),
            deadline: sys::monotonic() + duration,
            number: core.timers.number(),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if sys::monotonic() >= self.deadline {
            return Poll::Ready(());
        }
        self.core.timers.set(self.deadline, self.number, cx);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.core.timers.clear(self.deadline, self.number);
    }
}

#[cfg(test)]
#[path = "executor_test.rs"]
mod tests;
