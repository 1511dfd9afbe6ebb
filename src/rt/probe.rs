//! Whether this host lets the runtimes work, in words that say how to allow it.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use io_uring::{IoUring, Probe, opcode};

use crate::{OpenMode, cold, sys};

/// What glommio demands of RLIMIT_MEMLOCK, in bytes, whatever the user.
const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;
const DIRECT_PROBE: &str = ".direct-io-probe";

/// Which implementation of the seam.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RuntimeKind {
    #[default]
    Ring,
    Glommio,
}

/// What the host does not give us. Its text says how to allow it.
#[derive(Debug)]
pub enum Missing {
    /// The kernel was built without io_uring.
    IoUring,
    /// `kernel.io_uring_disabled` is 1 (only for privileged processes) or 2 (for all).
    Enabled { level: u32 },
    /// Refused though not disabled: a seccomp filter or a security module.
    Permission,
    /// The kernel has io_uring, but too little of it.
    Kernel { release: String },
    /// RLIMIT_MEMLOCK is too low for glommio.
    Memlock { limit_bytes: u64, needed_bytes: u64 },
    /// The file system of this folder has no O_DIRECT.
    DirectIo { folder: PathBuf },
    /// Something else went wrong while looking.
    Other {
        looking_at: String,
        source: io::Error,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::IoUring => write!(
                f,
                "this kernel has no io_uring, which corelog needs for all its I/O. Run it on \
                 Linux 5.19 or later (6.1 or later for full speed), built with CONFIG_IO_URING"
            ),
            Missing::Enabled { level } => {
                let whom = match level {
                    1 => "for all but privileged processes",
                    _ => "for every process",
                };
                write!(
                    f,
                    "io_uring is disabled on this host {whom} (kernel.io_uring_disabled = \
                     {level}). Allow it as root with `sysctl -w kernel.io_uring_disabled=0`, and \
                     keep it with that line in /etc/sysctl.d/99-corelog.conf"
                )
            }
            Missing::Permission => write!(
                f,
                "io_uring is refused to this process, though the host has it: most likely by the \
                 seccomp profile of a container. Allow io_uring_setup, io_uring_enter and \
                 io_uring_register there: in Docker with `--security-opt seccomp=PROFILE`, in \
                 Kubernetes with a Localhost seccompProfile, in systemd by adding @aio to \
                 SystemCallFilter"
            ),
            Missing::Kernel { release } => write!(
                f,
                "Linux {release} is too old: its io_uring lacks operations that corelog needs. \
                 Run it on 5.19 or later (6.1 or later for full speed)"
            ),
            Missing::Memlock {
                limit_bytes,
                needed_bytes,
            } => write!(
                f,
                "glommio may lock {} KiB of memory and needs {} KiB. Raise it with `ulimit -l \
                 {}`, LimitMEMLOCK= in systemd or `--ulimit memlock=` in Docker, or use the \
                 runtime `ring`, which needs none",
                limit_bytes / 1024,
                needed_bytes / 1024,
                needed_bytes / 1024
            ),
            Missing::DirectIo { folder } => write!(
                f,
                "the file system of {} has no direct I/O, without which nothing can be flushed at \
                 the disk's speed. Put the data on ext4 or XFS",
                folder.display()
            ),
            Missing::Other { looking_at, source } => write!(f, "{looking_at}: {source}"),
        }
    }
}

impl std::error::Error for Missing {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Missing::Other { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Whether a runtime can work here. Call it before `start`: glommio panics where this refuses.
pub fn probe(runtime: RuntimeKind) -> Result<(), Missing> {
    let ring = IoUring::new(2).map_err(|error| explain(error, disabled_level()))?;
    let mut known = Probe::new();
    let asked = ring.submitter().register_probe(&mut known);
    asked.map_err(|error| explain(error, disabled_level()))?;
    // OP_SOCKET came with 5.19, as multishot accept did, which cannot be asked for by itself.
    let complete = known.is_supported(opcode::MsgRingData::CODE)
        && known.is_supported(opcode::Socket::CODE)
        && ring.params().is_feature_ext_arg()
        && ring.params().is_feature_nodrop();
    if !complete {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        return Err(Missing::Kernel {
            release: release.trim().into(),
        });
    }
    if runtime == RuntimeKind::Glommio {
        let limit_bytes = sys::memlock_bytes().map_err(|source| Missing::Other {
            looking_at: "look at RLIMIT_MEMLOCK".into(),
            source,
        })?;
        check_memlock(limit_bytes)?;
    }
    Ok(())
}

fn check_memlock(limit_bytes: u64) -> Result<(), Missing> {
    if limit_bytes < MEMLOCK_BYTES_MIN {
        return Err(Missing::Memlock {
            limit_bytes,
            needed_bytes: MEMLOCK_BYTES_MIN,
        });
    }
    Ok(())
}

/// None where the kernel does not have the switch (before 6.6).
fn disabled_level() -> Option<u32> {
    let text = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    text.trim().parse().ok()
}

fn explain(source: io::Error, disabled: Option<u32>) -> Missing {
    match (source.raw_os_error(), disabled) {
        (Some(libc::ENOSYS), _) => Missing::IoUring,
        (Some(libc::EPERM | libc::EACCES), Some(level @ 1..)) => Missing::Enabled { level },
        (Some(libc::EPERM | libc::EACCES), _) => Missing::Permission,
        _ => Missing::Other {
            looking_at: "set up io_uring".into(),
            source,
        },
    }
}

/// Whether files in `folder`, which exists, can be opened for direct I/O. Leaves nothing behind.
pub fn probe_direct_io(folder: &Path) -> Result<(), Missing> {
    let path = folder.join(DIRECT_PROBE);
    // One may be left from a crash.
    let _ = fs::remove_file(&path);
    let opened = cold::open(&path, OpenMode::CreateNew);
    // A file system may create the file and refuse the flag.
    let _ = fs::remove_file(&path);
    // A folder of a node that has served goes on without space or inodes for one more file.
    let opened = match opened {
        Err(error) if is_full(&error) => open_any(folder).unwrap_or(Err(error)),
        other => other,
    };
    match opened {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Err(Missing::DirectIo {
            folder: folder.to_path_buf(),
        }),
        Err(source) => Err(Missing::Other {
            looking_at: format!("create a file in {}", folder.display()),
            source,
        }),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

/// Opens some file of the folder; None if it has none.
fn open_any(folder: &Path) -> Option<io::Result<(OwnedFd, u32)>> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let mut files = entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_file()));
    Some(cold::open(&files.next()?.path(), OpenMode::Read))
}

/// Whether what is written to this folder stays in memory: the file system is tmpfs or ramfs. They
/// take direct I/O and flushes, and keep nothing when power fails.
pub fn is_memory(folder: &Path) -> io::Result<bool> {
    sys::is_memory(folder)
}

/// Raises how many descriptors this process may have to `wanted`, or to what the host allows if
/// that is less. Returns what it may have now; never lowers it.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    sys::raise_descriptor_limit(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_allowed() {
        probe(RuntimeKind::Ring).unwrap();
        let folder = crate::real_host::scratch();
        probe_direct_io(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    fn check(error: i32, disabled: Option<u32>, says: &str) {
        let text = explain(io::Error::from_raw_os_error(error), disabled).to_string();
        assert!(text.contains(says), "{text}");
    }

    #[test]
    fn refusals_are_told_apart() {
        check(libc::EPERM, Some(2), "for every process");
        check(libc::EPERM, Some(1), "privileged");
        check(libc::EPERM, Some(1), "sysctl -w kernel.io_uring_disabled=0");
        check(libc::EPERM, Some(0), "seccomp");
        check(libc::EPERM, None, "seccomp");
        check(libc::ENOSYS, None, "CONFIG_IO_URING");
        check(libc::ENOMEM, Some(0), "set up io_uring");
        let text = check_memlock(64 * 1024).unwrap_err().to_string();
        assert!(
            text.contains("64 KiB") && text.contains("ulimit -l 512"),
            "{text}"
        );
        check_memlock(MEMLOCK_BYTES_MIN).unwrap();
    }

    #[test]
    fn a_folder_without_direct_io_or_without_itself_is_told() {
        // procfs takes no files at all.
        let missing = probe_direct_io(Path::new("/proc")).unwrap_err();
        assert!(matches!(
            missing,
            Missing::Other { .. } | Missing::DirectIo { .. }
        ));
        let text = probe_direct_io(Path::new("/no/such"))
            .unwrap_err()
            .to_string();
        assert!(text.contains("/no/such"), "{text}");
    }

    #[test]
    fn some_file_is_opened_where_none_can_be_made() {
        let folder = crate::real_host::scratch();
        fs::create_dir(folder.path().join("inner")).unwrap();
        assert!(open_any(folder.path()).is_none());
        fs::write(folder.path().join("LOCK"), "").unwrap();
        open_any(folder.path()).unwrap().unwrap();
        assert!(is_full(&io::Error::from_raw_os_error(libc::ENOSPC)));
        assert!(!is_full(&io::Error::from_raw_os_error(libc::EINVAL)));
    }

    #[test]
    fn memory_is_told_from_a_disk() {
        let folder = crate::real_host::scratch();
        assert!(!is_memory(folder.path()).unwrap());
        assert!(is_memory(Path::new("/no/such")).is_err());
        if fs::read_to_string("/proc/mounts").is_ok_and(|m| m.contains(" /dev/shm tmpfs")) {
            assert!(is_memory(Path::new("/dev/shm")).unwrap());
        }
    }

    #[test]
    fn the_descriptor_limit_only_rises() {
        let now = raise_descriptor_limit(0).unwrap();
        assert!(raise_descriptor_limit(now).unwrap() >= now);
    }
}
