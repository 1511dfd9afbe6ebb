//! Groups of one partition of `__consumer_offsets`: members, generations, and committed offsets.
//!
//! [`Groups`] holds every group of its partition. A group is classic (members agree on opaque
//! protocols, one of them assigns) or of KIP-848 (the coordinator assigns), and beside its members
//! it has offsets. What must outlive this broker is stored as Kafka stores it, so that tools which
//! read the topic work.

mod api;
mod classic;
mod consumer;
mod cx;
mod group;
mod offsets;
mod records;
mod replay;
mod share;
mod share_records;
mod share_requests;
mod state;

#[cfg(test)]
mod classic_test;
#[cfg(test)]
mod consumer_test;
#[cfg(test)]
mod offsets_test;
#[cfg(test)]
mod random_test;
#[cfg(test)]
mod share_test;
#[cfg(test)]
mod testing;

pub use api::*;
pub use state::Groups;
