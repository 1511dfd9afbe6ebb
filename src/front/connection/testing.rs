//! A runtime for tests of connections: virtual time, sockets in memory, no files. Time moves only
//! when nothing else can, so a test of a ten-minute timeout takes no time and is repeatable.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_base::{CoreId, Monotonic, TimestampMs};
use corelog_rt::{
    AlignedBuf, DirEntry, File, Listener, Notify, OpenMode, Runtime, Shared, Space, Stream,
};

type BoxedTask = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct World {
    tasks: Vec<Option<BoxedTask>>,
    timers: Vec<(Monotonic, Waker)>,
    /// What listens, if anything.
    accepts: VecDeque<io::Result<MemoryStream>>,
}

#[derive(Clone)]
pub(crate) struct TestRuntime {
    world: Shared<World>,
    woken: Arc<Mutex<VecDeque<usize>>>,
    now: Rc<Cell<Monotonic>>,
    accepted: Notify,
}

struct TaskWaker {
    task: usize,
    queued: AtomicBool,
    woken: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.woken.lock().unwrap().push_back(self.task);
        }
    }
}

impl TestRuntime {
    pub(crate) fn new() -> Self {
        Self {
            world: Shared::new(World::default()),
            woken: Arc::default(),
            now: Rc::new(Cell::new(Monotonic(1))),
            accepted: Notify::new(),
        }
    }

    /// Runs every task until none can go on at this time.
    pub(crate) fn settle(&self) {
        loop {
            let Some(task) = self.woken.lock().unwrap().pop_front() else {
                return;
            };
            let Some(mut future) = self.world.with(|world| world.tasks[task].take()) else {
                continue;
            };
            let waker = Waker::from(Arc::new(TaskWaker {
                task,
                queued: AtomicBool::new(false),
                woken: Arc::clone(&self.woken),
            }));
            if future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                self.world.with(|world| world.tasks[task] = Some(future));
            }
        }
    }

    /// Lets time pass, running what is due on the way.
    pub(crate) fn advance(&self, by: Duration) {
        let end = self.now.get() + by;
        loop {
            self.settle();
            let first = self.world.with(|w| w.timers.iter().map(|t| t.0).min());
            let Some(due) = first.filter(|due| *due <= end) else {
                break;
            };
            self.now.set(self.now.get().max(due));
            let fired: Vec<Waker> = self.world.with(|world| {
                let (fired, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut world.timers)
                    .into_iter()
                    .partition(|t| t.0 <= due);
                world.timers = rest;
                fired.into_iter().map(|t| t.1).collect()
            });
            fired.into_iter().for_each(Waker::wake);
        }
        self.now.set(end);
    }

    /// Connects to the listener; gives the client's side.
    pub(crate) fn dial(&self) -> Client {
        let pipe = Shared::new(Pipe::default());
        self.offer(Ok(MemoryStream(pipe.clone())));
        Client {
            pipe,
            rt: self.clone(),
        }
    }

    /// What the listener's next accept gives.
    pub(crate) fn offer(&self, accepted: io::Result<MemoryStream>) {
        self.world.with(|world| world.accepts.push_back(accepted));
        self.accepted.notify();
        self.settle();
    }
}

/// A socket in memory, from the server's side.
#[derive(Default)]
struct Pipe {
    to_server: BytesMut,
    client_closed: bool,
    server_closed: bool,
    to_client: Vec<u8>,
    /// How often the server sent.
    sends: usize,
    /// How many more bytes the client takes; none is without end.
    client_room: Option<usize>,
    wakers: Vec<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

pub(crate) struct Client {
    pipe: Shared<Pipe>,
    rt: TestRuntime,
}

impl Client {
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.pipe.with(|pipe| {
            pipe.to_server.extend_from_slice(bytes);
            pipe.wake();
        });
        self.rt.settle();
    }

    /// What has come since the last call.
    pub(crate) fn received(&self) -> Vec<u8> {
        self.pipe.with(|pipe| std::mem::take(&mut pipe.to_client))
    }

    pub(crate) fn close(&self) {
        self.pipe.with(|pipe| {
            pipe.client_closed = true;
            pipe.wake();
        });
        self.rt.settle();
    }

    /// Takes at most `bytes` more.
    pub(crate) fn limit(&self, bytes: Option<usize>) {
        self.pipe.with(|pipe| {
            pipe.client_room = bytes;
            pipe.wake();
        });
        self.rt.settle();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pipe.with(|pipe| pipe.server_closed)
    }

    /// How often the server has sent, whatever the size.
    pub(crate) fn sends(&self) -> usize {
        self.pipe.with(|pipe| pipe.sends)
    }

    /// What was sent and not yet read by the server.
    pub(crate) fn unread(&self) -> usize {
        self.pipe.with(|pipe| pipe.to_server.len())
    }
}

#[derive(Clone)]
pub(crate) struct MemoryStream(Shared<Pipe>);

impl Stream for MemoryStream {
    fn peer_addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    fn recv(
        &self,
        mut buf: BytesMut,
    ) -> impl Future<Output = (io::Result<usize>, BytesMut)> + 'static {
        let pipe = self.0.clone();
        poll_fn(move |cx| {
            pipe.with(|pipe| {
                let spare = buf.capacity() - buf.len();
                assert!(spare > 0);
                let bytes = pipe.to_server.len().min(spare);
                if bytes == 0 && !pipe.client_closed && !pipe.server_closed {
                    pipe.wakers.push(cx.waker().clone());
                    return Poll::Pending;
                }
                let taken = match pipe.server_closed {
                    true => BytesMut::new(),
                    false => pipe.to_server.split_to(bytes),
                };
                buf.extend_from_slice(&taken);
                Poll::Ready((Ok(taken.len()), std::mem::take(&mut buf)))
            })
        })
    }

    fn send(&self, parts: Vec<Bytes>) -> impl Future<Output = io::Result<()>> + 'static {
        let pipe = self.0.clone();
        pipe.with(|pipe| pipe.sends += 1);
        let mut left: VecDeque<u8> = parts.concat().into();
        poll_fn(move |cx| {
            pipe.with(|pipe| {
                if pipe.client_closed || pipe.server_closed {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                let room = pipe.client_room.unwrap_or(usize::MAX).min(left.len());
                pipe.to_client.extend(left.drain(..room));
                if let Some(rest) = &mut pipe.client_room {
                    *rest -= room;
                }
                if left.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                pipe.wakers.push(cx.waker().clone());
                Poll::Pending
            })
        })
    }

    fn close(&self) {
        self.0.with(|pipe| {
            pipe.server_closed = true;
            pipe.wake();
        });
    }
}

pub(crate) struct MemoryListener(TestRuntime);

impl Listener for MemoryListener {
    type Stream = MemoryStream;

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 9092)))
    }

    fn accept(&self) -> impl Future<Output = io::Result<MemoryStream>> + 'static {
        let rt = self.0.clone();
        async move {
            loop {
                if let Some(offered) = rt.world.with(|world| world.accepts.pop_front()) {
                    return offered;
                }
                rt.accepted.notified().await;
            }
        }
    }
}

/// No test of the door opens a file.
#[derive(Clone)]
pub(crate) enum NoFile {}

fn no_files<T: 'static>() -> impl Future<Output = io::Result<T>> + 'static {
    std::future::ready(Err(io::ErrorKind::Unsupported.into()))
}

impl Runtime for TestRuntime {
    type File = NoFile;
    type Listener = MemoryListener;
    type Stream = MemoryStream;

    fn core(&self) -> CoreId {
        CoreId(0)
    }
    fn now(&self) -> Monotonic {
        self.now.get()
    }
    fn wall(&self) -> TimestampMs {
        TimestampMs(1_700_000_000_000 + (self.now.get().0 / 1_000_000) as i64)
    }
    fn random(&self) -> u64 {
        4
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let index = self.world.with(|world| {
            world.tasks.push(Some(Box::pin(task)));
            world.tasks.len() - 1
        });
        self.woken.lock().unwrap().push_back(index);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        let rt = self.clone();
        let due = self.now.get() + duration;
        poll_fn(move |cx| {
            if rt.now.get() >= due {
                return Poll::Ready(());
            }
            let timer = (due, cx.waker().clone());
            rt.world.with(|world| world.timers.push(timer));
            Poll::Pending
        })
    }

    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }

    fn open(&self, _: &Path, _: OpenMode) -> impl Future<Output = io::Result<NoFile>> + 'static {
        no_files()
    }
    fn rename(&self, _: &Path, _: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
    fn remove_file(&self, _: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
    fn create_dir_all(&self, _: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
    fn remove_dir_all(&self, _: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
    fn read_dir(&self, _: &Path) -> impl Future<Output = io::Result<Vec<DirEntry>>> + 'static {
        no_files()
    }
    fn sync_dir(&self, _: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
    fn read_small(&self, _: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + 'static {
        no_files()
    }
    fn write_small(&self, _: &Path, _: Vec<u8>) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
    fn space(&self, _: &Path) -> impl Future<Output = io::Result<Space>> + 'static {
        no_files()
    }
    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static {
        std::future::ready(Ok(work()))
    }

    fn listen(&self, _: SocketAddr) -> impl Future<Output = io::Result<MemoryListener>> + 'static {
        std::future::ready(Ok(MemoryListener(self.clone())))
    }
    fn connect(&self, _: SocketAddr) -> impl Future<Output = io::Result<MemoryStream>> + 'static {
        no_files()
    }
}

impl File for NoFile {
    fn alignment(&self) -> u32 {
        match *self {}
    }
    fn bytes(&self) -> impl Future<Output = io::Result<u64>> + 'static {
        no_files()
    }
    fn read(
        &self,
        buf: AlignedBuf,
        _: u64,
    ) -> impl Future<Output = (io::Result<u32>, AlignedBuf)> + 'static {
        std::future::ready((Err(io::ErrorKind::Unsupported.into()), buf))
    }
    fn write(
        &self,
        buf: AlignedBuf,
        _: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        std::future::ready((Err(io::ErrorKind::Unsupported.into()), buf))
    }
    fn commit(
        &self,
        buf: AlignedBuf,
        _: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        std::future::ready((Err(io::ErrorKind::Unsupported.into()), buf))
    }
    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
    fn sync_all(&self) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
    fn set_len(&self, _: u64) -> impl Future<Output = io::Result<()>> + 'static {
        no_files()
    }
}
