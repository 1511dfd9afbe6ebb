//! What bytes on a connection mean. No I/O, no state, any core.
//!
//! Decoding borrows from the bytes received and allocates nothing; encoding gathers parts, so
//! that record bytes are never copied. Nothing here panics on bytes from outside, and nothing is
//! sized by a count that they claim.

mod error;
pub mod kafka;
pub mod native;

pub use error::{Error, ErrorKind};
