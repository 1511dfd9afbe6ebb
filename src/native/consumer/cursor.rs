//! How far one partition was read.

use corelog_base::{CoreId, Offset, PartitionIndex};

#[derive(Debug)]
pub(super) struct Cursor {
    pub partition: PartitionIndex,
    /// The next offset for the caller.
    pub position: Offset,
    /// The next offset to come: `position`, or further by what is buffered.
    pub fetch_from: Offset,
    /// The subscription that has it.
    pub core: Option<CoreId>,
    /// An offset is being looked for, because this one does not exist.
    pub locating: bool,
    pub high_watermark: Option<Offset>,
    pub log_start: Option<Offset>,
}

impl Cursor {
    pub(super) fn new(partition: PartitionIndex, position: Offset) -> Self {
        Self {
            partition,
            position,
            fetch_from: position,
            core: None,
            locating: false,
            high_watermark: None,
            log_start: None,
        }
    }
}
