//! Boot: what the journals and maps of this node hold.

use std::path::Path;

use corelog_base::{CoreId, GroupId};
use corelog_rt::Runtime;

use crate::{Error, JournalId, RestoredGroup};

/// Everything that the journals and the newest segment maps of this node hold.
pub struct Scan {
    groups: Vec<RestoredGroup>,
}

/// Reads the journals that the committed placement names (none at the first start) and the newest
/// map of each group. Torn tails are dropped; damage is told apart and named in the groups.
///
/// # Errors
/// `Kind::Io` if files cannot be read at all. Damage is no error.
pub async fn scan<R: Runtime>(rt: &R, dir: &Path, journals: &[JournalId]) -> Result<Scan, Error> {
    let _ = (rt, dir, journals);
    unimplemented!()
}

impl Scan {
    /// Sorted by id. Groups that metadata does not know are among them: keep and report those.
    pub fn groups(&self) -> &[RestoredGroup] {
        &self.groups
    }

    /// True if a frame was damaged beyond its directory: groups that metadata knows and that are
    /// not here may have been lost with it. Create those with `Log::create_damaged_group`.
    pub fn is_incomplete(&self) -> bool {
        unimplemented!()
    }

    /// Hands out one share a core. `journals[core]` is that core's journal: the same list as
    /// before if the number of cores is the same; fresh ids after it changed. `epoch` is the
    /// placement's epoch, higher than any before if anything moves. `owner` is asked for each
    /// group; groups whose journal is not their owner's are rewritten by [`crate::Log::open`].
    pub fn share_out(
        self,
        journals: &[JournalId],
        epoch: u32,
        owner: impl Fn(&RestoredGroup) -> CoreId,
    ) -> Vec<Share> {
        let _ = (journals, epoch, owner(&self.groups[0]));
        unimplemented!()
    }
}

/// One core's part of a [`Scan`]. May be sent to the core's thread.
pub struct Share {
    pub(crate) groups: Vec<RestoredGroup>,
}

impl Share {
    pub fn groups(&self) -> &[RestoredGroup] {
        &self.groups
    }

    pub fn group(&self, group: GroupId) -> Option<&RestoredGroup> {
        self.groups.iter().find(|g| g.group == group)
    }
}

/// Removes the folders of journals that the committed placement does not name. Only after the
/// placement is durable and every core's [`crate::Log::open`] returned.
pub async fn retire<R: Runtime>(rt: &R, dir: &Path, keep: &[JournalId]) -> Result<(), Error> {
    let _ = (rt, dir, keep);
    unimplemented!()
}
