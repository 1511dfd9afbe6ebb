//! One core of a simulated host, behind the seam.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corelog_base::{CoreId, Monotonic, TimestampMs};
use corelog_rt::{AlignedBuf, DirEntry, File, OpenMode, Runtime, Space};

use crate::executor::Sim;
use crate::file::SimFile;
use crate::host::Host;
use crate::listener::{self, SimListener};
use crate::request::{Reply, Request};
use crate::stream::{SimStream, host_address};
use crate::time::{Sleep, Yield};
use crate::world::Task;

/// The wall clock when a simulation begins.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// A core of one life of a host.
#[derive(Clone)]
pub struct SimRuntime {
    pub(crate) sim: Sim,
    pub(crate) host: usize,
    pub(crate) core: CoreId,
    pub(crate) life: u64,
    /// Of the core, in the world.
    pub(crate) index: usize,
}

impl SimRuntime {
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    pub fn host(&self) -> Host {
        Host::new(self.sim.clone(), self.host)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.sim.0.with(|world| {
            world.host(self.host).life == self.life && !world.cores[self.index].stopped
        })
    }

    /// Dropped at once if the process is gone.
    pub(crate) fn spawn_task(&self, task: Task) {
        if self.is_alive() {
            self.sim.0.with(|world| world.spawn(self.index, task));
        }
    }

    /// The host that has an address; None if there is none.
    pub(crate) fn host_of(&self, address: SocketAddr) -> Option<usize> {
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            return Some(self.host);
        }
        let hosts = self.sim.0.with(|world| world.hosts.len());
        (0..hosts).find(|host| address.ip() == host_address(*host))
    }

    #[track_caller]
    fn done(self, request: Request) -> impl Future<Output = io::Result<()>> + 'static {
        let asked = self.ask(request);
        async move {
            asked.await.map(|reply| {
                assert!(matches!(reply, Reply::Done));
            })
        }
    }

    #[track_caller]
    fn open_file(
        self,
        path: PathBuf,
        mode: OpenMode,
    ) -> impl Future<Output = io::Result<SimFile>> + 'static {
        let asked = self.ask(Request::Open { path, mode });
        async move {
            let opened = asked.await?.opened();
            let lock = match mode {
                OpenMode::Read => None,
                _ => Some(self.host().disk(|disk| disk.lock(opened, self.life))?),
            };
            Ok(SimFile::new(self, opened, lock))
        }
    }

    async fn read_whole(self, path: PathBuf) -> io::Result<Vec<u8>> {
        let file = self.clone().open_file(path, OpenMode::Read).await?;
        let bytes = file.bytes().await?;
        let (result, buf) = file
            .read(AlignedBuf::with_capacity(bytes.max(1) as usize), 0)
            .await;
        result?;
        Ok(buf.to_vec())
    }

    /// The same steps as on a real machine, so that a crash between them leaves the same.
    async fn replace(self, path: PathBuf, bytes: Vec<u8>) -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let mut temporary = path.clone().into_os_string();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let opened = self
            .clone()
            .open_file(temporary.clone(), OpenMode::CreateNew)
            .await;
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mode = OpenMode::ReadWrite;
                let file = self.clone().open_file(temporary.clone(), mode).await?;
                file.set_len(0).await?;
                file
            }
            other => other?,
        };
        if !bytes.is_empty() {
            self.ask(file.small(&bytes)).await?;
        }
        file.sync_all().await?;
        self.rename(&temporary, &path).await?;
        self.sync_dir(&folder).await
    }
}

impl Runtime for SimRuntime {
    type File = SimFile;
    type Listener = SimListener;
    type Stream = SimStream;

    fn core(&self) -> CoreId {
        self.core
    }

    fn now(&self) -> Monotonic {
        self.sim.now()
    }

    fn wall(&self) -> TimestampMs {
        self.sim.0.with(|world| {
            let skew = world.host(self.host).wall_skew_ms;
            TimestampMs(EPOCH_MS + skew + (world.now.0 / 1_000_000) as i64)
        })
    }

    fn random(&self) -> u64 {
        self.sim.0.with(|world| world.random.next_u64())
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.spawn_task(Box::pin(task));
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        Sleep::new(&self.sim, duration)
    }

    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        Yield::new(self.clone())
    }

    #[track_caller]
    fn open(
        &self,
        path: &Path,
        mode: OpenMode,
    ) -> impl Future<Output = io::Result<SimFile>> + 'static {
        self.clone().open_file(path.to_owned(), mode)
    }

    #[track_caller]
    fn rename(&self, from: &Path, to: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.clone().done(Request::Rename { from, to })
    }

    #[track_caller]
    fn remove_file(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        self.clone().done(Request::RemoveFile(path.to_owned()))
    }

    #[track_caller]
    fn create_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        self.clone().done(Request::CreateDirAll(path.to_owned()))
    }

    #[track_caller]
    fn remove_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        self.clone().done(Request::RemoveDirAll(path.to_owned()))
    }

    #[track_caller]
    fn read_dir(&self, path: &Path) -> impl Future<Output = io::Result<Vec<DirEntry>>> + 'static {
        let asked = self.ask(Request::ReadDir(path.to_owned()));
        async move { asked.await.map(Reply::entries) }
    }

    #[track_caller]
    fn sync_dir(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static {
        self.clone().done(Request::SyncDir(path.to_owned()))
    }

    fn read_small(&self, path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + 'static {
        self.clone().read_whole(path.to_owned())
    }

    fn write_small(
        &self,
        path: &Path,
        bytes: Vec<u8>,
    ) -> impl Future<Output = io::Result<()>> + 'static {
        self.clone().replace(path.to_owned(), bytes)
    }

    #[track_caller]
    fn space(&self, _path: &Path) -> impl Future<Output = io::Result<Space>> + 'static {
        let asked = self.ask(Request::Space);
        async move { asked.await.map(Reply::space) }
    }

    /// Here and now: what takes a core's time takes none in this world.
    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static {
        let rt = self.clone();
        async move {
            rt.yield_now().await;
            Ok(work())
        }
    }

    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<SimListener>> + 'static {
        let rt = self.clone();
        async move { SimListener::new(rt, address) }
    }

    fn connect(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<SimStream>> + 'static {
        listener::connect(self.clone(), address)
    }
}
