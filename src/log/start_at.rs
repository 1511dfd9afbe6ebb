//! Where the log begins if an offset is the first to be kept.

use corelog_base::{GroupId, LogStart, Offset};
use corelog_rt::Runtime;

use crate::Log;

impl<R: Runtime> Log<R> {
    /// The start at which `offset` is the first that may be read: its index is that of the entry
    /// that holds the offset, or of the first entry after the last record if `offset` is the end.
    /// None for an unknown group or an offset outside of the log.
    pub fn start_at(&self, group: GroupId, offset: Offset) -> Option<LogStart> {
        let _ = (group, offset);
        unimplemented!()
    }
}
