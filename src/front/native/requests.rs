//! The way from a frame to its handler.

use std::future::ready;
use std::net::SocketAddr;
use std::rc::Rc;

use corelog_rt::Runtime;
use corelog_wire::native::{Api, HEADER_BYTES};

use super::call::{Call, Malformed};
use super::context::Context;
use super::handlers::subscribe::{self, Version};
use super::handlers::{fetch, hello, init_producer, list_offsets, metadata, produce, topics};
use super::subscriptions::Subscriptions;
use crate::connection::{Aside, Frame, Order, Pushes, Reply, Service, Started, Task};

/// Where the header has the API's number.
const API_AT: usize = 4;
const _: () = assert!(API_AT + 2 <= HEADER_BYTES);

/// What one connection's requests are given to.
pub(super) struct Requests<R: Runtime> {
    context: Rc<Context<R>>,
    peer: SocketAddr,
    subscriptions: Subscriptions,
}

impl<R: Runtime> Requests<R> {
    pub(super) fn new(context: Rc<Context<R>>, peer: SocketAddr) -> Self {
        Self {
            subscriptions: Subscriptions::new(context.budget.streams.clone()),
            context,
            peer,
        }
    }

    /// None for what is no request.
    fn call(&self, frame: Frame) -> Option<Call<R>> {
        match Call::new(Rc::clone(&self.context), self.peer, frame) {
            Ok(call) if call.header.flags == 0 => Some(call),
            Ok(_) => {
                tracing::warn!(peer = %self.peer, "a response where requests are due: closed");
                None
            }
            Err(Malformed(error)) => {
                tracing::warn!(peer = %self.peer, %error, "no frame of a request: closed");
                None
            }
        }
    }
}

/// A handler that answers when it is done.
macro_rules! whole {
    ($call:ident, $handler:path) => {
        Box::pin(async move {
            let reply = $handler(&$call).await;
            Started::Done(reply.unwrap_or_else(|malformed| $call.refuse(&malformed)))
        })
    };
}

fn api_of(frame: &[u8]) -> Option<Api> {
    let number = frame.get(API_AT..)?.first_chunk()?;
    Api::from_number(u16::from_le_bytes(*number))
}

impl<R: Runtime> Service for Requests<R> {
    fn order(&self, frame: &[u8]) -> Order {
        match api_of(frame) {
            Some(Api::Produce) => Order::Overlaps,
            Some(Api::Subscribe | Api::Credit | Api::Unsubscribe) => Order::Aside,
            _ => Order::Alone,
        }
    }

    fn start(&self, frame: Frame) -> Task<Started> {
        let Some(call) = self.call(frame) else {
            return Box::pin(ready(Started::Done(Reply::Close)));
        };
        match (Api::from_number(call.header.api), call.header.version) {
            (Some(Api::Produce), 1) => produce::start::<R, produce::V1>(call),
            (Some(Api::Produce), 2) => produce::start::<R, produce::V2>(call),
            (Some(Api::Fetch), 1) => whole!(call, fetch::handle_v1),
            (Some(Api::Fetch), 2) => whole!(call, fetch::handle_v2),
            (Some(Api::ListOffsets), 1) => whole!(call, list_offsets::handle_v1),
            (Some(Api::ListOffsets), 2) => whole!(call, list_offsets::handle_v2),
            (Some(Api::Hello), 1) => whole!(call, hello::handle),
            (Some(Api::Metadata), 1) => whole!(call, metadata::handle),
            (Some(Api::CreateTopic), 1) => whole!(call, topics::create),
            (Some(Api::DeleteTopic), 1) => whole!(call, topics::delete),
            (Some(Api::DescribeTopic), 1) => whole!(call, topics::describe),
            (Some(Api::InitProducer), 1) => whole!(call, init_producer::handle),
            _ => Box::pin(ready(Started::Done(hello::unsupported(&call)))),
        }
    }

    fn aside(&self, frame: Frame, pushes: Pushes) -> Aside {
        let Some(call) = self.call(frame) else {
            return Aside::Reply(Reply::Close);
        };
        let known = &self.subscriptions;
        let done = match (Api::from_number(call.header.api), call.header.version) {
            (Some(Api::Subscribe), 1) => subscribe::begin(&call, Version::V1, known, pushes),
            (Some(Api::Subscribe), 2) => subscribe::begin(&call, Version::V2, known, pushes),
            (Some(Api::Credit), 1) => subscribe::credit(&call, known),
            (Some(Api::Unsubscribe), 1) => subscribe::end(&call, known),
            _ => Ok(Aside::Reply(hello::unsupported(&call))),
        };
        done.unwrap_or_else(|malformed| Aside::Reply(call.refuse(&malformed)))
    }
}
