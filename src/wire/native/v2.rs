//! What version 2 changes. Frozen, as [`super::v1`] is.

use rkyv::{Archive, Deserialize, Serialize};

use super::api::Api;
use super::frame::Message;
use super::header::FLAG_RESPONSE;
use super::v1;

/// As in version 1.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ProduceRequest {
    pub acks: i16,
    pub timeout_ms: u32,
    pub parts: Vec<v1::ProducePart>,
}

impl From<v1::ProduceRequest> for ProduceRequest {
    fn from(before: v1::ProduceRequest) -> Self {
        Self {
            acks: before.acks,
            timeout_ms: before.timeout_ms,
            parts: before.parts,
        }
    }
}

impl Message for ProduceRequest {
    const API: Api = Api::Produce;
    const VERSION: u16 = 2;
    const FLAGS: u8 = 0;
}

/// Says where the log begins, and which time was stamped.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ProduceResponse {
    pub parts: Vec<Produced>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Produced {
    pub error: i16,
    pub base_offset: i64,
    pub log_start: i64,
    /// -1 unless the topic stamps the time of the append.
    pub append_time: i64,
}

impl From<v1::Produced> for Produced {
    fn from(before: v1::Produced) -> Self {
        Self {
            error: before.error,
            base_offset: before.base_offset,
            log_start: -1,
            append_time: -1,
        }
    }
}

impl From<v1::ProduceResponse> for ProduceResponse {
    fn from(before: v1::ProduceResponse) -> Self {
        Self {
            parts: before.parts.into_iter().map(Produced::from).collect(),
        }
    }
}

impl Message for ProduceResponse {
    const API: Api = Api::Produce;
    const VERSION: u16 = 2;
    const FLAGS: u8 = FLAG_RESPONSE;
}
