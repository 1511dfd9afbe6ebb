//! One runtime of the two, chosen when the cores start.
//!
//! The rooms above are generic over the runtime, and so is compiled anew for each what they do with
//! it. A process that may run on either therefore names [`AnyRuntime`]: the choice is a branch in
//! every operation, and the broker is compiled once. The ring's futures are kept as they are;
//! glommio's are boxed, so that they make no future of the ring larger.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_base::{CoreId, Monotonic, TimestampMs};
use pin_project_lite::pin_project;

use crate::glommio::{self, GlommioFile, GlommioListener, GlommioRuntime, GlommioStream};
use crate::ring::{self, RingFile, RingListener, RingRuntime, RingStream};
use crate::{
    AlignedBuf, CorePlan, Cores, DirEntry, File, Listener, OpenMode, Options, Runtime, RuntimeKind,
    Space, Stream,
};

/// One core of either runtime.
#[derive(Clone)]
pub enum AnyRuntime {
    Ring(RingRuntime),
    Glommio(GlommioRuntime),
}

/// A file of either runtime.
#[derive(Clone)]
pub enum AnyFile {
    Ring(RingFile),
    Glommio(GlommioFile),
}

/// A listening socket of either runtime.
pub enum AnyListener {
    Ring(RingListener),
    Glommio(GlommioListener),
}

/// A connected socket of either runtime.
#[derive(Clone)]
pub enum AnyStream {
    Ring(RingStream),
    Glommio(GlommioStream),
}

/// Starts a core for each plan and runs `main` on each. All of them start, or none.
///
/// # Errors
/// Those of [`ring::start`] and [`glommio::start`].
pub fn start<F, Fut>(
    kind: RuntimeKind,
    plans: Vec<CorePlan>,
    options: Options,
    main: F,
) -> io::Result<Cores>
where
    F: Fn(AnyRuntime) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + 'static,
{
    start_boxed(kind, plans, options, Box::new(move |rt| Box::pin(main(rt))))
}

/// Apart from [`start`], so that the runtimes are compiled here and not with each `main`.
fn start_boxed(
    kind: RuntimeKind,
    plans: Vec<CorePlan>,
    options: Options,
    main: Box<dyn Fn(AnyRuntime) -> Boxed<()> + Send + Sync>,
) -> io::Result<Cores> {
    match kind {
        RuntimeKind::Ring => ring::start(plans, options, move |rt| main(AnyRuntime::Ring(rt))),
        RuntimeKind::Glommio => {
            glommio::start(plans, options, move |rt| main(AnyRuntime::Glommio(rt)))
        }
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

pin_project! {
    /// What an operation of one of them returns.
    #[project = EitherProjection]
    enum Either<F, T> {
        Ring { #[pin] future: F },
        Glommio { future: Boxed<T> },
    }
}

impl<T, F: Future<Output = T>> Future for Either<F, T> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.project() {
            EitherProjection::Ring { future } => future.poll(cx),
            EitherProjection::Glommio { future } => future.as_mut().poll(cx),
        }
    }
}

/// Begins an operation; the same expression for both.
macro_rules! begin {
    ($this:expr, $inner:ident => $future:expr) => {
        match $this {
            Self::Ring($inner) => Either::Ring { future: $future },
            Self::Glommio($inner) => Either::Glommio {
                future: Box::pin($future),
            },
        }
    };
    ($this:expr, $inner:ident => $future:expr, $ring:path, $glommio:path) => {
        match $this {
            Self::Ring($inner) => {
                let future = $future;
                Either::Ring {
                    future: async move { future.await.map($ring) },
                }
            }
            Self::Glommio($inner) => {
                let future = $future;
                Either::Glommio {
                    future: Box::pin(async move { future.await.map($glommio) }),
                }
            }
        }
    };
}

/// Asks either one.
macro_rules! ask {
    ($this:expr, $inner:ident => $answer:expr) => {
        match $this {
            Self::Ring($inner) => $answer,
            Self::Glommio($inner) => $answer,
        }
    };
}

impl Runtime for AnyRuntime {
    type File = AnyFile;
    type Listener = AnyListener;
    type Stream = AnyStream;

    fn core(&self) -> CoreId {
        ask!(self, rt => rt.core())
    }

    fn now(&self) -> Monotonic {
        ask!(self, rt => rt.now())
    }

    fn wall(&self) -> TimestampMs {
        ask!(self, rt => rt.wall())
    }

    fn random(&self) -> u64 {
        ask!(self, rt => rt.random())
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        ask!(self, rt => rt.spawn(task));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        begin!(self, rt => rt.sleep(duration))
    }

    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        begin!(self, rt => rt.yield_now())
    }

    fn open(
        &self,
        path: &Path,
        mode: OpenMode,
    ) -> impl Future<Output = io::Result<AnyFile>> + 'static {
        begin!(self, rt => rt.open(path, mode), AnyFile::Ring, AnyFile::Glommio)
    }

    fn rename(&self, from: &Path, to: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, rt => rt.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, rt => rt.remove_file(path))
    }

    fn create_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, rt => rt.create_dir_all(path))
    }

    fn remove_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, rt => rt.remove_dir_all(path))
    }

    fn read_dir(&self, path: &Path) -> impl Future<Output = io::Result<Vec<DirEntry>>> + 'static {
        begin!(self, rt => rt.read_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, rt => rt.sync_dir(path))
    }

    fn read_small(&self, path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + 'static {
        begin!(self, rt => rt.read_small(path))
    }

    fn write_small(
        &self,
        path: &Path,
        bytes: Vec<u8>,
    ) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, rt => rt.write_small(path, bytes))
    }

    fn space(&self, path: &Path) -> impl Future<Output = io::Result<Space>> + 'static {
        begin!(self, rt => rt.space(path))
    }

    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static {
        ask!(self, rt => rt.blocking()).run(move || Ok(work()))
    }

    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<AnyListener>> + 'static {
        begin!(self, rt => rt.listen(address), AnyListener::Ring, AnyListener::Glommio)
    }

    fn connect(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<AnyStream>> + 'static {
        begin!(self, rt => rt.connect(address), AnyStream::Ring, AnyStream::Glommio)
    }
}

impl File for AnyFile {
    fn alignment(&self) -> u32 {
        ask!(self, file => file.alignment())
    }

    fn bytes(&self) -> impl Future<Output = io::Result<u64>> + 'static {
        begin!(self, file => file.bytes())
    }

    fn read(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<u32>, AlignedBuf)> + 'static {
        begin!(self, file => file.read(buf, position))
    }

    fn write(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        begin!(self, file => file.write(buf, position))
    }

    fn commit(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static {
        begin!(self, file => file.commit(buf, position))
    }

    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, file => file.sync_data())
    }

    fn sync_all(&self) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, file => file.sync_all())
    }

    fn set_len(&self, bytes: u64) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, file => file.set_len(bytes))
    }
}

impl Listener for AnyListener {
    type Stream = AnyStream;

    fn local_addr(&self) -> io::Result<SocketAddr> {
        ask!(self, listener => listener.local_addr())
    }

    fn accept(&self) -> impl Future<Output = io::Result<AnyStream>> + 'static {
        begin!(self, listener => listener.accept(), AnyStream::Ring, AnyStream::Glommio)
    }
}

impl Stream for AnyStream {
    fn peer_addr(&self) -> SocketAddr {
        ask!(self, stream => stream.peer_addr())
    }

    fn recv(&self, buf: BytesMut) -> impl Future<Output = (io::Result<usize>, BytesMut)> + 'static {
        begin!(self, stream => stream.recv(buf))
    }

    fn send(&self, parts: Vec<Bytes>) -> impl Future<Output = io::Result<()>> + 'static {
        begin!(self, stream => stream.send(parts))
    }

    fn close(&self) {
        ask!(self, stream => stream.close());
    }
}

#[cfg(test)]
#[path = "any_test.rs"]
mod tests;
