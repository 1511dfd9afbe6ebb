//! Cold file work in blocking calls, run on a core's [`Blocking`](crate::blocking) thread.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::{DirEntry, OpenMode, Space, sys};

/// The least alignment of positions and lengths in direct I/O, in bytes.
const ALIGNMENT_MIN: u32 = 4096;

/// How long a file that a killed process still writes is waited for.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(3);
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(1);

/// Opens for direct I/O and finds the alignment that the file asks for.
pub(crate) fn open(path: &Path, mode: OpenMode) -> io::Result<(OwnedFd, u32)> {
    let file = OpenOptions::new()
        .read(true)
        .write(mode != OpenMode::Read)
        .create_new(mode == OpenMode::CreateNew)
        .custom_flags(libc::O_DIRECT | libc::O_CLOEXEC)
        .open(path)?;
    if mode != OpenMode::Read {
        take(&file)?;
    }
    let alignment = alignment(&file)?;
    Ok((OwnedFd::from(file), alignment))
}

/// Locks a file that is to be written. A process that was killed is gone before its ring is torn
/// down: until its last write has ended, the kernel keeps the file, and with it this lock.
fn take(file: &File) -> io::Result<()> {
    let deadline = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                let held = "the file is open for writing elsewhere";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, held));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_LOOK_EVERY),
        }
    }
}

/// A file without a name, which is gone when it is closed.
pub(crate) fn nameless(folder: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
        .open(folder)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// The largest of 4096, what statx reports for direct I/O, and the physical block.
fn alignment(file: &File) -> io::Result<u32> {
    let direct = sys::direct_io_alignment(file).unwrap_or(0);
    let block = physical_block(file.metadata()?.dev()).unwrap_or(0);
    let alignment = ALIGNMENT_MIN.max(direct).max(block);
    if alignment.is_power_of_two() {
        return Ok(alignment);
    }
    Err(io::Error::other(format!(
        "the device asks for an alignment of {alignment} bytes, which is no power of two"
    )))
}

/// None where the file system has no block device of its own (overlay, tmpfs, network).
fn physical_block(device: u64) -> Option<u32> {
    let node = PathBuf::from(format!(
        "/sys/dev/block/{}:{}",
        libc::major(device),
        libc::minor(device)
    ));
    // A partition has no queue; the disk above it has.
    ["queue", "../queue"].iter().find_map(|queue| {
        let text = fs::read_to_string(node.join(queue).join("physical_block_size")).ok()?;
        text.trim().parse().ok()
    })
}

pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(crate) fn read_dir(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            // Removed between the listing and this look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        entries.push(DirEntry {
            name: PathBuf::from(entry.file_name()),
            is_dir: meta.is_dir(),
            bytes: meta.len(),
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Temporary file, flush, rename, flush of the folder. A crash leaves the old file or the new
/// one, and perhaps a temporary file, which the next call replaces.
pub(crate) fn write_small(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut temporary = name.to_os_string();
    temporary.push(".tmp");
    let temporary = folder.join(temporary);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    sync_dir(folder)
}

/// Of the file system that `path`, which exists, is on.
pub fn space(path: &Path) -> io::Result<Space> {
    sys::space(path)
}
