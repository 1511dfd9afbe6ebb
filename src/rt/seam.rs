//! The traits that a runtime implements. Generics stop here: rooms above take `R: Runtime`.
//!
//! Every future returned here is `'static`: it owns what it works on. Dropping it abandons the
//! result, never the memory: an operation that the kernel may still touch keeps its buffer until
//! its last completion. After a drop it is unknown whether the operation took effect.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_base::{CoreId, Monotonic, TimestampMs};

use crate::AlignedBuf;

/// One core: a handle that is cheap to clone and never leaves its thread.
pub trait Runtime: Clone + 'static {
    type File: File;
    type Listener: Listener<Stream = Self::Stream>;
    type Stream: Stream;

    fn core(&self) -> CoreId;
    fn now(&self) -> Monotonic;
    fn wall(&self) -> TimestampMs;
    /// From a generator seeded at start: repeatable under simulation.
    fn random(&self) -> u64;

    /// Runs a task on this core until it ends or the runtime shuts down, which drops it. It is not
    /// polled before this call has returned.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
    /// Cancel-safe.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static;
    /// Lets every other task that is ready run once.
    fn yield_now(&self) -> impl Future<Output = ()> + 'static;

    /// Opens a file for direct I/O. For writing it is open once at a time: another such open waits
    /// a moment for the first to be closed, then fails with `ResourceBusy`.
    fn open(
        &self,
        path: &Path,
        mode: OpenMode,
    ) -> impl Future<Output = io::Result<Self::File>> + 'static;
    /// Renames over `to`. Durable only after `sync_dir` of the folder.
    fn rename(&self, from: &Path, to: &Path) -> impl Future<Output = io::Result<()>> + 'static;
    fn remove_file(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static;
    /// Creates the folder and its parents; fine if it exists.
    fn create_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static;
    /// Removes the folder and all in it; fine if it does not exist.
    fn remove_dir_all(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static;
    /// Sorted by name; `NotFound` if the folder does not exist.
    fn read_dir(&self, path: &Path) -> impl Future<Output = io::Result<Vec<DirEntry>>> + 'static;
    /// Makes names in this folder durable.
    fn sync_dir(&self, path: &Path) -> impl Future<Output = io::Result<()>> + 'static;
    /// Reads a small file whole (buffered).
    fn read_small(&self, path: &Path) -> impl Future<Output = io::Result<Vec<u8>>> + 'static;
    /// Replaces a small file: temporary file, flush, rename, flush of the folder. Durable when Ok.
    fn write_small(
        &self,
        path: &Path,
        bytes: Vec<u8>,
    ) -> impl Future<Output = io::Result<()>> + 'static;
    fn space(&self, path: &Path) -> impl Future<Output = io::Result<Space>> + 'static;

    /// Runs work that would hold the core for too long on the thread for cold work, after what
    /// waits there. Dropping the future abandons the result; the work is done all the same, unless
    /// so much waits already that it waits for room.
    ///
    /// # Errors
    /// If the runtime ends first: the work was not done.
    fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static;

    /// Listens with SO_REUSEPORT, so that each core accepts on its own.
    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Listener>> + 'static;
    fn connect(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + 'static;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    Read,
    ReadWrite,
    /// Read and write; creates an empty file, and fails with `AlreadyExists` if there is one.
    CreateNew,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirEntry {
    /// The name without the folder.
    pub name: PathBuf,
    pub is_dir: bool,
    pub bytes: u64,
}

/// Of the file system that a path is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

/// A file open for direct I/O. Clones share it; the last one closes it.
///
/// Positions and the lengths of buffers are multiples of [`File::alignment`], except that a read
/// may end at the end of the file.
pub trait File: Clone + 'static {
    /// The largest of 4096, what statx reports for direct I/O, and the physical block.
    fn alignment(&self) -> u32;
    fn bytes(&self) -> impl Future<Output = io::Result<u64>> + 'static;
    /// Reads up to `buf.capacity()` bytes and sets `buf`'s length to what was read; fewer than
    /// the capacity only at the end of the file.
    fn read(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<u32>, AlignedBuf)> + 'static;
    /// Writes all of `buf[..len]`, without a flush. Short writes are continued inside.
    fn write(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static;
    /// Writes all of `buf[..len]` and makes it durable: when it returns Ok, power loss cannot take
    /// it. Makes nothing else durable, not even an earlier `write` to this file.
    fn commit(
        &self,
        buf: AlignedBuf,
        position: u64,
    ) -> impl Future<Output = (io::Result<()>, AlignedBuf)> + 'static;
    /// fdatasync: every completed write of this file becomes durable.
    fn sync_data(&self) -> impl Future<Output = io::Result<()>> + 'static;
    /// fsync.
    fn sync_all(&self) -> impl Future<Output = io::Result<()>> + 'static;
    /// Any length, aligned or not.
    fn set_len(&self, bytes: u64) -> impl Future<Output = io::Result<()>> + 'static;
}

pub trait Listener: 'static {
    type Stream: Stream;
    /// With port 0 in the request, the port that was given.
    fn local_addr(&self) -> io::Result<SocketAddr>;
    /// Cancel-safe. `EMFILE` and the like come back as errors; the caller backs off.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + 'static;
}

/// A connected socket with TCP_NODELAY. Clones share it; one may receive while another sends.
/// At most one `recv` and one `send` at a time.
pub trait Stream: Clone + 'static {
    fn peer_addr(&self) -> SocketAddr;
    /// Appends what has arrived to `buf`, at most its spare capacity, which must not be 0.
    /// Returns how many bytes were appended; 0 means that the peer has closed.
    fn recv(&self, buf: BytesMut) -> impl Future<Output = (io::Result<usize>, BytesMut)> + 'static;
    /// Sends all parts in order, gathered, without copying them.
    fn send(&self, parts: Vec<Bytes>) -> impl Future<Output = io::Result<()>> + 'static;
    /// Shuts down both directions: a pending `recv` ends. Idempotent.
    fn close(&self);
}
