//! The names of a file system: folders now, folders durable, and the changes between.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path};

use corelog_base::Random;

/// A file or a folder, whatever its name. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Inode(pub(crate) u64);

const ROOT: Inode = Inode(0);

type Folder = BTreeMap<OsString, Inode>;

/// One change of names, atomic.
struct Change {
    removed: Option<(Inode, OsString)>,
    added: Option<(Inode, OsString, Inode)>,
}

impl Change {
    fn folders(&self) -> impl Iterator<Item = Inode> {
        let removed = self.removed.as_ref().map(|r| r.0);
        removed.into_iter().chain(self.added.as_ref().map(|a| a.0))
    }

    fn apply(&self, folders: &mut BTreeMap<Inode, Folder>) {
        if let Some((folder, name)) = &self.removed {
            folders.entry(*folder).or_default().remove(name);
        }
        if let Some((folder, name, inode)) = &self.added {
            folders
                .entry(*folder)
                .or_default()
                .insert(name.clone(), *inode);
        }
    }
}

pub(crate) struct Tree {
    /// Every folder that ever was; one that is not here is a file.
    now: BTreeMap<Inode, Folder>,
    durable: BTreeMap<Inode, Folder>,
    /// In order. Bounded by the changes between two flushes of a folder.
    pending: Vec<Change>,
    next_inode: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            now: BTreeMap::from([(ROOT, Folder::new())]),
            durable: BTreeMap::from([(ROOT, Folder::new())]),
            pending: Vec::new(),
            next_inode: 1,
        }
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn names(path: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => names.push(name.to_os_string()),
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
    }
    Ok(names)
}

impl Tree {
    pub(crate) fn is_dir(&self, inode: Inode) -> bool {
        self.now.contains_key(&inode)
    }

    pub(crate) fn find(&self, path: &Path) -> io::Result<Inode> {
        names(path)?.iter().try_fold(ROOT, |at, name| {
            let folder = self.now.get(&at).ok_or(io::ErrorKind::NotADirectory)?;
            folder.get(name).copied().ok_or_else(missing)
        })
    }

    fn find_dir(&self, path: &Path) -> io::Result<Inode> {
        let inode = self.find(path)?;
        match self.is_dir(inode) {
            true => Ok(inode),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The folder of a path, and the name in it.
    fn place(&self, path: &Path) -> io::Result<(Inode, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find_dir(parent)?, name.to_os_string()))
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }

    fn add(&mut self, folder: Inode, name: OsString) -> Inode {
        let inode = Inode(self.next_inode);
        self.next_inode += 1;
        self.change(Change {
            removed: None,
            added: Some((folder, name, inode)),
        });
        inode
    }

    pub(crate) fn create(&mut self, path: &Path) -> io::Result<Inode> {
        let (folder, name) = self.place(path)?;
        if self.now[&folder].contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(self.add(folder, name))
    }

    pub(crate) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut at = ROOT;
        for name in names(path)? {
            let folder = self.now.get(&at).ok_or(io::ErrorKind::NotADirectory)?;
            at = match folder.get(&name) {
                Some(inode) => *inode,
                None => {
                    let inode = self.add(at, name);
                    self.now.insert(inode, Folder::new());
                    self.durable.insert(inode, Folder::new());
                    inode
                }
            };
        }
        match self.is_dir(at) {
            true => Ok(()),
            false => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.find(from)?;
        let (from, to) = (self.place(from)?, self.place(to)?);
        if let Some(old) = self.now[&to.0].get(&to.1)
            && self.now.get(old).is_some_and(|folder| !folder.is_empty())
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if from != to {
            self.change(Change {
                removed: Some(from),
                added: Some((to.0, to.1, inode)),
            });
        }
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        if self.is_dir(self.find(path)?) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let place = self.place(path)?;
        self.unlink(place);
        Ok(())
    }

    fn unlink(&mut self, place: (Inode, OsString)) {
        self.change(Change {
            removed: Some(place),
            added: None,
        });
    }

    /// Removes at most `limit` names, children first; fewer than all is an interrupted removal.
    pub(crate) fn remove_dir_all(&mut self, path: &Path, limit: usize) -> io::Result<()> {
        let inode = match self.find_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut places = Vec::new();
        self.below(inode, &mut places);
        places.push(self.place(path)?);
        places.truncate(limit);
        for place in places {
            self.unlink(place);
        }
        Ok(())
    }

    /// Every name below a folder, children first.
    fn below(&self, folder: Inode, places: &mut Vec<(Inode, OsString)>) {
        for (name, inode) in &self.now[&folder] {
            if self.is_dir(*inode) {
                self.below(*inode, places);
            }
            places.push((folder, name.clone()));
        }
    }

    /// Names in order.
    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<(OsString, Inode)>> {
        let folder = &self.now[&self.find_dir(path)?];
        Ok(folder.iter().map(|(n, i)| (n.clone(), *i)).collect())
    }

    /// Makes the names of one folder durable, and what changes of both folders of a rename depend on.
    pub(crate) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut flushed = BTreeSet::from([self.find_dir(path)?]);
        loop {
            let touched = |change: &&Change| change.folders().any(|f| flushed.contains(&f));
            let all: BTreeSet<Inode> = self
                .pending
                .iter()
                .filter(touched)
                .flat_map(Change::folders)
                .chain(flushed.iter().copied())
                .collect();
            if all.len() == flushed.len() {
                break;
            }
            flushed = all;
        }
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let keep = !change.folders().any(|f| flushed.contains(&f));
            if !keep {
                change.apply(durable);
            }
            keep
        });
        Ok(())
    }

    /// In each folder a prefix of the changes survives.
    pub(crate) fn power_loss(&mut self, random: &mut Random) {
        let mut cut = BTreeSet::new();
        for change in std::mem::take(&mut self.pending) {
            let lost = change.folders().any(|f| cut.contains(&f)) || random.chance(300);
            if lost {
                cut.extend(change.folders());
            } else {
                change.apply(&mut self.durable);
            }
        }
        self.now = self.durable.clone();
    }

    /// Every file and folder that has a name, with its path, sorted by path.
    pub(crate) fn walk(&self) -> Vec<(std::path::PathBuf, Inode)> {
        let mut found = Vec::new();
        let mut folders = vec![(std::path::PathBuf::from("/"), ROOT)];
        while let Some((path, folder)) = folders.pop() {
            for (name, inode) in &self.now[&folder] {
                let path = path.join(name);
                if self.is_dir(*inode) {
                    folders.push((path.clone(), *inode));
                }
                found.push((path, *inode));
            }
        }
        found.sort();
        found
    }
}
