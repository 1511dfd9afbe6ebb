//! The door of one core.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use corelog_broker::Broker;
use corelog_rt::Runtime;
use corelog_wire::native::{Header, Limits, META_BYTES_MAX, PREFIX_BYTES};

use super::context::{Address, Context, silence_max};
use super::requests::Requests;
use crate::connection::{Budget, Door, Framing, Options, Prefix, Services};

/// A header that tells the lengths of all else.
pub(super) const FRAMING: Framing = Framing {
    prefix_bytes: PREFIX_BYTES,
    prefix: Prefix::Kept,
    measure,
};

/// What a request may hold.
pub(super) fn limits(payload_bytes_max: u32) -> Limits {
    Limits {
        meta_bytes_max: META_BYTES_MAX,
        payload_bytes_max,
    }
}

fn measure(prefix: &[u8], payload_bytes_max: u32) -> Result<u32, String> {
    let header = Header::parse(prefix, limits(payload_bytes_max));
    let header = header.map_err(|error| error.to_string())?;
    u32::try_from(header.frame_bytes()).map_err(|_| "a frame above 4 GiB".into())
}

/// Listens and starts to serve the broker's core. `address` is this core's own.
///
/// # Errors
/// What listening says.
///
/// # Panics
/// If three quarters of the memory cannot hold one payload of the largest size.
pub async fn open<R: Runtime>(
    broker: Broker<R>,
    address: SocketAddr,
    told: Address,
    options: Options,
    budget: Budget,
) -> io::Result<Door<R>> {
    let rt = broker.runtime().clone();
    let context = Rc::new(Context {
        broker,
        budget: budget.clone(),
        address: told,
        payload_bytes_max: options.request_bytes_max,
        silence_max: silence_max(options.idle_max),
    });
    let services: Services =
        Box::new(move |peer| Box::new(Requests::new(Rc::clone(&context), peer)));
    Door::listen(rt, address, options, budget, FRAMING, services).await
}
