//! One file an API: read, ask the broker, write.

pub(super) mod fetch;
pub(super) mod hello;
pub(super) mod init_producer;
pub(super) mod list_offsets;
mod map;
pub(super) mod metadata;
pub(super) mod produce;
pub(super) mod subscribe;
pub(super) mod topics;
