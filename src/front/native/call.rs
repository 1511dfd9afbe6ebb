//! One request on its way through a handler.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_rt::{Credit, Runtime};
use corelog_wire::native::{Header, Outbound, View};

use super::context::Context;
use super::door::limits;
use crate::connection::{Frame, Reply, Response};

/// The frame contradicts its format: the connection is closed.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) corelog_wire::Error);

impl Malformed {
    /// More than an answer could say.
    pub(super) const TOO_LONG: Malformed = Malformed(corelog_wire::Error {
        kind: corelog_wire::ErrorKind::Length,
        message: "native frame",
        position: 0,
    });
    /// An id that is in use.
    pub(super) const REPEATED: Malformed = Malformed(corelog_wire::Error {
        kind: corelog_wire::ErrorKind::Tag,
        message: "subscription",
        position: 0,
    });
}

impl From<corelog_wire::Error> for Malformed {
    fn from(error: corelog_wire::Error) -> Self {
        Malformed(error)
    }
}

pub(super) struct Call<R: Runtime> {
    pub(super) context: Rc<Context<R>>,
    pub(super) peer: SocketAddr,
    pub(super) header: Header,
    frame: BytesMut,
    /// For the frame, as long as it is held.
    credit: Credit,
}

impl<R: Runtime> Call<R> {
    pub(super) fn new(
        context: Rc<Context<R>>,
        peer: SocketAddr,
        frame: Frame,
    ) -> Result<Self, Malformed> {
        let header = Header::parse(&frame.bytes, limits(context.payload_bytes_max))?;
        Ok(Self {
            context,
            peer,
            header,
            frame: frame.bytes,
            credit: frame.credit,
        })
    }

    /// The archive; it has not been validated yet.
    pub(super) fn view(&self) -> Result<View<'_>, Malformed> {
        Ok(View::of(self.header, &self.frame)?)
    }

    pub(super) fn payload(&self) -> &[u8] {
        self.frame
            .get(self.header.payload_at()..)
            .unwrap_or_default()
    }

    pub(super) fn frame_bytes(&self) -> u64 {
        self.frame.len() as u64
    }

    /// Waits for memory that the handler needs beyond the frame, at most for all that there is.
    pub(super) async fn admit(&self, bytes: u64) -> Credit {
        let work = &self.context.budget.work;
        work.take(bytes.min(work.total())).await
    }

    /// Takes the payload out, to be split without a copy, and the memory reserved for the frame.
    pub(super) fn take_payload(self) -> (Caller<R>, BytesMut, Credit) {
        let mut frame = self.frame;
        let payload = frame.split_off(self.header.payload_at().min(frame.len()));
        let caller = Caller {
            context: self.context,
            correlation: self.header.correlation,
        };
        (caller, payload, self.credit)
    }

    pub(super) fn reply(&self, message: &impl Outbound) -> Reply {
        self.reply_with(message, Vec::new())
    }

    pub(super) fn reply_with(&self, message: &impl Outbound, payload: Vec<Bytes>) -> Reply {
        reply(self.header.correlation, message, payload)
    }

    pub(super) fn refuse(&self, malformed: &Malformed) -> Reply {
        let Header { api, version, .. } = self.header;
        let (peer, error) = (self.peer, &malformed.0);
        tracing::warn!(%peer, api, version, %error, "a malformed request: closed");
        Reply::Close
    }
}

/// What is left of a call whose payload was taken.
pub(super) struct Caller<R: Runtime> {
    pub(super) context: Rc<Context<R>>,
    correlation: u64,
}

impl<R: Runtime> Caller<R> {
    pub(super) fn reply(&self, message: &impl Outbound) -> Reply {
        reply(self.correlation, message, Vec::new())
    }
}

fn reply(correlation: u64, message: &impl Outbound, payload: Vec<Bytes>) -> Reply {
    match response(correlation, 0, message, payload) {
        Ok(response) => Reply::Send(response),
        Err(error) => {
            tracing::error!(%error, "a response cannot be encoded");
            Reply::Close
        }
    }
}

/// A frame to send.
pub(super) fn response(
    correlation: u64,
    flags: u8,
    message: &impl Outbound,
    payload: Vec<Bytes>,
) -> Result<Response, corelog_wire::Error> {
    Ok(Response {
        parts: message.frame(correlation, flags, payload)?,
        credit: None,
        throttle: Duration::ZERO,
    })
}
