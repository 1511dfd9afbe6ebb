//! The door of one core.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use corelog_broker::Broker;
use corelog_rt::{Runtime, Shared};

use super::api::Requests;
use super::context::Context;
use super::sessions::Sessions;
use super::share_sessions::ShareSessions;
use crate::connection::{Budget, Door, Framing, Options, Prefix, Services};

/// Key, version and correlation id: no request is shorter.
const FRAME_BYTES_MIN: u32 = 8;

/// A length of 4 bytes, big-endian, then that many.
pub(crate) const FRAMING: Framing = Framing {
    prefix_bytes: 4,
    prefix: Prefix::Dropped,
    measure,
};

fn measure(prefix: &[u8], bytes_max: u32) -> Result<u32, String> {
    let length = prefix.first_chunk().map_or(-1, |b| i32::from_be_bytes(*b));
    let known = u32::try_from(length).ok();
    let known = known.filter(|n| (FRAME_BYTES_MIN..=bytes_max).contains(n));
    known.ok_or_else(|| format!("an impossible length: {length}"))
}

/// Listens and starts to serve the broker's core.
///
/// # Errors
/// What listening says.
///
/// # Panics
/// If three quarters of the memory cannot hold one frame of the largest size.
pub async fn open<R: Runtime>(
    broker: Broker<R>,
    address: SocketAddr,
    options: Options,
    budget: Budget,
) -> io::Result<Door<R>> {
    let rt = broker.runtime().clone();
    let context = Rc::new(Context {
        broker,
        sessions: Shared::new(Sessions::default()),
        shares: Shared::new(ShareSessions::default()),
        work: budget.work.clone(),
        records: budget.records.clone(),
        request_bytes_max: options.request_bytes_max,
    });
    let services: Services =
        Box::new(move |peer| Box::new(Requests::new(Rc::clone(&context), peer)));
    Door::listen(rt, address, options, budget, FRAMING, services).await
}
