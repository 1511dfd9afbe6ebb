//! The seam's [`Runtime`] on a glommio executor.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::glommio::timer::Timer;
use ::glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use corelog_base::{CoreId, Monotonic, Random, TimestampMs, entropy};
use slab::Slab;

use super::file::{self, GlommioFile};
use super::socket::{GlommioListener, GlommioStream};
use crate::blocking::Blocking;
use crate::cores::{self, CorePlan, Cores, Pulse};
use crate::{
    DirEntry, Gate, OpenMode, Options, Runtime, RuntimeKind, Space, cold, oneshot, probe, sys,
};

/// How long glommio may sleep on tasks that it has overlooked.
const TICK: Duration = Duration::from_millis(10);
/// Glommio adds to an `Instant`, which must not overflow. Longer sleeps end after this, a year.
const SLEEP_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long an idle executor polls before it parks, with `spin`: in effect for ever, for the
/// ticker comes first.
const SPIN: Duration = Duration::from_secs(1);

/// One core of the glommio runtime.
#[derive(Clone)]
pub struct GlommioRuntime(pub(super) Rc<Core>);

pub(super) struct Core {
    id: CoreId,
    blocking: Blocking,
    random: RefCell<Random>,
    /// A waker of every task that lives, to end it at the shutdown. Bounded by whoever spawns.
    tasks: RefCell<Slab<Waker>>,
    closing: Cell<bool>,
    /// Operations whose memory the kernel may touch. They are not cancelled.
    operations: Gate,
    /// Devices of which glommio knows whether they can be polled; see `file`.
    pub(super) probed: RefCell<HashSet<u64>>,
}

/// Starts a core for each plan and runs `main` on each. All of them start, or none. Once a
/// process: glommio leaks a descriptor for each executor.
///
/// # Errors
/// The host does not allow it, or a thread could not be made.
pub fn start<F, Fut>(plans: Vec<CorePlan>, options: Options, main: F) -> io::Result<Cores>
where
    F: Fn(GlommioRuntime) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + 'static,
{
    // Where the host does not allow it, glommio would panic.
    probe(RuntimeKind::Glommio).map_err(io::Error::other)?;
    cores::launch(plans, move |plan, ready, pulse| {
        let made = Blocking::start().and_then(|blocking| {
            cores::pin(plan);
            Ok((executor(plan, options)?, blocking))
        });
        match made {
            Err(error) => ready.failed(error),
            Ok((executor, blocking)) => {
                let core = Rc::new(Core {
                    id: plan.core,
                    blocking,
                    random: RefCell::new(Random::new(entropy())),
                    tasks: RefCell::new(Slab::new()),
                    closing: Cell::new(false),
                    operations: Gate::new(),
                    probed: RefCell::new(HashSet::new()),
                });
                if ready.up() {
                    executor.run(run(GlommioRuntime(core), &main, pulse));
                }
            }
        }
    })
}

fn executor(plan: CorePlan, options: Options) -> io::Result<LocalExecutor> {
    // Only an executor that glommio has bound to a CPU spins.
    if let Some(cpu) = plan.cpu.filter(|_| options.spin) {
        let builder = LocalExecutorBuilder::new(Placement::Fixed(cpu)).spin_before_park(SPIN);
        match builder.make() {
            Ok(executor) => return Ok(executor),
            Err(error) => {
                tracing::warn!(core = plan.core.0, cpu, %error, "the core parks instead of spinning");
            }
        }
    }
    // The thread is pinned already, where that is allowed; glommio's own way refuses where not.
    let builder = LocalExecutorBuilder::new(Placement::Unbound);
    builder.make().map_err(io::Error::from)
}

async fn run<F, Fut>(rt: GlommioRuntime, main: &F, pulse: Pulse)
where
    F: Fn(GlommioRuntime) -> Fut,
    Fut: Future<Output = ()> + 'static,
{
    let rt2 = rt.clone();
    rt.spawn(async move {
        loop {
            pulse.beat();
            rt2.sleep(TICK).await;
        }
    });
    main(rt.clone()).await;
    rt.0.shutdown().await;
}

impl Core {
    /// Drops every task and waits for the operations that cannot be dropped.
    async fn shutdown(&self) {
        self.closing.set(true);
        while !self.tasks.borrow().is_empty() {
            let wakers: Vec<Waker> = self.tasks.borrow().iter().map(|t| t.1.clone()).collect();
            for waker in wakers {
                waker.wake();
            }
            futures_lite::future::yield_now().await;
        }
        self.operations.close().await;
        // Turns of the reactor in which it takes in the cancellations.
        for _ in 0..2 {
            Timer::new(Duration::from_millis(1)).await;
        }
    }

    /// Runs an operation to its end, whatever becomes of the future that is returned. None once
    /// the core shuts down.
    pub(super) fn operate<T: 'static, O>(
        self: &Rc<Self>,
        operation: O,
    ) -> impl Future<Output = Option<T>> + use<T, O>
    where
        O: Future<Output = T> + 'static,
    {
        let (tx, rx) = oneshot();
        if let Some(pass) = self.operations.enter() {
            ::glommio::spawn_local(async move {
                // It would be polled inside of this call; see `spawn`.
                futures_lite::future::yield_now().await;
                let out = operation.await;
                // Nobody may wait for it any more.
                drop(tx.send(out));
                drop(pass);
            })
            .detach();
        }
        rx
    }

    pub(super) fn cold<T, W>(&self, work: W) -> impl Future<Output = io::Result<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> io::Result<T> + Send + 'static,
    {
        self.blocking.run(work)
    }

    fn list(self: &Rc<Self>) -> Listed {
        Listed {
            core: Rc::clone(self),
            key: self.tasks.borrow_mut().insert(Waker::noop().clone()),
        }
    }
}

impl GlommioRuntime {
    pub(crate) fn blocking(&self) -> &Blocking {
        &self.0.blocking
    }

    /// In a box, so that what ends it at the shutdown is compiled once.
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        if self.0.closing.get() {
            return;
        }
        let mut running = Some((task, self.0.list()));
        let mut spawned = false;
        let task = poll_fn(move |cx| {
            let Some((task, listed)) = &mut running else {
                return Poll::Ready(());
            };
            // Glommio polls a task for the first time inside of the call that spawns it, where
            // the caller may be in the middle of a change.
            if !std::mem::replace(&mut spawned, true) {
                listed.keep(cx);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !listed.core.closing.get() {
                listed.keep(cx);
                if task.as_mut().poll(cx).is_pending() && !listed.core.closing.get() {
                    return Poll::Pending;
                }
            }
            // The task first: it leaves the list when nothing of it is left.
            if let Some((task, listed)) = running.take() {
                drop(task);
                drop(listed);
            }
            Poll::Ready(())
        });
        ::glommio::spawn_local(task).detach();
    }
}

/// A task's entry in the list of those that live.
struct Listed {
    core: Rc<Core>,
    key: usize,
}

impl Listed {
    /// Keeps the waker that ends the task at the shutdown.
    fn keep(&self, cx: &Context<'_>) {
        let mut tasks = self.core.tasks.borrow_mut();
        let place = &mut tasks[self.key];
        if !place.will_wake(cx.waker()) {
            let old = std::mem::replace(place, cx.waker().clone());
            drop(tasks);
            drop(old);
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let waker = self.core.tasks.borrow_mut().remove(self.key);
        drop(waker);
    }
}

impl Runtime for GlommioRuntime {
    type File = GlommioFile;
    type Listener = GlommioListener;
    type Stream = GlommioStream;

    fn core(&self) -> CoreId {
        self.0.id
    }

    fn now(&self) -> Monotonic {
        sys::monotonic()
    }

    fn wall(&self) -> TimestampMs {
        sys::wall()
    }

    fn random(&self) -> u64 {
        self.0.random.borrow_mut().next_u64()
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.spawn_boxed(Box::pin(task));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        let timer = Timer::new(duration.min(SLEEP_MAX));
        async move {
            timer.await;
        }
    }

    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }

    fn open(
        &self,
        path: &Path,
        mode: OpenMode,
    ) -> impl Future<Output = io::Result<GlommioFile>> + 'static {
        file::open(Rc::clone(&self.0), path.to_path_buf(), mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let (from, to) = (from.to_path_buf(), to.to_path_buf());
        self.0.cold(move || std::fs::rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.0.cold(move || std::fs::remove_file(path))
    }

    fn create_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.0.cold(move || std::fs::create_dir_all(path))
    }

    fn remove_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.0.cold(move || cold::remove_dir_all(&path))
    }

    fn read_dir(&self, path: &Path) -> impl Future<Output = io::Result<Vec<DirEntry>>> + 'static {
        let path = path.to_path_buf();
        self.0.cold(move || cold::read_dir(&path))
    }

    fn sync_dir(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.0.cold(move || cold::sync_dir(&path))
    }

    fn read_small(&self, path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + 'static {
        let path = path.to_path_buf();
        self.0.cold(move || std::fs::read(path))
    }

    fn write_small(
        &self,
        path: &Path,
        bytes: Vec<u8>,
    ) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.0.cold(move || cold::write_small(&path, &bytes))
    }

    fn space(&self, path: &Path) -> impl Future<Output = io::Result<Space>> + 'static {
        let path = path.to_path_buf();
        self.0.cold(move || cold::space(&path))
    }

    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static {
        self.0.cold(move || Ok(work()))
    }

    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<GlommioListener>> + 'static {
        std::future::ready(GlommioListener::bind(Rc::clone(&self.0), address))
    }

    fn connect(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<GlommioStream>> + 'static {
        GlommioStream::connect(address)
    }
}
