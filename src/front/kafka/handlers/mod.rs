//! One file an API: decode, ask the broker, encode.

pub(super) mod api_versions;
mod batch;
pub(super) mod fetch;
pub(super) mod metadata;
mod operations;
pub(super) mod produce;
