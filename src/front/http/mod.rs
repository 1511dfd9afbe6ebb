//! The HTTP door: liveness, readiness and metrics, on the housekeeping thread.
//!
//! Anyone may connect to it, so a connection has a deadline, and the oldest gives way to one too
//! many: what asks whether the broker lives is answered under a flood too.
//!
//! It never touches a core: what it shows is put on its [`Board`] by the node. So it answers also
//! while a core is stuck, and says so.

mod board;
mod guard;
mod server;

pub use board::Board;
pub use server::{listen, serve};
