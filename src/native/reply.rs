//! One frame of an answer.

use bytes::Bytes;
use corelog_wire::native::{Header, Meta};

use crate::Error;

/// A whole frame whose header and archive are as they were sent.
pub(crate) struct Reply {
    pub meta: Meta,
    frame: Bytes,
}

impl Reply {
    pub(crate) fn of(header: Header, frame: Bytes) -> Result<Self, Error> {
        let meta = Meta::of(header, &frame)?;
        Ok(Self { meta, frame })
    }

    pub(crate) fn has_more(&self) -> bool {
        self.meta.header().has_more()
    }

    /// The payload's bytes, not copied.
    pub(crate) fn payload(&self) -> Bytes {
        self.frame.slice(self.meta.header().payload_at()..)
    }
}
