//! A disk whose requests fail, take long or are forgotten when told to: one file, served over `/dev/fuse`, that a loop device
//! makes a disk of. So errors come from below the file system, as those of a real disk do, whatever
//! way the broker asks for its I/O: system calls and io_uring alike.
//!
//! The kernel's protocol is that of `linux/fuse.h`, version 7.31; only what one file needs is
//! answered, everything else with ENOSYS.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corelog_base::Random;

/// Which request of the disk fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Target {
    /// A write that begins with a journal frame.
    JournalWrite,
    /// A write that begins with a record of a map.
    MapWrite,
    /// Any other write: segments, zeros ahead of a journal, the file system's own.
    OtherWrite,
    Flush,
    Read,
}

pub(crate) const TARGETS: [Target; 5] = [
    Target::JournalWrite,
    Target::MapWrite,
    Target::OtherWrite,
    Target::Flush,
    Target::Read,
];

/// What is to fail, and how often it has.
#[derive(Default, Debug)]
pub(crate) struct Faults {
    /// Fails after this many more requests of its kind; then it is over.
    armed: Option<(Target, u64)>,
    failed: u64,
    /// How long each write and flush takes.
    delay: Duration,
    /// Writes that no flush has followed yet, in their order.
    unflushed: Vec<Unflushed>,
    /// Nothing is answered while there are so many.
    hold_at: Option<usize>,
    is_held: bool,
}

/// A write that a power loss may take back, wholly or by sectors.
#[derive(Clone, Debug)]
struct Unflushed {
    at: u64,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// What of the unflushed writes is on the disk after a power loss.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Survivors {
    /// The first of them, and nothing after.
    Prefix,
    /// Any of them, in any order.
    Any,
    /// Any of their sectors of 512 bytes.
    Sectors,
}

pub(crate) const SURVIVORS: [Survivors; 3] =
    [Survivors::Prefix, Survivors::Any, Survivors::Sectors];

/// While it lives, the disk answers nothing.
pub(crate) struct Frozen<'a> {
    /// None only while it is dropped.
    state: Option<MutexGuard<'a, Faults>>,
    disk: &'a Disk,
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Some(mut state) = self.state.take() {
            state.hold_at = None;
            state.is_held = false;
        }
        self.disk.faults.changed.notify_all();
    }
}

impl Frozen<'_> {
    /// Writes to `to` what the disk would hold if power failed now. Gives how many writes were
    /// unflushed.
    ///
    /// # Errors
    /// If the image cannot be copied.
    pub(crate) fn lose_power(
        &self,
        to: &Path,
        survivors: Survivors,
        random: &mut Random,
    ) -> Result<usize, String> {
        let failed = |e: io::Error| format!("cut {}: {e}", to.display());
        std::fs::copy(&self.disk.image, to).map_err(failed)?;
        let file = OpenOptions::new().write(true).open(to).map_err(failed)?;
        let lost = self.state.as_ref().map_or(&[][..], |s| &s.unflushed);
        for write in lost.iter().rev() {
            file.write_all_at(&write.before, write.at).map_err(failed)?;
        }
        for (at, bytes) in surviving(lost, survivors, random) {
            file.write_all_at(bytes, at).map_err(failed)?;
        }
        Ok(lost.len())
    }
}

const SECTOR: usize = 512;

/// What is written after all, in which order.
fn surviving<'a>(
    lost: &'a [Unflushed],
    survivors: Survivors,
    random: &mut Random,
) -> Vec<(u64, &'a [u8])> {
    let bound = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let whole = lost.iter().map(|write| (write.at, write.after.as_slice()));
    if survivors == Survivors::Prefix {
        let count = random.below(bound(lost.len()) + 1);
        return whole.take(usize::try_from(count).unwrap_or(0)).collect();
    }
    let mut parts: Vec<(u64, &[u8])> = match survivors {
        Survivors::Sectors => whole
            .flat_map(|(at, bytes)| (at..).step_by(SECTOR).zip(bytes.chunks(SECTOR)))
            .collect(),
        _ => whole.collect(),
    };
    let per_mille = random.below(1001);
    parts.retain(|_| random.chance(per_mille));
    for last in (1..parts.len()).rev() {
        let other = usize::try_from(random.below(bound(last) + 1)).unwrap_or(0);
        parts.swap(last, other);
    }
    parts
}

/// The served file. Unmounted when dropped.
pub(crate) struct Disk {
    dir: PathBuf,
    image: PathBuf,
    faults: Arc<State>,
}

/// The name of the file in the mounted folder.
pub(crate) const NAME: &str = "disk";

const EIO: i32 = 5;
const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;
const REQUEST_HEADER: usize = 40;
const WRITE_MAX: u32 = 1 << 20;
const ROOT: u64 = 1;
const FILE: u64 = 2;

impl Disk {
    /// Serves `image` as the file `NAME` in the folder `dir`.
    ///
    /// # Errors
    /// In words why that is not possible here.
    pub(crate) fn serve(image: &Path, dir: &Path) -> Result<Self, String> {
        let failed = |what: &str, e: io::Error| format!("{what}: {e}");
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.map_err(|e| failed("/dev/fuse", e))?;
        let file = OpenOptions::new().read(true).write(true).open(image);
        let file = file.map_err(|e| failed("open the image", e))?;
        let handle = device.try_clone().map_err(|e| failed("/dev/fuse", e))?;
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "corelog-faults"]);
        mount.args(["-o", "fd=0,rootmode=40000,user_id=0,group_id=0"]);
        let output = mount.arg(dir).stdin(Stdio::from(handle)).output();
        let output = output.map_err(|e| failed("mount", e))?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("mount a FUSE file system: {}", error.trim()));
        }
        let faults: Arc<State> = Arc::default();
        let server = Server {
            device,
            file,
            faults: Arc::clone(&faults),
        };
        std::thread::spawn(move || server.run());
        Ok(Self {
            dir: dir.to_owned(),
            image: image.to_owned(),
            faults,
        })
    }

    /// The request of this kind after `skip` others fails with EIO.
    pub(crate) fn arm(&self, target: Target, skip: u64) {
        self.faults.lock().armed = Some((target, skip));
    }

    /// Nothing fails any more; gives how many requests did.
    pub(crate) fn heal(&self) -> u64 {
        let mut faults = self.faults.lock();
        faults.armed = None;
        std::mem::take(&mut faults.failed)
    }

    /// Answers nothing any more once `count` writes are unflushed, or after `patience`.
    pub(crate) fn freeze(&self, count: usize, patience: Duration) -> Frozen<'_> {
        let mut state = self.faults.lock();
        state.hold_at = Some(count);
        let waited = self
            .faults
            .changed
            .wait_timeout_while(state, patience, |state| !state.is_held);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Frozen {
            state: Some(state),
            disk: self,
        }
    }

    /// Each write and each flush takes so long from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        self.faults.lock().delay = delay;
    }

    pub(crate) fn failed(&self) -> u64 {
        self.faults.lock().failed
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).output();
    }
}

/// What the server and the scenario share.
#[derive(Default)]
struct State {
    faults: Mutex<Faults>,
    /// Held, or let go.
    changed: Condvar,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Server {
    device: File,
    file: File,
    faults: Arc<State>,
}

/// One request of the kernel.
struct Request<'a> {
    opcode: u32,
    node: u64,
    body: &'a [u8],
}

impl Request<'_> {
    fn u32_at(&self, at: usize) -> u32 {
        let bytes = self.body.get(at..).and_then(|b| b.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    fn u64_at(&self, at: usize) -> u64 {
        let bytes = self.body.get(at..).and_then(|b| b.first_chunk());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl Server {
    /// Ends when the kernel has unmounted it.
    fn run(mut self) {
        let mut buffer = vec![0; WRITE_MAX as usize + 4096];
        while let Ok(bytes) = self.device.read(&mut buffer) {
            let Some((header, body)) = buffer[..bytes].split_at_checked(REQUEST_HEADER) else {
                return;
            };
            let whole = Request {
                opcode: 0,
                node: 0,
                body: header,
            };
            let unique = whole.u64_at(8);
            let request = Request {
                opcode: whole.u32_at(4),
                node: whole.u64_at(16),
                body,
            };
            let Some(answer) = self.answer(&request) else {
                continue;
            };
            let (error, body) = match answer {
                Ok(body) => (0, body),
                Err(error) => (-error, Vec::new()),
            };
            let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
            let mut reply = Vec::with_capacity(16 + body.len());
            reply.extend(length.to_le_bytes());
            reply.extend(error.to_le_bytes());
            reply.extend(unique.to_le_bytes());
            reply.extend(body);
            // A request that was interrupted takes no answer.
            let _ = self.device.write_all(&reply);
        }
    }

    /// None: no answer is expected.
    fn answer(&self, request: &Request<'_>) -> Option<Result<Vec<u8>, i32>> {
        Some(match request.opcode {
            LOOKUP if request.body.strip_suffix(b"\0") == Some(NAME.as_bytes()) => {
                let mut entry = [FILE, 0, 0, 0, 0].map(u64::to_le_bytes).concat();
                entry.extend(self.attributes(FILE));
                Ok(entry)
            }
            LOOKUP => Err(ENOENT),
            FORGET | INTERRUPT | BATCH_FORGET => return None,
            GETATTR | SETATTR => {
                let mut out = [0u64, 0].map(u64::to_le_bytes).concat();
                out.extend(self.attributes(request.node));
                Ok(out)
            }
            OPEN => Ok([0u64, u64::from(OPEN_DIRECT_IO)]
                .map(u64::to_le_bytes)
                .concat()),
            OPENDIR => Ok(vec![0; 16]),
            READ => self.read(request),
            WRITE => self.write(request),
            FSYNC => self.sync(),
            READDIR | RELEASE | FLUSH | RELEASEDIR | DESTROY => Ok(Vec::new()),
            INIT => Ok(init(request)),
            _ => Err(ENOSYS),
        })
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        let bytes = match node {
            FILE => self.file.metadata().map_or(0, |m| m.len()),
            _ => 0,
        };
        let mode: u32 = if node == ROOT { 0o040_755 } else { 0o100_600 };
        let mut out = [node, bytes, bytes / 512, 0, 0, 0]
            .map(u64::to_le_bytes)
            .concat();
        // Three times in ns, mode, links, user, group, device, block size, flags.
        let rest = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0];
        out.extend(rest.map(u32::to_le_bytes).concat());
        out
    }

    fn read(&self, request: &Request<'_>) -> Result<Vec<u8>, i32> {
        self.pass(Target::Read)?;
        let mut bytes = vec![0; request.u32_at(16).min(WRITE_MAX) as usize];
        let read = self.file.read_at(&mut bytes, request.u64_at(8));
        bytes.truncate(read.map_err(|_| EIO)?);
        Ok(bytes)
    }

    fn write(&self, request: &Request<'_>) -> Result<Vec<u8>, i32> {
        let size = request.u32_at(16);
        let data = request.body.get(40..40 + size as usize).ok_or(EIO)?;
        self.pass(match data.get(..8) {
            Some(b"CLGFRAME") => Target::JournalWrite,
            Some(b"CLGSGMAP") => Target::MapWrite,
            _ => Target::OtherWrite,
        })?;
        let at = request.u64_at(8);
        let mut faults = self.faults.lock();
        let mut before = vec![0; data.len()];
        self.file.read_exact_at(&mut before, at).map_err(|_| EIO)?;
        self.file.write_all_at(data, at).map_err(|_| EIO)?;
        faults.unflushed.push(Unflushed {
            at,
            before,
            after: data.to_vec(),
        });
        if faults
            .hold_at
            .is_some_and(|at| faults.unflushed.len() >= at)
        {
            faults.is_held = true;
            self.faults.changed.notify_all();
            let held = self
                .faults
                .changed
                .wait_while(faults, |state| state.is_held);
            drop(held.unwrap_or_else(PoisonError::into_inner));
        }
        Ok([size, 0].map(u32::to_le_bytes).concat())
    }

    /// The image's own durability is of no interest: the machine stays up.
    fn sync(&self) -> Result<Vec<u8>, i32> {
        self.pass(Target::Flush)?;
        let mut faults = self.faults.lock();
        faults.unflushed.clear();
        drop(faults);
        Ok(Vec::new())
    }

    /// # Errors
    /// EIO, if it is this request's turn to fail.
    fn pass(&self, target: Target) -> Result<(), i32> {
        let mut faults = self.faults.lock();
        let delay = faults.delay;
        if !delay.is_zero() && target != Target::Read {
            drop(faults);
            std::thread::sleep(delay);
            faults = self.faults.lock();
        }
        match faults.armed {
            Some((armed, 0)) if armed == target => {
                faults.armed = None;
                faults.failed += 1;
                Err(EIO)
            }
            Some((armed, skip)) if armed == target => {
                faults.armed = Some((armed, skip - 1));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn init(request: &Request<'_>) -> Vec<u8> {
    let ahead = request.u32_at(8);
    // Reads and writes of 1 MiB, that is 256 pages.
    let flags = INIT_ASYNC_READ | INIT_BIG_WRITES | INIT_MAX_PAGES;
    let mut out = [7, 31, ahead, flags & request.u32_at(12)]
        .map(u32::to_le_bytes)
        .concat();
    out.extend([16u16, 12].map(u16::to_le_bytes).concat());
    out.extend([WRITE_MAX, 1].map(u32::to_le_bytes).concat());
    out.extend([256u16, 0].map(u16::to_le_bytes).concat());
    out.resize(64, 0);
    out
}

const INIT_ASYNC_READ: u32 = 1;
const INIT_BIG_WRITES: u32 = 1 << 5;
const INIT_MAX_PAGES: u32 = 1 << 22;
const OPEN_DIRECT_IO: u32 = 1;

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const SETATTR: u32 = 4;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const READDIR: u32 = 28;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const DESTROY: u32 = 38;
const BATCH_FORGET: u32 = 42;
