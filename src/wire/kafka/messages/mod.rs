//! The tables, one file an API. Names, types, version ranges, defaults and tags are those of
//! Apache Kafka 4.x; structures whose names Kafka uses twice carry their API's name here.

mod api_versions;
mod common;
mod fetch;
mod metadata;
mod produce;

pub use api_versions::*;
pub use common::*;
pub use fetch::*;
pub use metadata::*;
pub use produce::*;
