//! What version 2 changes. Frozen, as [`super::v1`] is.

use rkyv::{Archive, Deserialize, Serialize};

use super::api::Api;
use super::frame::Message;
use super::header::FLAG_RESPONSE;
use super::v1;

macro_rules! messages {
    ($($type:ident: $api:ident $flags:expr;)*) => {$(
        impl Message for $type {
            const API: Api = Api::$api;
            const VERSION: u16 = 2;
            const FLAGS: u8 = $flags;
        }
    )*};
}

messages! {
    ProduceRequest: Produce 0;
    ProduceResponse: Produce FLAG_RESPONSE;
    FetchRequest: Fetch 0;
    FetchResponse: Fetch FLAG_RESPONSE;
    SubscribeRequest: Subscribe 0;
    SubscribeResponse: Subscribe FLAG_RESPONSE;
    ListOffsetsRequest: ListOffsets 0;
    ListOffsetsResponse: ListOffsets FLAG_RESPONSE;
}

/// Records of transactions are seen whatever becomes of them.
pub const UNCOMMITTED: u8 = 0;
/// Nothing of transactions that are open, and the aborted ones are named.
pub const COMMITTED: u8 = 1;

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

/// Says what of transactions is wanted.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct FetchRequest {
    pub wait_max_ms: u32,
    pub bytes_min: u32,
    pub bytes_max: u32,
    /// [`UNCOMMITTED`] or [`COMMITTED`].
    pub isolation: u8,
    pub parts: Vec<v1::FetchPart>,
}

impl From<v1::FetchRequest> for FetchRequest {
    fn from(before: v1::FetchRequest) -> Self {
        Self {
            wait_max_ms: before.wait_max_ms,
            bytes_min: before.bytes_min,
            bytes_max: before.bytes_max,
            isolation: UNCOMMITTED,
            parts: before.parts,
        }
    }
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct FetchResponse {
    pub parts: Vec<Fetched>,
}

impl From<v1::FetchResponse> for FetchResponse {
    fn from(before: v1::FetchResponse) -> Self {
        Self {
            parts: before.parts.into_iter().map(Fetched::from).collect(),
        }
    }
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Fetched {
    pub error: i16,
    pub high_watermark: i64,
    /// Where readers of committed transactions stop (exclusive); -1 is not told.
    pub last_stable: i64,
    pub log_start: i64,
    pub position: u32,
    pub bytes: u32,
    /// With [`COMMITTED`]: the aborted transactions that reach into these batches.
    pub aborted: Vec<Aborted>,
}

/// Records of this producer from `first` on, up to its next marker, are aborted.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Aborted {
    pub producer: i64,
    pub first: i64,
}

impl From<v1::Fetched> for Fetched {
    fn from(before: v1::Fetched) -> Self {
        Self {
            error: before.error,
            high_watermark: before.high_watermark,
            last_stable: -1,
            log_start: before.log_start,
            position: before.position,
            bytes: before.bytes,
            aborted: Vec::new(),
        }
    }
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct SubscribeRequest {
    pub credit_bytes: u64,
    pub bytes_max: u32,
    /// [`UNCOMMITTED`] or [`COMMITTED`].
    pub isolation: u8,
    pub parts: Vec<v1::FetchPart>,
}

impl From<v1::SubscribeRequest> for SubscribeRequest {
    fn from(before: v1::SubscribeRequest) -> Self {
        Self {
            credit_bytes: before.credit_bytes,
            bytes_max: before.bytes_max,
            isolation: UNCOMMITTED,
            parts: before.parts,
        }
    }
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct SubscribeResponse {
    pub error: i16,
    pub parts: Vec<Sent>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Sent {
    pub part: u32,
    pub fetched: Fetched,
}

impl From<v1::Sent> for Sent {
    fn from(before: v1::Sent) -> Self {
        Self {
            part: before.part,
            fetched: before.fetched.into(),
        }
    }
}

impl From<v1::SubscribeResponse> for SubscribeResponse {
    fn from(before: v1::SubscribeResponse) -> Self {
        Self {
            error: before.error,
            parts: before.parts.into_iter().map(Sent::from).collect(),
        }
    }
}

/// The latest offset is that of the isolation.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ListOffsetsRequest {
    /// [`UNCOMMITTED`] or [`COMMITTED`].
    pub isolation: u8,
    pub parts: Vec<v1::ListPart>,
}

impl From<v1::ListOffsetsRequest> for ListOffsetsRequest {
    fn from(before: v1::ListOffsetsRequest) -> Self {
        Self {
            isolation: UNCOMMITTED,
            parts: before.parts,
        }
    }
}

/// As in version 1.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ListOffsetsResponse {
    pub parts: Vec<v1::Listed>,
}

impl From<v1::ListOffsetsResponse> for ListOffsetsResponse {
    fn from(before: v1::ListOffsetsResponse) -> Self {
        Self {
            parts: before.parts,
        }
    }
}
