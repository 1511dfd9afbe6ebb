//! The boundary between a connection and what its requests mean.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_rt::Credit;

/// A future of this core.
pub(super) type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// A frame without its length, and the memory that was reserved for it.
pub(super) struct Frame {
    pub(super) bytes: BytesMut,
    pub(super) credit: Credit,
}

/// May a request start while earlier ones of its connection run?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// Beside earlier requests that overlap too. Only Produce: its order is that of submission.
    Overlaps,
    /// Once all earlier ones have finished.
    Alone,
}

/// A request that has been started.
pub(super) enum Started {
    Done(Reply),
    /// It has its place in the order; the answer follows.
    Later(Task<Reply>),
}

/// What becomes of a request.
pub(super) enum Reply {
    Send(Response),
    /// Nothing is sent: acks=0.
    Silence,
    /// The connection is closed after the earlier responses.
    Close,
}

pub(super) struct Response {
    /// The whole frame, its length first.
    pub(super) parts: Vec<Bytes>,
    /// Memory that the parts pin; given back once they are sent.
    pub(super) credit: Option<Credit>,
    /// The connection is not read for this long after the answer (KIP-219).
    pub(super) throttle: Duration,
}

impl Response {
    pub(super) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }

    /// Bytes that are the connection's own memory and no pool's.
    pub(super) fn own_bytes(&self) -> u64 {
        match self.credit {
            Some(_) => 0,
            None => self.bytes(),
        }
    }
}

/// What a connection's requests are given to. One a connection.
pub(super) trait Service: 'static {
    /// From a frame's first bytes.
    fn order(&self, frame: &[u8]) -> Order;

    /// Starts a request. The future may be dropped when the peer has gone, unless the request
    /// [`Order::Overlaps`]: those are started once they are read, whatever becomes of the peer.
    fn start(&self, frame: Frame) -> Task<Started>;
}
