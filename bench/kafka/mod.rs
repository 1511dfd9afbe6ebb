//! The driver that speaks Kafka's protocol, to any broker that does.
//!
//! Topics are found and created by corelog-client, before the run. In the run, requests are bytes
//! that were made before, and nothing is allocated for one.

mod lane;
mod layout;
mod reader;

pub(crate) use lane::Lane;
pub(crate) use layout::Layout;
pub(crate) use reader::Reader;

/// The name that brokers log and account by.
const CLIENT_ID: &str = "corelog-bench";
