//! The door while the node recovers: it says so, with an error that clients retry.
//!
//! On the housekeeping thread, before any core serves. Answered are ApiVersions, Metadata of named
//! topics and Produce; who asks for anything else is closed, and comes again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corelog_cluster::{ClusterId, Node};
use corelog_rt::ring::RingRuntime;
use corelog_wire::kafka::{
    ApiKey, ApiVersionsResponse, Encoder, ErrorCode, Message, MetadataRequest, MetadataResponse,
    MetadataResponseBroker, MetadataResponseTopic, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceResponse, frame_bytes,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::api::{Api, advertised, unsupported};
use super::call::Head;
use crate::connection::Reply;

/// Connections at a time, and what each may send at once: the node has not yet set aside memory.
const CONNECTIONS_MAX: usize = 64;
const FRAME_BYTES_MAX: usize = 2 << 20;
const BACKLOG: u32 = 1024;

/// Who answers.
pub struct Recovering {
    pub cluster: ClusterId,
    pub node: Node,
    /// How long a client may take for the next frame, and to receive its answer.
    pub wait: Duration,
}

/// Listens beside the cores' own listeners, which come later.
///
/// # Errors
/// What the kernel says.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The next frame; None if its length is no request's.
async fn next(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let Ok(bytes) = frame_bytes(prefix, FRAME_BYTES_MAX) else {
        return Ok(None);
    };
    let mut frame = vec![0; bytes];
    stream.read_exact(&mut frame).await?;
    Ok(Some(frame))
}

impl Recovering {
    /// Answers until it is dropped; every connection ends with it.
    pub async fn answer(self, listener: TcpListener) {
        let me = Arc::new(self);
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            while connections.try_join_next().is_some() {}
            let me = Arc::clone(&me);
            connections.spawn(async move {
                // A client that goes is no news.
                let _ = me.serve(stream).await;
                drop(permit);
            });
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let Some(frame) = timeout(self.wait, next(&mut stream)).await?? else {
                return Ok(());
            };
            let Some(parts) = self.reply(&frame) else {
                return Ok(());
            };
            // Who reads nothing would keep one of the few places until the node serves.
            timeout(self.wait, stream.write_all(&parts.concat())).await??;
        }
    }

    /// None if the connection is to be closed.
    fn reply(&self, frame: &[u8]) -> Option<Vec<Bytes>> {
        let head = Head::of(frame).ok()?;
        let Some(api) = Api::<RingRuntime>::of(head.key, head.version) else {
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
                    api_keys: advertised::<RingRuntime>().into(),
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
