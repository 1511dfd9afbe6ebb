//! The door while the node recovers: it says so, with an error that clients retry.
//!
//! Answered are ApiVersions, Metadata of named
//! topics and Produce; who asks for anything else is closed, and comes again.

use std::time::Duration;

use bytes::Bytes;
use corelog_cluster::{ClusterId, Node};
use corelog_wire::kafka::{
    ApiKey, ApiVersionsResponse, Encoder, ErrorCode, Message, MetadataRequest, MetadataResponse,
    MetadataResponseBroker, MetadataResponseTopic, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceResponse, frame_bytes,
};
use tokio::net::TcpListener;

use super::api::{Api, advertised, unsupported};
use super::call::Head;
use crate::connection::Reply;
use crate::recovering::{Answers, FRAME_BYTES_MAX, answer};

/// Who answers.
pub struct Recovering {
    pub cluster: ClusterId,
    pub node: Node,
    /// How long a client may take for the next frame, and to receive its answer.
    pub wait: Duration,
}

impl Answers for Recovering {
    const PREFIX_BYTES: usize = 4;

    fn frame_bytes(&self, prefix: &[u8]) -> Option<usize> {
        let bytes = frame_bytes(*prefix.first_chunk()?, FRAME_BYTES_MAX);
        Some(Self::PREFIX_BYTES + bytes.ok()?)
    }

    fn reply(&self, frame: &[u8]) -> Option<Vec<Bytes>> {
        self.reply_to(frame.get(Self::PREFIX_BYTES..)?)
    }
}

impl Recovering {
    /// Answers until it is dropped; every connection ends with it.
    pub async fn answer(self, listener: TcpListener) {
        let wait = self.wait;
        answer(self, listener, wait).await;
    }

    /// None if the connection is to be closed.
    fn reply_to(&self, frame: &[u8]) -> Option<Vec<Bytes>> {
        let head = Head::of(frame).ok()?;
        let Some(api) = Api::of(head.key, head.version) else {
            return match unsupported(head) {
                Reply::Send(response) if head.key == ApiKey::ApiVersions.number() => {
                    Some(response.parts)
                }
                _ => None,
            };
        };
        let body = frame.get(head.body_at()..)?;
        match api.key {
            ApiKey::ApiVersions => encode(
                api.key,
                head,
                &ApiVersionsResponse {
                    api_keys: advertised().into(),
                    ..Default::default()
                },
            ),
            ApiKey::Metadata => self.metadata(head, body),
            ApiKey::Produce => produce(head, body),
            _ => None,
        }
    }

    fn metadata(&self, head: Head, body: &[u8]) -> Option<Vec<Bytes>> {
        let request = MetadataRequest::decode(head.version, body).ok()?;
        // A list of all topics would be taken for the truth.
        let asked = request.topics.filter(|topics| !topics.is_empty())?;
        let topics: Vec<_> = asked
            .iter()
            .map(|topic| MetadataResponseTopic {
                error_code: ErrorCode::LEADER_NOT_AVAILABLE,
                name: topic.name,
                topic_id: topic.topic_id,
                ..Default::default()
            })
            .collect();
        let cluster = self.cluster.to_string();
        let node = &self.node;
        let response = MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: node.id.0,
                host: &node.host,
                port: i32::from(node.port),
                rack: node.rack.as_deref(),
            }]
            .into(),
            cluster_id: Some(&cluster),
            controller_id: node.id.0,
            topics: topics.into(),
            ..Default::default()
        };
        encode(ApiKey::Metadata, head, &response)
    }
}

fn produce(head: Head, body: &[u8]) -> Option<Vec<Bytes>> {
    let request = ProduceRequest::decode(head.version, body).ok()?;
    if request.acks == 0 {
        return None;
    }
    let responses: Vec<_> = request
        .topic_data
        .iter()
        .map(|topic| TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: topic
                .partition_data
                .iter()
                .map(|partition| PartitionProduceResponse {
                    index: partition.index,
                    error_code: ErrorCode::LEADER_NOT_AVAILABLE,
                    base_offset: -1,
                    ..Default::default()
                })
                .collect::<Vec<_>>()
                .into(),
        })
        .collect();
    let response = ProduceResponse {
        responses: responses.into(),
        ..Default::default()
    };
    encode(ApiKey::Produce, head, &response)
}

fn encode<'m>(key: ApiKey, head: Head, message: &impl Message<'m>) -> Option<Vec<Bytes>> {
    let mut encoder = Encoder::response(key, head.version, head.correlation_id);
    message.encode(head.version, &mut encoder);
    encoder.finish().ok()
}

#[cfg(test)]
#[path = "recovering_test.rs"]
mod recovering_test;
