//! Disk operations: asked, underway for a while, completed or interrupted.

use std::future::{Future, pending};
use std::io;
use std::panic::Location;
use std::path::PathBuf;
use std::time::Duration;

use corelog_base::{Random, crc32c};
use corelog_rt::local::Sender;
use corelog_rt::{DirEntry, OpenMode, Space, oneshot};

use crate::disk::{Data, Disk, Inode, Site, broken};
use crate::executor::Sim;
use crate::runtime::SimRuntime;
use crate::world::{Event, World};

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Kill,
    PowerLoss,
}

pub(crate) enum Request {
    Bytes(Inode),
    Read {
        file: Inode,
        position: u64,
        room: usize,
    },
    Write {
        file: Inode,
        data: Data,
    },
    Commit {
        file: Inode,
        data: Data,
    },
    /// `upto` is what was completed when it began; `ask` says it.
    Flush {
        file: Inode,
        upto: u64,
    },
    SetBytes {
        file: Inode,
        bytes: u64,
    },
    Open {
        path: PathBuf,
        mode: OpenMode,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    RemoveFile(PathBuf),
    CreateDirAll(PathBuf),
    RemoveDirAll(PathBuf),
    ReadDir(PathBuf),
    SyncDir(PathBuf),
    Space,
}

pub(crate) enum Reply {
    Done,
    Opened(Inode),
    Bytes(u64),
    Content(Vec<u8>),
    Entries(Vec<DirEntry>),
    Space(Space),
}

impl Reply {
    /// # Panics
    /// As the others below: if the request was for something else.
    pub(crate) fn opened(self) -> Inode {
        match self {
            Reply::Opened(inode) => inode,
            _ => panic!("an open is answered by a file"),
        }
    }

    pub(crate) fn bytes(self) -> u64 {
        match self {
            Reply::Bytes(bytes) => bytes,
            _ => panic!("a question for the length is answered by it"),
        }
    }

    pub(crate) fn content(self) -> Vec<u8> {
        match self {
            Reply::Content(content) => content,
            _ => panic!("a read is answered by bytes"),
        }
    }

    pub(crate) fn entries(self) -> Vec<DirEntry> {
        match self {
            Reply::Entries(entries) => entries,
            _ => panic!("a listing is answered by entries"),
        }
    }

    pub(crate) fn space(self) -> Space {
        match self {
            Reply::Space(space) => space,
            _ => panic!("a question for space is answered by it"),
        }
    }
}

pub(crate) struct Underway {
    request: Request,
    /// It fails, whatever the rates say.
    breaks: bool,
    done: Sender<io::Result<Reply>>,
}

impl Underway {
    /// The process is gone: the operation happens, or not, or in part.
    pub(crate) fn interrupt(&self, disk: &mut Disk, random: &mut Random) {
        match &self.request {
            Request::Write { file, data } | Request::Commit { file, data } => {
                disk.write_some(*file, data, random);
            }
            Request::RemoveDirAll(path) => {
                // Fails only if it is not there.
                let _ = disk.remove_dir_all(path, random.below(10) as usize);
            }
            // Flushes keep nothing before they end.
            Request::Flush { .. } | Request::SyncDir(_) => {}
            other => {
                if random.chance(500) {
                    // Nobody is there to be told of an error.
                    let _ = carry_out(other, false, disk, random);
                }
            }
        }
    }
}

fn fails(random: &mut Random, ppm: u32) -> bool {
    ppm > 0 && random.below(1_000_000) < u64::from(ppm)
}

/// The effect of a request on the disk, all of it at once. With `breaks` it fails as it would by
/// chance.
fn carry_out(
    request: &Request,
    breaks: bool,
    disk: &mut Disk,
    random: &mut Random,
) -> io::Result<Reply> {
    let done = |()| Reply::Done;
    let has_effect = matches!(
        request,
        Request::Write { .. } | Request::Commit { .. } | Request::Flush { .. }
    );
    if breaks && !has_effect {
        return Err(broken());
    }
    match request {
        Request::Bytes(file) => Ok(Reply::Bytes(disk.bytes(*file))),
        Request::Read {
            file,
            position,
            room,
        } => {
            if fails(random, disk.faults.read_errors_ppm) {
                return Err(broken());
            }
            Ok(Reply::Content(disk.read(*file, *position, *room)))
        }
        Request::Write { file, data } => {
            if breaks || fails(random, disk.faults.write_errors_ppm) {
                disk.write_some(*file, data, random);
                return Err(broken());
            }
            disk.write(*file, data.clone()).map(done)
        }
        Request::Commit { file, data } => {
            let fails = breaks
                || fails(random, disk.faults.write_errors_ppm)
                || fails(random, disk.faults.flush_errors_ppm);
            if fails {
                disk.write_some(*file, data, random);
                let upto = disk.completed(*file);
                disk.flush_in_vain(*file, upto, random);
                return Err(broken());
            }
            match disk.faults.forgets_flushes {
                true => disk.write(*file, data.clone()).map(done),
                false => disk.commit(*file, data).map(done),
            }
        }
        Request::Flush { file, upto } => {
            if breaks || fails(random, disk.faults.flush_errors_ppm) {
                disk.flush_in_vain(*file, *upto, random);
                return Err(broken());
            }
            if !disk.faults.forgets_flushes {
                disk.flush(*file, *upto);
            }
            Ok(Reply::Done)
        }
        Request::SetBytes { file, bytes } => disk.set_bytes(*file, *bytes).map(done),
        names => change_names(names, disk, random),
    }
}

/// The same of requests about names and folders.
fn change_names(request: &Request, disk: &mut Disk, random: &mut Random) -> io::Result<Reply> {
    let done = |()| Reply::Done;
    match request {
        Request::Open { path, mode } => disk.open(path, *mode).map(Reply::Opened),
        Request::Rename { from, to } => disk.rename(from, to).map(done),
        Request::RemoveFile(path) => disk.remove_file(path).map(done),
        Request::CreateDirAll(path) => disk.create_dir_all(path).map(done),
        Request::RemoveDirAll(path) => disk.remove_dir_all(path, usize::MAX).map(done),
        Request::ReadDir(path) => disk.read_dir(path).map(Reply::Entries),
        Request::SyncDir(path) => {
            if fails(random, disk.faults.flush_errors_ppm) {
                return Err(broken());
            }
            disk.sync_dir(path).map(done)
        }
        Request::Space => Ok(Reply::Space(disk.space())),
        _ => unreachable!("it is about a file's bytes"),
    }
}

/// How long a healthy disk takes.
fn latency(world: &mut World, request: &Request) -> Duration {
    let pages = match request {
        Request::Write { data, .. } | Request::Commit { data, .. } => data.pages.len() as u64,
        Request::Read { room, .. } => *room as u64 / 4096,
        _ => 0,
    };
    // 4 KiB in 2 µs are 2 GB/s.
    let transfer = Duration::from_micros(2 * pages);
    transfer
        + match request {
            Request::Bytes(_) | Request::Space => world.latency(0, 2),
            Request::Read { .. } | Request::Write { .. } => world.latency(10, 100),
            Request::Commit { .. } | Request::Flush { .. } => world.latency(50, 500),
            Request::SyncDir(_) => world.latency(50, 1000),
            _ => world.latency(10, 200),
        }
}

fn operation(request: &Request) -> &'static str {
    match request {
        Request::Bytes(_) => "measure",
        Request::Read { .. } => "read",
        Request::Write { .. } => "write",
        Request::Commit { .. } => "commit",
        Request::Flush { .. } => "flush",
        Request::SetBytes { .. } => "cut",
        Request::Open { .. } => "open",
        Request::Rename { .. } => "rename",
        Request::RemoveFile(_) | Request::RemoveDirAll(_) => "remove",
        Request::CreateDirAll(_) => "create folder",
        Request::ReadDir(_) => "list",
        Request::SyncDir(_) => "flush folder",
        Request::Space => "space",
    }
}

/// What identifies a request in the trace.
fn fingerprint(request: &Request) -> u64 {
    match request {
        Request::Write { file, data } | Request::Commit { file, data } => {
            let pages = data.pages.iter();
            let sums = pages.map(|(_, page)| page.as_ref().map_or(0, |p| crc32c(&p[..])));
            sums.fold(file.0 ^ data.end, |sum, page| {
                sum.rotate_left(5).wrapping_add(u64::from(page))
            })
        }
        Request::Read { file, position, .. } => file.0 ^ position.rotate_left(32),
        Request::Flush { file, .. } | Request::Bytes(file) => file.0,
        _ => 1,
    }
}

impl SimRuntime {
    /// Asks at the first poll. Dropped later, it happens all the same. Never ends if the process has.
    #[track_caller]
    pub(crate) fn ask(
        &self,
        mut request: Request,
    ) -> impl Future<Output = io::Result<Reply>> + use<> + 'static {
        let rt = self.clone();
        let site = Site::new(operation(&request), Location::caller());
        async move {
            let (tx, rx) = oneshot();
            let begun = rt.sim.0.with(|world| {
                if world.host(rt.host).life != rt.life {
                    return false;
                }
                world.trace(fingerprint(&request));
                if let Request::Flush { file, upto } = &mut request {
                    *upto = world.host(rt.host).disk.completed(*file);
                }
                let slowness = world.host(rt.host).disk.faults.slowness.max(1);
                let delay = latency(world, &request) * slowness;
                world.next_operation += 1;
                let operation = world.next_operation;
                let host = rt.host;
                world.after(delay, Event::Disk { host, operation });
                let host = world.host(host);
                let underway = Underway {
                    request,
                    breaks: host.disk.visit(site),
                    done: tx,
                };
                host.underway.insert(operation, underway);
                true
            });
            if begun && let Some(result) = rx.await {
                return result;
            }
            pending().await
        }
    }
}

impl Sim {
    /// An operation has taken its time: it takes effect, unless a crash came before.
    pub(crate) fn complete(&self, host: usize, operation: u64) {
        let completed = self.0.with(|world| {
            let host = &mut world.hosts[host];
            let underway = host.underway.remove(&operation)?;
            let result = carry_out(
                &underway.request,
                underway.breaks,
                &mut host.disk,
                &mut world.random,
            );
            Some((underway, result))
        });
        if let Some((underway, result)) = completed {
            // Nobody may be left to hear it.
            let _ = underway.done.send(result);
        }
    }
}
