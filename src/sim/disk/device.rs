//! What a disk does, and what goes wrong on it.

use std::collections::BTreeMap;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use corelog_base::Random;
use corelog_rt::{DirEntry, OpenMode, Space};

use super::content::Content;
use super::image::{Data, PAGE_BYTES};
use super::tree::{Inode, Tree};

/// What goes wrong on a disk while it is set. Rates are in a million operations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DiskFaults {
    /// EIO.
    pub read_errors_ppm: u32,
    /// EIO; any of the sectors may have been written.
    pub write_errors_ppm: u32,
    /// EIO of a flush or of a commit.
    pub flush_errors_ppm: u32,
    /// Every operation takes this many times as long; 0 counts as 1.
    pub slowness: u32,
    /// All files together, in bytes; ENOSPC beyond. None is 1 TiB.
    pub capacity_bytes: Option<u64>,
    /// This operation fails once, at its n-th time.
    pub breaks: Option<(Site, u64)>,
    /// A disk that lies: a commit or a flush returns Ok at once and keeps nothing.
    pub forgets_flushes: bool,
}

/// An operation, and the line of code that asks for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Site {
    pub operation: &'static str,
    pub file: &'static str,
    pub line: u32,
}

impl Site {
    pub(crate) fn new(operation: &'static str, at: &'static Location<'static>) -> Self {
        Self {
            operation,
            file: at.file(),
            line: at.line(),
        }
    }
}

const CAPACITY_BYTES: u64 = 1 << 40;

#[derive(Default)]
pub struct Disk {
    tree: Tree,
    /// By inode; folders have none. Kept until the power goes, for a name may come back with it.
    files: BTreeMap<u64, Content>,
    pub faults: DiskFaults,
    /// Who has a file open for writing, by inode: the host's life, and what is gone when it is closed.
    writers: BTreeMap<u64, (u64, Weak<()>)>,
    /// How often each was asked for, until nothing breaks any more.
    pub sites: BTreeMap<Site, u64>,
    /// From here on `breaks` is without effect.
    pub is_past_breaking: bool,
    /// The fault `breaks` has happened.
    pub has_broken: bool,
}

impl Disk {
    /// Counts an operation; true if it is the one that breaks.
    pub(crate) fn visit(&mut self, site: Site) -> bool {
        if self.is_past_breaking {
            return false;
        }
        let count = self.sites.entry(site).or_default();
        *count += 1;
        let breaks = self.faults.breaks == Some((site, *count));
        self.has_broken |= breaks;
        breaks
    }

    fn file(&mut self, inode: Inode) -> &mut Content {
        self.files.entry(inode.0).or_default()
    }

    pub(crate) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<Inode> {
        if mode == OpenMode::CreateNew {
            if self.free_bytes() == 0 {
                return Err(full());
            }
            return self.tree.create(path);
        }
        let inode = self.tree.find(path)?;
        match self.tree.is_dir(inode) {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(inode),
        }
    }

    /// Locks a file for one that writes, as the runtimes do.
    ///
    /// # Errors
    /// If another of this life has it.
    pub(crate) fn lock(&mut self, inode: Inode, life: u64) -> io::Result<Arc<()>> {
        let known = self.writers.get(&inode.0);
        if known.is_some_and(|(of, writer)| *of == life && writer.strong_count() > 0) {
            let held = "the file is open for writing elsewhere";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, held));
        }
        let writer = Arc::new(());
        self.writers
            .insert(inode.0, (life, Arc::downgrade(&writer)));
        Ok(writer)
    }

    pub(crate) fn bytes(&mut self, inode: Inode) -> u64 {
        self.file(inode).now().bytes()
    }

    pub(crate) fn read(&mut self, inode: Inode, position: u64, room: usize) -> Vec<u8> {
        self.file(inode).now().read(position, room)
    }

    /// The number up to which a flush that begins now keeps what was written.
    pub(crate) fn completed(&mut self, inode: Inode) -> u64 {
        self.file(inode).completed()
    }

    /// # Errors
    /// ENOSPC: nothing is written.
    pub(crate) fn write(&mut self, inode: Inode, data: Data) -> io::Result<()> {
        self.grow(inode, data.end)?;
        self.file(inode).write(data);
        Ok(())
    }

    pub(crate) fn write_some(&mut self, inode: Inode, data: &Data, random: &mut Random) {
        if self.grow(inode, data.end).is_ok() {
            self.file(inode).write_some(data, random);
        }
    }

    /// # Errors
    /// ENOSPC: nothing is written.
    pub(crate) fn commit(&mut self, inode: Inode, data: &Data) -> io::Result<()> {
        self.grow(inode, data.end)?;
        self.file(inode).commit(data);
        Ok(())
    }

    pub(crate) fn set_bytes(&mut self, inode: Inode, bytes: u64) -> io::Result<()> {
        self.grow(inode, bytes)?;
        self.file(inode).set_bytes(bytes);
        Ok(())
    }

    pub(crate) fn flush(&mut self, inode: Inode, upto: u64) {
        self.file(inode).flush(upto);
    }

    pub(crate) fn flush_in_vain(&mut self, inode: Inode, upto: u64, random: &mut Random) {
        self.file(inode).flush_in_vain(upto, random);
    }

    /// Whether there is room for a file to have this length.
    fn grow(&mut self, inode: Inode, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(self.bytes(inode));
        if self.faults.capacity_bytes.is_some() && more > 0 && more > self.free_bytes() {
            return Err(full());
        }
        Ok(())
    }

    fn free_bytes(&self) -> u64 {
        let space = self.space();
        space.free_bytes
    }

    pub(crate) fn space(&self) -> Space {
        let total_bytes = self.faults.capacity_bytes.unwrap_or(CAPACITY_BYTES);
        let page = PAGE_BYTES as u64;
        let named = self.tree.walk();
        let used: u64 = named
            .iter()
            .filter_map(|(_, inode)| self.files.get(&inode.0))
            .map(|content| content.now().bytes().next_multiple_of(page))
            .sum();
        Space {
            free_bytes: total_bytes.saturating_sub(used),
            total_bytes,
        }
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.tree.rename(from, to)
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.tree.remove_file(path)
    }

    pub(crate) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        self.tree.create_dir_all(path)
    }

    pub(crate) fn remove_dir_all(&mut self, path: &Path, limit: usize) -> io::Result<()> {
        self.tree.remove_dir_all(path, limit)
    }

    pub(crate) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.tree.sync_dir(path)
    }

    pub(crate) fn read_dir(&mut self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let names = self.tree.list(path)?;
        let entries = names.into_iter().map(|(name, inode)| DirEntry {
            name: PathBuf::from(name),
            is_dir: self.tree.is_dir(inode),
            bytes: self.bytes(inode),
        });
        Ok(entries.collect())
    }

    pub(crate) fn power_loss(&mut self, random: &mut Random) {
        self.tree.power_loss(random);
        let named: Vec<u64> = self.tree.walk().iter().map(|(_, i)| i.0).collect();
        self.files.retain(|inode, _| named.contains(inode));
        for content in self.files.values_mut() {
            content.power_loss(random);
        }
    }

    /// Every file, with its length, sorted by path.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let named = self.tree.walk();
        let files = named
            .into_iter()
            .filter(|(_, inode)| !self.tree.is_dir(*inode))
            .map(|(path, inode)| {
                let content = self.files.get(&inode.0);
                (path, content.map_or(0, |c| c.now().bytes()))
            });
        files.collect()
    }

    /// A file's bytes as they are read now; None without such a file.
    pub fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        let inode = self.tree.find(path).ok()?;
        let now = self.files.get(&inode.0)?.now();
        Some(now.read(0, now.bytes() as usize))
    }

    /// Flips the bits of `mask` in one byte of a file, on the medium. Nothing behind its end.
    pub fn flip(&mut self, path: &Path, position: u64, mask: u8) {
        if let Ok(inode) = self.tree.find(path) {
            self.file(inode).flip(position, mask);
        }
    }
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(28)
}

/// EIO, as an injected fault.
pub(crate) fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}
