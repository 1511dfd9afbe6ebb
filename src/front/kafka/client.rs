//! For tests: a client of Kafka's protocol, on a socket of the simulator.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corelog_base::TopicId;
use corelog_rt::{Runtime, Stream};
use corelog_sim::{SimRuntime, SimStream};
use corelog_wire::kafka::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
    Encoder, ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchTopic, Message,
    PartitionProduceData, ProduceRequest, ProduceResponse, ResponseHeader, TopicProduceData,
};

use crate::node::values;

pub(crate) struct Client {
    rt: SimRuntime,
    stream: SimStream,
    received: BytesMut,
    correlation_id: i32,
}

impl Client {
    pub(crate) async fn connect(rt: SimRuntime, address: SocketAddr) -> Client {
        let stream = rt.connect(address).await.unwrap();
        Client {
            rt,
            stream,
            received: BytesMut::with_capacity(1 << 16),
            correlation_id: 0,
        }
    }

    /// Sends a request without waiting for its response.
    pub(crate) async fn send<'m, M: Message<'m>>(&mut self, version: i16, request: &M) {
        self.correlation_id += 1;
        let mut encoder = Encoder::request(M::API, version, self.correlation_id, Some("test"));
        request.encode(version, &mut encoder);
        self.send_raw(encoder.finish().unwrap()).await;
    }

    pub(crate) async fn send_raw(&mut self, parts: Vec<Bytes>) {
        self.stream.send(parts).await.unwrap();
    }

    /// The body of the response to a request.
    pub(crate) async fn ask<'m, M: Message<'m>>(&mut self, version: i16, request: &M) -> Bytes {
        self.send(version, request).await;
        self.answer::<M>(version).await
    }

    /// The body of the response to the request that was sent last.
    pub(crate) async fn answer<'m, M: Message<'m>>(&mut self, version: i16) -> Bytes {
        let frame = self.frame().await.expect("a response, not a close");
        let (header, body) = ResponseHeader::decode(M::API, version, &frame).unwrap();
        assert_eq!(header.correlation_id, self.correlation_id);
        frame.slice(frame.len() - body.len()..)
    }

    /// The next frame, without its length; None if the server has closed.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(prefix) = self.received.first_chunk::<4>() {
                let bytes = u32::from_be_bytes(*prefix) as usize;
                if self.received.len() >= 4 + bytes {
                    let frame = self.received.split_to(4 + bytes);
                    return Some(frame.freeze().slice(4..));
                }
            }
            self.received.reserve(1 << 16);
            let received = std::mem::take(&mut self.received);
            let (count, received) = self.stream.recv(received).await;
            self.received = received;
            match count {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) fn close(&self) {
        self.stream.close();
    }
}

/// One batch for one partition, with acks=all.
pub(crate) fn produce_request<'a>(
    topic: &'a str,
    topic_id: TopicId,
    partition: i32,
    batch: &[u8],
) -> ProduceRequest<'a> {
    let data = PartitionProduceData {
        index: partition,
        records: Bytes::copy_from_slice(batch).into(),
    };
    let topic = TopicProduceData {
        name: topic,
        topic_id,
        partition_data: vec![data].into(),
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 5000,
        topic_data: vec![topic].into(),
        ..Default::default()
    }
}

impl Client {
    /// Produces to a topic by name; the code, and the offset of the first record.
    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        batch: &[u8],
    ) -> (ErrorCode, i64) {
        let request = produce_request(topic, TopicId::ZERO, partition, batch);
        produced(&self.ask(9, &request).await)
    }
}

/// The code and the first offset that a Produce of version 9 for one partition was answered.
pub(crate) fn produced(body: &[u8]) -> (ErrorCode, i64) {
    let response = ProduceResponse::decode(9, body).unwrap();
    let topic = response.responses.first().unwrap();
    let partition = topic.partition_responses.first().unwrap();
    (partition.error_code, partition.base_offset)
}

impl Client {
    /// The bytes of one partition from an offset on, as far as one response holds them.
    pub(crate) async fn fetch_bytes(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Vec<u8> {
        let partition = FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topic = FetchTopic {
            topic,
            partitions: vec![partition].into(),
            ..Default::default()
        };
        let request = FetchRequest {
            max_bytes: 1 << 20,
            topics: vec![topic].into(),
            ..Default::default()
        };
        let body = self.ask(11, &request).await;
        let response = FetchResponse::decode(11, &body).unwrap();
        let topic = response.responses.first().unwrap();
        let partition = topic.partitions.first().unwrap();
        assert_eq!(partition.error_code, ErrorCode::NONE);
        partition.records.bytes().unwrap_or_default().to_vec()
    }

    /// Every record of a partition.
    pub(crate) async fn fetch_all(&mut self, topic: &str, partition: i32) -> Vec<(i64, String)> {
        let mut all: Vec<(i64, String)> = Vec::new();
        loop {
            let next = all.last().map_or(0, |(offset, _)| offset + 1);
            let found = values(&self.fetch_bytes(topic, partition, next).await);
            if found.is_empty() {
                return all;
            }
            all.extend(found);
        }
    }

    /// Reads until there are `count` records, at most for a few seconds of simulated time.
    pub(crate) async fn wait_for(
        &mut self,
        topic: &str,
        partition: i32,
        count: usize,
    ) -> Vec<(i64, String)> {
        for _ in 0..100 {
            let all = self.fetch_all(topic, partition).await;
            if all.len() >= count {
                return all;
            }
            self.rt.sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} records did not come");
    }

    /// Moves the start of a partition; the code, and where it starts now.
    pub(crate) async fn trim(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> (ErrorCode, i64) {
        let partition = DeleteRecordsPartition {
            partition_index: partition,
            offset,
        };
        let topic = DeleteRecordsTopic {
            name: topic,
            partitions: vec![partition].into(),
        };
        let request = DeleteRecordsRequest {
            topics: vec![topic].into(),
            timeout_ms: 5000,
        };
        let body = self.ask(2, &request).await;
        let response = DeleteRecordsResponse::decode(2, &body).unwrap();
        let partition = response.topics.first().unwrap().partitions.first().unwrap();
        (partition.error_code, partition.low_watermark)
    }
}
