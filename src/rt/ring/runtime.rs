//! The seam's [`Runtime`] on a core of the ring.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use corelog_base::{CoreId, Monotonic, TimestampMs};

use super::executor::{Core, Sleep};
use super::file::RingFile;
use super::listener::RingListener;
use super::ops;
use super::socket::RingStream;
use crate::blocking::Blocking;
use crate::cores::{self, CorePlan, Cores};
use crate::{DirEntry, OpenMode, Options, Runtime, Space, cold, sys};

/// One core of the ring runtime.
#[derive(Clone)]
pub struct RingRuntime(pub(super) Rc<Core>);

/// Starts a core for each plan and runs `main` on each. All of them start, or none.
///
/// # Errors
/// A thread or a ring could not be made; [`probe`](fn@crate::probe) says why in plain words.
pub fn start<F, Fut>(plans: Vec<CorePlan>, options: Options, main: F) -> io::Result<Cores>
where
    F: Fn(RingRuntime) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + 'static,
{
    cores::launch(plans, move |plan, ready, pulse| {
        let core = Blocking::start().and_then(|blocking| {
            cores::pin(plan);
            Core::new(plan.core, options, blocking)
        });
        match core {
            Err(error) => ready.failed(error),
            Ok(core) => {
                let runtime = RingRuntime(Rc::clone(&core));
                if ready.up() {
                    core.run(main(runtime), &pulse);
                } else {
                    drop(runtime);
                    core.run(async {}, &pulse);
                }
            }
        }
    })
}

impl RingRuntime {
    pub(crate) fn blocking(&self) -> &Blocking {
        self.0.blocking()
    }

    fn cold<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static {
        self.blocking().run(work)
    }
}

impl Runtime for RingRuntime {
    type File = RingFile;
    type Listener = RingListener;
    type Stream = RingStream;

    fn core(&self) -> CoreId {
        self.0.id()
    }

    fn now(&self) -> Monotonic {
        sys::monotonic()
    }

    fn wall(&self) -> TimestampMs {
        sys::wall()
    }

    fn random(&self) -> u64 {
        self.0.random()
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawn(Box::pin(task));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        Sleep::new(&self.0, duration)
    }

    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        let mut yielded = false;
        poll_fn(move |cx| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    fn open(
        &self,
        path: &Path,
        mode: OpenMode,
    ) -> impl Future<Output = io::Result<RingFile>> + 'static {
        let core = Rc::clone(&self.0);
        let path = path.to_path_buf();
        let opened = self.cold(move || cold::open(&path, mode));
        async move {
            let (file, alignment) = opened.await?;
            Ok(RingFile::new(core, file, alignment))
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let (from, to) = (from.to_path_buf(), to.to_path_buf());
        self.cold(move || std::fs::rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.cold(move || std::fs::remove_file(path))
    }

    fn create_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.cold(move || std::fs::create_dir_all(path))
    }

    fn remove_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.cold(move || cold::remove_dir_all(&path))
    }

    fn read_dir(&self, path: &Path) -> impl Future<Output = io::Result<Vec<DirEntry>>> + 'static {
        let path = path.to_path_buf();
        self.cold(move || cold::read_dir(&path))
    }

    fn sync_dir(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.cold(move || cold::sync_dir(&path))
    }

    fn read_small(&self, path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + 'static {
        let path = path.to_path_buf();
        self.cold(move || std::fs::read(path))
    }

    fn write_small(
        &self,
        path: &Path,
        bytes: Vec<u8>,
    ) -> impl Future<Output = io::Result<()>> + 'static {
        let path = path.to_path_buf();
        self.cold(move || cold::write_small(&path, &bytes))
    }

    fn space(&self, path: &Path) -> impl Future<Output = io::Result<Space>> + 'static {
        let path = path.to_path_buf();
        self.cold(move || cold::space(&path))
    }

    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static {
        self.cold(move || Ok(work()))
    }

    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<RingListener>> + 'static {
        std::future::ready(RingListener::bind(Rc::clone(&self.0), address))
    }

    fn connect(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<RingStream>> + 'static {
        let core = Rc::clone(&self.0);
        async move {
            let fd = Rc::new(sys::tcp_socket(address)?);
            ops::connect(core.driver(), &fd, address).await?;
            RingStream::new(core, fd, address)
        }
    }
}
