//! What can go wrong in a log, as kinds that callers branch on.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use corelog_base::{GroupId, Offset};

/// Why an operation of the log failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The group is not in this core's log.
    NoSuchGroup,
    /// The group is already in this core's log.
    GroupExists,
    /// The offset, index or time lies outside of what the log holds.
    OutOfRange,
    /// Bytes on disk are not what was written. `Error::range` names the offsets.
    Damaged,
    /// A write or a flush of this core's log failed: nothing is appended until a restart.
    Fenced,
    /// The disk is full or nearly so: refused before anything was written; try again later.
    DiskFull,
    /// The budget of unsettled memory is used up: try again once `Event::Pressure(false)` came.
    Overloaded,
    /// One entry is larger than a journal frame can be.
    TooLarge,
    /// The log is closing.
    Closed,
    /// The operating system refused; see `Error::source`.
    Io,
}

/// An error of this room: its kind, what was tried, and on what.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    /// A verb phrase, lower case: "read segment map".
    pub context: &'static str,
    pub group: Option<GroupId>,
    /// With `Kind::Damaged`: the offsets that cannot be read.
    pub range: Option<Range<Offset>>,
    pub path: Option<PathBuf>,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(kind: Kind, context: &'static str) -> Self {
        Self {
            kind,
            context,
            group: None,
            range: None,
            path: None,
            source: None,
        }
    }

    /// An I/O error; out of space becomes `DiskFull`.
    pub(crate) fn io(context: &'static str, path: &Path, source: io::Error) -> Self {
        let kind = if is_full(&source) {
            Kind::DiskFull
        } else {
            Kind::Io
        };
        Self {
            path: Some(path.to_path_buf()),
            source: Some(source),
            ..Self::new(kind, context)
        }
    }

    pub(crate) fn group(self, group: GroupId) -> Self {
        Self {
            group: Some(group),
            ..self
        }
    }

    pub(crate) fn at(self, path: &Path) -> Self {
        Self {
            path: Some(path.to_path_buf()),
            ..self
        }
    }

    pub(crate) fn damaged(context: &'static str, group: GroupId, range: Range<Offset>) -> Self {
        Self {
            range: Some(range),
            ..Self::new(Kind::Damaged, context).group(group)
        }
    }
}

/// Whether an error means that there is no room: back-pressure, not a fence.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.context, self.kind)?;
        if let Some(group) = self.group {
            write!(f, ", group {group}")?;
        }
        if let Some(range) = &self.range {
            write!(f, ", offsets {}..{}", range.start, range.end)?;
        }
        if let Some(path) = &self.path {
            write!(f, ", {}", path.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}
