//! corelog's own protocol: a header of 32 bytes, an rkyv archive that is validated and read in
//! place, and an opaque payload of record batches. Every byte is in `docs/formats.md`.
//!
//! A message is a type of [`v1`] or [`v2`], which are frozen; (api, version) selects it. What a
//! later version adds has a type of its own, with `From` the one before. `Hello` exchanges ranges,
//! and a client uses the lower of the two maxima.

mod api;
mod frame;
mod header;
mod ranges;
pub mod v1;
pub mod v2;
mod view;

#[cfg(test)]
mod fuzz_test;
#[cfg(test)]
mod golden_test;
#[cfg(test)]
mod golden_v2_test;
#[cfg(test)]
mod native_test;

pub use api::{Api, ApiRange, common};
pub use frame::{Message, Meta, Outbound, encode};
pub use header::{
    FLAG_MORE, FLAG_RESPONSE, HEADER_BYTES, Header, Limits, META_BYTES_MAX, PREFIX_BYTES,
};
pub use ranges::{Place, check_places};
pub use view::View;
