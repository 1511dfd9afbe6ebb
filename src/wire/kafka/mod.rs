//! Kafka's protocol: headers, messages of every version that we serve or call, error codes.
//!
//! A message is one table (`messages/`); [`ApiKey`] lists the APIs with their versions. A table
//! makes a plain struct that is used in both directions:
//!
//! ```
//! use corelog_wire::kafka::{ApiKey, Encoder, ErrorCode, ProduceRequest, ProduceResponse};
//! use corelog_wire::kafka::{PartitionProduceResponse, Records, TopicProduceResponse};
//!
//! fn answer(version: i16, correlation_id: i32, body: &[u8]) -> Result<(), corelog_wire::Error> {
//!     let request = ProduceRequest::decode(version, body)?;
//!     let response = ProduceResponse {
//!         responses: request
//!             .topic_data
//!             .iter()
//!             .map(|topic| TopicProduceResponse {
//!                 name: topic.name,
//!                 topic_id: topic.topic_id,
//!                 partition_responses: topic
//!                     .partition_data
//!                     .iter()
//!                     .map(|partition| PartitionProduceResponse {
//!                         index: partition.index,
//!                         error_code: ErrorCode::NONE,
//!                         ..Default::default()
//!                     })
//!                     .collect(),
//!             })
//!             .collect(),
//!         ..Default::default()
//!     };
//!     let mut encoder = Encoder::response(ApiKey::Produce, version, correlation_id);
//!     response.encode(version, &mut encoder);
//!     let _parts = encoder.finish()?;
//!     Ok(())
//! }
//! # let _ = (answer, Records::EMPTY);
//! ```
//!
//! Rules for those who fill in messages: a field that the version does not have is not written,
//! so fill in all of them (name and id, for example). `None` where the version has no null is
//! written as the type's empty value.

mod api;
mod array;
mod config_source;
mod decoder;
mod encoder;
mod error_code;
mod header;
pub mod internal;
mod messages;
mod records;
mod table;
mod value;

#[cfg(test)]
mod fuzz_test;
#[cfg(test)]
mod golden_test;
#[cfg(test)]
mod java_test;
#[cfg(test)]
mod oracle_fields;
#[cfg(test)]
mod oracle_test;
#[cfg(test)]
mod testing;

pub use api::ApiKey;
pub use array::{Array, Iter};
pub use config_source::ConfigSource;
pub use decoder::{Decoder, Known};
pub use encoder::Encoder;
pub use error_code::ErrorCode;
pub use header::{RequestHeader, ResponseHeader, frame_bytes};
pub use messages::*;
pub use records::Records;
pub use table::{Message, Request};
pub use value::{Nullable, Value, Version};
