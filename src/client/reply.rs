//! An answer that has not been read yet.

use bytes::Bytes;
use corelog_wire::kafka::Message;

use crate::Error;

/// The body of an answer, and the version that both sides speak. Messages are borrowed from it.
#[derive(Clone, Debug)]
pub struct Reply {
    pub version: i16,
    pub body: Bytes,
}

impl Reply {
    /// Reads the message that answers the request.
    ///
    /// # Errors
    /// `Kind::Protocol` if the bytes are not that message.
    pub fn read<'r, M: Message<'r>>(&'r self) -> Result<M, Error> {
        Ok(M::decode(self.version, &self.body)?)
    }
}
