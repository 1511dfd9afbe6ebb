//! corelog's native protocol: requests that are encoded once and sent again and again, straight to
//! the core that owns each partition, and subscriptions at the other end.
//!
//! Topics are found through the native client; what is measured speaks through sockets of its own.

mod greeting;
mod lane;
mod layout;
mod reader;

pub(crate) use lane::Lane;
pub(crate) use layout::Layout;
pub(crate) use reader::Reader;

/// As the broker's log shows it.
const CLIENT_NAME: &str = "corelog-bench";
