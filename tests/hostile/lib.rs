//! Hostile clients against the real process: others are served meanwhile, and memory is bounded.
//!
//! A scenario starts the binary, lets a healthy client write and read all the time, attacks, and
//! then asks three things: how long the healthy client waited, how much memory and how many
//! descriptors the process took, and whether it still works and stops by itself. It owns its data
//! directory, its ports and the processes that it started. It knows the broker by its sockets, its
//! log and `/proc`, never by its code.

mod healthy;
mod http;
mod plan;
mod process;
mod report;
mod request;
pub mod scenarios;
mod socket;
mod stage;

pub use healthy::{Healthy, Latency, Waits};
pub use http::get;
pub use plan::{Plan, Size};
pub use process::{Memory, Process};
pub use report::Report;
pub use socket::Socket;
pub use stage::Stage;
