//! One request on its way through a handler.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use corelog_rt::{Credit, Runtime};
use corelog_wire::kafka::{Encoder, Message, RequestHeader};

use super::api::{Api, Estimate};
use super::context::Context;
use crate::connection::{Frame, Reply, Response};
pub(super) use crate::operation::Fault;

/// The body contradicts its format: the connection is closed, as Kafka does.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) corelog_wire::Error);

impl From<corelog_wire::Error> for Malformed {
    fn from(error: corelog_wire::Error) -> Self {
        Malformed(error)
    }
}

pub(super) struct Call<R: Runtime> {
    pub(super) context: Rc<Context<R>>,
    pub(super) api: &'static Api,
    pub(super) version: i16,
    pub(super) peer: SocketAddr,
    correlation_id: i32,
    frame: BytesMut,
    body_at: usize,
    /// For the frame, as long as it is held.
    credit: Credit,
}

impl<R: Runtime> Call<R> {
    pub(super) fn new(
        context: Rc<Context<R>>,
        peer: SocketAddr,
        api: &'static Api,
        header: Head,
        frame: Frame,
    ) -> Self {
        Self {
            context,
            api,
            version: header.version,
            peer,
            correlation_id: header.correlation_id,
            frame: frame.bytes,
            body_at: header.body_at,
            credit: frame.credit,
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        self.frame.get(self.body_at..).unwrap_or_default()
    }

    /// What the client calls itself; empty if it does not say.
    pub(super) fn client_id(&self) -> &str {
        let header = RequestHeader::decode(&self.frame);
        let client = header.ok().and_then(|(header, _)| header.client_id);
        client.unwrap_or_default()
    }

    /// Takes the body out, to be split without a copy, and the memory reserved for it.
    pub(super) fn take_body(self) -> (Caller<R>, BytesMut, Credit) {
        let mut body = self.frame;
        let body = body.split_off(self.body_at.min(body.len()));
        let caller = Caller {
            context: self.context,
            api: self.api,
            version: self.version,
            peer: self.peer,
            correlation_id: self.correlation_id,
        };
        (caller, body, self.credit)
    }

    /// Waits for the memory that the handler needs beyond the frame.
    pub(super) async fn admit(&self) -> Credit {
        let frame = self.frame.len() as u64;
        let bytes = match self.api.estimate {
            Estimate::Frames(times) => frame * times,
            Estimate::Image => frame + self.image_bytes(),
            Estimate::Handler => 0,
        };
        self.context.take_work(bytes).await
    }

    /// About what the whole metadata takes in a response.
    fn image_bytes(&self) -> u64 {
        const PARTITION_BYTES: u64 = 96;
        const BASE_BYTES: u64 = 16 << 10;
        let partitions = self.context.broker.image(|image| image.partition_count());
        BASE_BYTES + partitions * PARTITION_BYTES
    }

    pub(super) fn reply<'m>(&self, message: &impl Message<'m>) -> Reply {
        encode(self.api, self.version, self.correlation_id, message)
    }

    pub(super) fn refuse(&self, malformed: &Malformed) -> Reply {
        let (peer, version, error) = (self.peer, self.version, &malformed.0);
        tracing::warn!(%peer, api = %self.api.key, version, %error, "a malformed request: closed");
        Reply::Close
    }
}

/// What is left of a call whose body was taken.
pub(super) struct Caller<R: Runtime> {
    pub(super) context: Rc<Context<R>>,
    pub(super) api: &'static Api,
    pub(super) version: i16,
    pub(super) peer: SocketAddr,
    correlation_id: i32,
}

impl<R: Runtime> Caller<R> {
    pub(super) fn reply<'m>(&self, message: &impl Message<'m>) -> Reply {
        encode(self.api, self.version, self.correlation_id, message)
    }
}

fn encode<'m>(api: &Api, version: i16, correlation_id: i32, message: &impl Message<'m>) -> Reply {
    let mut encoder = Encoder::response(api.key, version, correlation_id);
    message.encode(version, &mut encoder);
    match encoder.finish() {
        Ok(parts) => Reply::Send(Response {
            parts,
            credit: None,
            throttle: Duration::ZERO,
        }),
        Err(error) => {
            tracing::error!(api = %api.key, version, %error, "a response cannot be encoded");
            Reply::Close
        }
    }
}

/// What a frame's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) key: i16,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    body_at: usize,
}

impl Head {
    /// Where the body begins in the frame.
    pub(super) fn body_at(self) -> usize {
        self.body_at
    }

    pub(super) fn of(frame: &[u8]) -> Result<Head, Malformed> {
        let (header, body) = RequestHeader::decode(frame)?;
        Ok(Head {
            key: header.key,
            version: header.version,
            correlation_id: header.correlation_id,
            body_at: frame.len() - body.len(),
        })
    }
}
