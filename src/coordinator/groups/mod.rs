//! Groups of one partition of `__consumer_offsets`: members, generations, and committed offsets.

mod api;
mod state;

pub use api::*;
pub use state::Groups;
