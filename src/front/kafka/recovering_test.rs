//! A client that comes while the node recovers.

use std::net::SocketAddr;
use std::time::Duration;

use corelog_base::{NodeId, TopicId};
use corelog_cluster::{ClusterId, Node};
use corelog_wire::kafka::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, Encoder, ErrorCode, FetchRequest, Message,
    MetadataRequest, MetadataRequestTopic, MetadataResponse, PartitionProduceData, ProduceRequest,
    ProduceResponse, ResponseHeader, TopicProduceData,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use super::Recovering;
use crate::recovering::listen;

const WAIT: Duration = Duration::from_secs(1);

fn with_door<F: Future<Output = ()>>(check: impl FnOnce(SocketAddr) -> F) {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener = listen(any).expect("a port");
        let address = listener.local_addr().expect("bound");
        let recovering = Recovering {
            cluster: ClusterId([7; 16]),
            node: Node {
                id: NodeId(3),
                host: "here".into(),
                port: 9,
                cores: 1,
                rack: None,
            },
            wait: WAIT,
        };
        let door = tokio::spawn(recovering.answer(listener));
        check(address).await;
        door.abort();
    });
}

/// The response's body; None if the connection was closed.
async fn ask<'m>(
    stream: &mut TcpStream,
    (key, version): (ApiKey, i16),
    request: &impl Message<'m>,
) -> Option<Vec<u8>> {
    let mut encoder = Encoder::request(key, version, 11, Some("test"));
    request.encode(version, &mut encoder);
    let frame = encoder.finish().expect("it is small").concat();
    stream.write_all(&frame).await.expect("sent");
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await.ok()?;
    let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
    stream
        .read_exact(&mut body)
        .await
        .expect("a whole response");
    let (header, rest) = ResponseHeader::decode(key, version, &body).expect("a header");
    assert_eq!(header.correlation_id, 11);
    Some(rest.to_vec())
}

#[test]
fn it_says_that_it_is_not_ready() {
    with_door(|address| async move {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let hello = ApiVersionsRequest {
            client_software_name: "test",
            client_software_version: "1",
        };
        let body = ask(&mut stream, (ApiKey::ApiVersions, 4), &hello).await;
        let body = body.expect("an answer");
        let versions = ApiVersionsResponse::decode(4, &body).expect("sound");
        assert_eq!(versions.error_code, ErrorCode::NONE);
        assert!(
            versions
                .api_keys
                .iter()
                .any(|k| k.api_key == 1 && k.max_version == 18)
        );

        let named = MetadataRequest {
            topics: Some(
                vec![MetadataRequestTopic {
                    topic_id: TopicId::ZERO,
                    name: Some("t"),
                }]
                .into(),
            ),
            ..Default::default()
        };
        let body = ask(&mut stream, (ApiKey::Metadata, 12), &named).await;
        let body = body.expect("an answer");
        let metadata = MetadataResponse::decode(12, &body).expect("sound");
        let topic = metadata.topics.iter().next().expect("the topic");
        assert_eq!(
            (topic.name, topic.error_code),
            (Some("t"), ErrorCode::LEADER_NOT_AVAILABLE)
        );
        let broker = metadata.brokers.iter().next().expect("itself");
        assert_eq!((broker.node_id, broker.host, broker.port), (3, "here", 9));

        let produce = ProduceRequest {
            acks: -1,
            timeout_ms: 1000,
            topic_data: vec![TopicProduceData {
                name: "t",
                partition_data: vec![PartitionProduceData {
                    index: 2,
                    ..Default::default()
                }]
                .into(),
                ..Default::default()
            }]
            .into(),
            ..Default::default()
        };
        let body = ask(&mut stream, (ApiKey::Produce, 9), &produce).await;
        let body = body.expect("an answer");
        let produced = ProduceResponse::decode(9, &body).expect("sound");
        let topic = produced.responses.iter().next().expect("the topic");
        let partition = topic
            .partition_responses
            .iter()
            .next()
            .expect("the partition");
        let found = (partition.index, partition.error_code);
        assert_eq!(found, (2, ErrorCode::LEADER_NOT_AVAILABLE));
    });
}

#[test]
fn it_closes_on_what_it_cannot_answer() {
    with_door(|address| async move {
        let all = MetadataRequest::default();
        let fetch = FetchRequest::default();
        let mut stream = TcpStream::connect(address).await.expect("connected");
        assert!(
            ask(&mut stream, (ApiKey::Metadata, 12), &all)
                .await
                .is_none()
        );
        let mut stream = TcpStream::connect(address).await.expect("connected");
        assert!(
            ask(&mut stream, (ApiKey::Fetch, 12), &fetch)
                .await
                .is_none()
        );
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream
            .write_all(&i32::MAX.to_be_bytes())
            .await
            .expect("sent");
        assert_eq!(stream.read(&mut [0]).await.expect("closed"), 0);
    });
}

/// Few are answered at a time, and neither who sends slowly nor who reads nothing keeps a place.
#[test]
fn who_takes_too_long_is_closed() {
    with_door(|address| async move {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(&[0, 0]).await.expect("sent");
        assert_eq!(stream.read(&mut [0]).await.expect("closed"), 0);
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let key = (ApiKey::ApiVersions, 0);
        let encoder = Encoder::request(key.0, key.1, 11, Some("test"));
        let frame = encoder.finish().expect("it is small").concat();
        let many = frame.repeat(1000);
        // Neither side's buffers hold the answers, so at some time nothing more is read.
        while stream.write_all(&many).await.is_ok() {}
    });
}
