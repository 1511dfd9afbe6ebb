//! Version 1 of every message. Frozen: a change is a new version beside it.
//!
//! Errors are Kafka's numbers, 0 is none; -1 stands for "none" in offsets, times and epochs, as in
//! Kafka. Ids of topics are 16 bytes.

use rkyv::{Archive, Deserialize, Serialize};

use super::api::Api;
use super::frame::Message;
use super::header::FLAG_RESPONSE;

macro_rules! messages {
    ($($type:ident: $api:ident $flags:expr;)*) => {$(
        impl Message for $type {
            const API: Api = Api::$api;
            const VERSION: u16 = 1;
            const FLAGS: u8 = $flags;
        }
    )*};
}

messages! {
    HelloRequest: Hello 0;
    HelloResponse: Hello FLAG_RESPONSE;
    MetadataRequest: Metadata 0;
    MetadataResponse: Metadata FLAG_RESPONSE;
    CreateTopicRequest: CreateTopic 0;
    CreateTopicResponse: CreateTopic FLAG_RESPONSE;
    DeleteTopicRequest: DeleteTopic 0;
    DeleteTopicResponse: DeleteTopic FLAG_RESPONSE;
    InitProducerRequest: InitProducer 0;
    InitProducerResponse: InitProducer FLAG_RESPONSE;
    ProduceRequest: Produce 0;
    ProduceResponse: Produce FLAG_RESPONSE;
    FetchRequest: Fetch 0;
    FetchResponse: Fetch FLAG_RESPONSE;
    SubscribeRequest: Subscribe 0;
    SubscribeResponse: Subscribe FLAG_RESPONSE;
    CreditRequest: Credit 0;
    UnsubscribeRequest: Unsubscribe 0;
    ListOffsetsRequest: ListOffsets 0;
    ListOffsetsResponse: ListOffsets FLAG_RESPONSE;
    DescribeTopicRequest: DescribeTopic 0;
    DescribeTopicResponse: DescribeTopic FLAG_RESPONSE;
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Range {
    pub api: u16,
    pub min: u16,
    pub max: u16,
}

/// The first request of a connection.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HelloRequest {
    /// The name that the client gives itself, for logs.
    pub client: String,
    /// What it is built from, and its version.
    pub software: String,
    pub ranges: Vec<Range>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HelloResponse {
    pub error: i16,
    /// In words; empty without an error.
    pub message: String,
    pub node: i32,
    pub cluster: [u8; 16],
    pub ranges: Vec<Range>,
    /// The host that clients are told, and the port of each core of this node on it.
    pub host: String,
    pub ports: Vec<u16>,
    /// The core that this connection has reached.
    pub core: u16,
    pub payload_bytes_max: u32,
    /// As many topics as the frame takes; for others ask Metadata.
    pub topics: Vec<Topic>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Topic {
    pub name: String,
    pub id: [u8; 16],
    pub error: i16,
    pub partitions: Vec<Partition>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Partition {
    pub index: i32,
    /// -1: nobody leads.
    pub leader: i32,
    pub epoch: i32,
    /// The core that owns it on the leader.
    pub core: u16,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct MetadataRequest {
    /// None: all.
    pub topics: Option<Vec<String>>,
    /// Create what is not there, if the broker does so for Kafka's clients, too.
    pub create: bool,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct MetadataResponse {
    pub error: i16,
    pub message: String,
    pub topics: Vec<Topic>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Config {
    pub name: String,
    pub value: String,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct CreateTopicRequest {
    pub name: String,
    /// -1: the broker's default.
    pub partitions: i32,
    pub replicas: i16,
    pub configs: Vec<Config>,
    /// Say what would come of it, and change nothing.
    pub dry: bool,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct CreateTopicResponse {
    pub error: i16,
    pub message: String,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct DeleteTopicRequest {
    pub name: String,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct DeleteTopicResponse {
    pub error: i16,
    pub message: String,
}

/// A new producer's id.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct InitProducerRequest {
    /// Always 0.
    pub flags: u32,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct InitProducerResponse {
    pub error: i16,
    pub id: i64,
    pub epoch: i16,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ProduceRequest {
    /// -1: `min.insync.replicas` must be in sync; 1: committed.
    pub acks: i16,
    pub timeout_ms: u32,
    pub parts: Vec<ProducePart>,
}

/// One record batch of Kafka's format 2, in the payload.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ProducePart {
    pub topic: [u8; 16],
    pub partition: i32,
    pub position: u32,
    pub bytes: u32,
}

/// In the order of the request.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ProduceResponse {
    pub parts: Vec<Produced>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Produced {
    pub error: i16,
    /// Of the first record.
    pub base_offset: i64,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct FetchRequest {
    pub wait_max_ms: u32,
    pub bytes_min: u32,
    /// The first batch comes even above it.
    pub bytes_max: u32,
    pub parts: Vec<FetchPart>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct FetchPart {
    pub topic: [u8; 16],
    pub partition: i32,
    /// The leader epoch that the client knows; -1 is not checked.
    pub epoch: i32,
    pub offset: i64,
    pub bytes_max: u32,
}

/// In the order of the request. Whole batches, back to back, in the payload.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct FetchResponse {
    pub parts: Vec<Fetched>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Fetched {
    pub error: i16,
    pub high_watermark: i64,
    pub log_start: i64,
    pub position: u32,
    pub bytes: u32,
}

/// Batches are sent as they come, for as long as there is credit.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct SubscribeRequest {
    /// Payload bytes that may be sent before more credit is given. A batch is sent while any credit
    /// is left, so it may be overdrawn by one batch.
    pub credit_bytes: u64,
    /// Of one frame.
    pub bytes_max: u32,
    pub parts: Vec<FetchPart>,
}

/// Parts that have something; each names its place in the request. After an error a part sends
/// nothing more.
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

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct CreditRequest {
    /// The correlation id of the subscription.
    pub subscription: u64,
    pub bytes: u64,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct UnsubscribeRequest {
    pub subscription: u64,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ListOffsetsRequest {
    pub parts: Vec<ListPart>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ListPart {
    pub topic: [u8; 16],
    pub partition: i32,
    pub epoch: i32,
    /// A time in ms, or as in Kafka: -1 the latest, -2 the earliest, -3 the largest timestamp.
    pub time: i64,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct ListOffsetsResponse {
    pub parts: Vec<Listed>,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Listed {
    pub error: i16,
    pub offset: i64,
    pub time: i64,
    pub epoch: i32,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct DescribeTopicRequest {
    pub name: String,
}

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct DescribeTopicResponse {
    pub error: i16,
    pub message: String,
    /// Copies of each partition; of the one that has the fewest, if they differ.
    pub replicas: i16,
    /// Every setting, whether the topic has it of its own or not.
    pub configs: Vec<Described>,
}

/// A setting as it holds.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Described {
    pub name: String,
    pub value: Option<String>,
    /// Whose it is, by Kafka's numbers: 1 the topic's, 2 the broker's, 3 that of all brokers, 4 of
    /// the broker's configuration file, 5 the default.
    pub source: i8,
}
