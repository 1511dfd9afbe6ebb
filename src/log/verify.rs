//! `corelog log verify`: checks a stopped node's files.

use std::ops::Range;
use std::path::{Path, PathBuf};

use corelog_base::{GroupId, Offset};
use corelog_rt::Runtime;

use crate::Error;

/// One thing that is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub path: PathBuf,
    /// Bytes of the file.
    pub bytes: Range<u64>,
    pub group: Option<GroupId>,
    /// Offsets that are lost by it; None if nothing is lost.
    pub offsets: Option<Range<Offset>>,
    /// In words, lower case.
    pub what: String,
}

/// Reads every journal, map and segment under `dir` and names every damaged range. Changes nothing.
pub async fn verify<R: Runtime>(rt: &R, dir: &Path) -> Result<Vec<Finding>, Error> {
    let _ = (rt, dir);
    unimplemented!()
}

/// One line a frame, map and segment under `dir`, for people.
pub async fn dump<R: Runtime>(
    rt: &R,
    dir: &Path,
    line: &mut dyn FnMut(String),
) -> Result<(), Error> {
    let _ = (rt, dir, line);
    unimplemented!()
}
