//! One frame of an answer.

use bytes::Bytes;
use corelog_wire::native::v1::HelloResponse;
use corelog_wire::native::{Api, Header, Meta};

use crate::error::check;
use crate::{Error, Kind};

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

    /// Says that this is the answer to what was asked, before it is read as one. A broker that does
    /// not speak what it was asked in, or does not serve yet, answers as if it had been greeted.
    ///
    /// # Errors
    /// The broker's refusal; `Protocol` for an answer to something else.
    pub(crate) fn expect(&self, api: Api, version: u16) -> Result<(), Error> {
        let (found, at) = (self.meta.header().api, self.meta.header().version);
        if (found, at) == (api.number(), version) {
            return Ok(());
        }
        if (found, at) == (Api::Hello.number(), 1) {
            let hello = self.meta.read::<HelloResponse>()?;
            check(hello.error.to_native(), &hello.message, || {
                format!("ask for {api:?}")
            })?;
        }
        let context = format!("{api:?} {version} was answered as {found} {at}");
        Err(Error::new(Kind::Protocol, context))
    }

    pub(crate) fn has_more(&self) -> bool {
        self.meta.header().has_more()
    }

    /// The payload's bytes, not copied.
    pub(crate) fn payload(&self) -> Bytes {
        self.frame.slice(self.meta.header().payload_at()..)
    }
}
