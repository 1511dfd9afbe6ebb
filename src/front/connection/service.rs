//! The boundary between a connection and what its requests mean.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_rt::Credit;

use super::pushes::Pushes;

/// A future of this core.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// A frame without its length, and the memory that was reserved for it.
pub(crate) struct Frame {
    pub(crate) bytes: BytesMut,
    pub(crate) credit: Credit,
}

/// May a request start while earlier ones of its connection run?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Beside earlier requests that overlap too. Only Produce: its order is that of submission.
    Overlaps,
    /// Once all earlier ones have finished.
    Alone,
    /// It has no place in the order: it is done when it is read, by [`Service::aside`].
    Aside,
}

/// A request that has been started.
pub(crate) enum Started {
    Done(Reply),
    /// It has its place in the order; the answer follows.
    Later(Task<Reply>),
}

/// What becomes of a request that has no place in the order.
pub(crate) enum Aside {
    /// It has no answer.
    Nothing,
    /// It pushes responses for as long as it runs.
    Stream(Task<()>),
    Reply(Reply),
}

/// What becomes of a request.
pub(crate) enum Reply {
    Send(Response),
    /// Nothing is sent: acks=0.
    Silence,
    /// The connection is closed after the earlier responses.
    Close,
}

impl Reply {
    /// The memory goes back once the response is sent; what it does not need goes back now.
    pub(crate) fn holding(self, mut credit: Credit) -> Reply {
        match self {
            // A handler that took its memory itself holds it already.
            Reply::Send(mut response) if response.credit.is_none() => {
                credit.shrink_to(response.bytes());
                response.credit = Some(credit);
                Reply::Send(response)
            }
            other => other,
        }
    }
}

pub(crate) struct Response {
    /// The whole frame, its length first.
    pub(crate) parts: Vec<Bytes>,
    /// Memory that the parts pin; given back once they are sent.
    pub(crate) credit: Option<Credit>,
    /// The connection is not read for this long after the answer (KIP-219).
    pub(crate) throttle: Duration,
}

impl Response {
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }

    /// Bytes that are the connection's own memory and no pool's.
    pub(crate) fn own_bytes(&self) -> u64 {
        match self.credit {
            Some(_) => 0,
            None => self.bytes(),
        }
    }
}

/// What a connection's requests are given to. One a connection.
pub(crate) trait Service: 'static {
    /// From a frame's first bytes.
    fn order(&self, frame: &[u8]) -> Order;

    /// Starts a request. The future may be dropped when the peer has gone, unless the request
    /// [`Order::Overlaps`]: those are started once they are read, whatever becomes of the peer.
    fn start(&self, frame: Frame) -> Task<Started>;

    /// Does a request of [`Order::Aside`], at once. A protocol without streams has none.
    fn aside(&self, _frame: Frame, _pushes: Pushes) -> Aside {
        Aside::Reply(Reply::Close)
    }
}
