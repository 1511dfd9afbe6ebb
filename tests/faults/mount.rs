//! A small file system of its own, on a loop device.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::remove;

/// A mounted image. Dropped, it is unmounted.
pub(crate) struct Mount {
    pub(crate) dir: PathBuf,
    /// Removed with it.
    image: Option<PathBuf>,
}

/// How many inodes it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inodes {
    Plenty,
    Few,
}

const FEW: &str = "96";

impl Mount {
    /// Makes an ext4 of `bytes` under `dir` and mounts it. Numbers are not used twice: one that is
    /// still held by a process that has just been killed goes away later.
    ///
    /// # Errors
    /// In words why that is not possible here: no root, no loop devices, no mkfs.
    pub(crate) fn make(
        dir: &Path,
        number: u64,
        bytes: u64,
        inodes: Inodes,
    ) -> Result<Self, String> {
        let image = dir.join(format!("disk-{number}.img"));
        make_image(&image, bytes, inodes)?;
        let mut mount = Self::of(&image, &dir.join(format!("disk-{number}")))?;
        mount.image = Some(image);
        Ok(mount)
    }

    /// Mounts the file system in a file.
    ///
    /// # Errors
    /// In words why that is not possible here.
    pub(crate) fn of(file: &Path, dir: &Path) -> Result<Self, String> {
        remove(dir)?;
        let made = std::fs::create_dir_all(dir);
        made.map_err(|e| format!("{}: {e}", dir.display()))?;
        let mut command = Command::new("mount");
        run(command.args(["-o", "loop"]).arg(file).arg(dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            image: None,
        })
    }

    /// Takes all free space, and gives the file to remove to give it back.
    ///
    /// # Errors
    /// If there is no `dd`.
    pub(crate) fn fill(&self) -> Result<PathBuf, String> {
        let filler = self.dir.join("filler");
        let mut command = Command::new("dd");
        command.args(["if=/dev/zero", "bs=64K", "status=none"]);
        command.arg(format!("of={}", filler.display()));
        // It ends with an error: that is when the file system is full.
        command.output().map_err(|e| format!("dd: {e}"))?;
        Ok(filler)
    }

    /// Takes all free inodes, and gives the folder to remove to give them back.
    ///
    /// # Errors
    /// If not even the folder can be made.
    pub(crate) fn fill_inodes(&self) -> Result<PathBuf, String> {
        let filler = self.dir.join("filler");
        let made = std::fs::create_dir(&filler);
        made.map_err(|e| format!("{}: {e}", filler.display()))?;
        let mut number = 0;
        while std::fs::File::create(filler.join(number.to_string())).is_ok() {
            number += 1;
        }
        Ok(filler)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A process that has just been killed may hold it for a moment more.
        let unmounted = Command::new("umount").arg(&self.dir).output();
        if !unmounted.is_ok_and(|output| output.status.success()) {
            let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
        }
        // The space is given back when the last one has closed it.
        if let Some(image) = &self.image {
            let _ = std::fs::remove_file(image);
        }
    }
}

/// Makes an ext4 of `bytes` in a file.
///
/// # Errors
/// If there is no mkfs, or no space.
pub(crate) fn make_image(image: &Path, bytes: u64, inodes: Inodes) -> Result<(), String> {
    // What an earlier one had is gone.
    let file = std::fs::File::create(image).and_then(|file| file.set_len(bytes));
    file.map_err(|e| format!("{}: {e}", image.display()))?;
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-m", "0"]);
    if inodes == Inodes::Few {
        mkfs.args(["-N", FEW]);
    }
    run(mkfs.arg(image)).map(drop)
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", error.trim()))
}

/// Whether the file system in an image needs no mending beyond its own journal.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_unmended(image: &Path) -> Result<(), String> {
    let replayed = Command::new("e2fsck").args(["-p"]).arg(image).output();
    replayed.map_err(|e| format!("e2fsck: {e}"))?;
    let mut check = Command::new("e2fsck");
    run(check.args(["-f", "-n"]).arg(image)).map(drop)
}
