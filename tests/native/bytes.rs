//! What one door takes, the other gives back, byte for byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use corelog_client::{NewRecord, Options, ProducerOptions, TopicFilter};
use corelog_native::{Codec, Record};
use corelog_wire::kafka::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use corelog_wire::native::{
    Api, FLAG_RESPONSE, HEADER_BYTES, Header, Limits, META_BYTES_MAX, Meta, encode, v1,
};

use crate::{Broker, TOPIC};

const BYTES_MAX: i32 = 1 << 20;

/// The partition's batches through Kafka's door.
async fn over_kafka(client: &corelog_client::Client) -> Vec<u8> {
    let node = *client.known().brokers.keys().next().unwrap();
    let partition = FetchPartition {
        partition: 0,
        fetch_offset: 0,
        partition_max_bytes: BYTES_MAX,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic: TOPIC,
        partitions: vec![partition].into(),
        ..Default::default()
    };
    let request = FetchRequest {
        max_bytes: BYTES_MAX,
        topics: vec![topic].into(),
        ..Default::default()
    };
    let reply = client.call_node(node, 4..=12, &request, Duration::ZERO);
    let reply = reply.await.unwrap();
    let response: FetchResponse<'_> = reply.read().unwrap();
    let topic = response.responses.first().unwrap();
    let data = topic.partitions.first().unwrap();
    data.records.bytes().unwrap().to_vec()
}

fn exchange(stream: &mut TcpStream, parts: Vec<bytes::Bytes>) -> (Meta, Vec<u8>) {
    stream.write_all(&parts.concat()).unwrap();
    let limits = Limits {
        meta_bytes_max: META_BYTES_MAX,
        payload_bytes_max: 1 << 26,
    };
    let mut frame = vec![0; HEADER_BYTES];
    stream.read_exact(&mut frame).unwrap();
    let header = Header::parse(&frame, limits).unwrap();
    assert_eq!(header.flags, FLAG_RESPONSE);
    frame.resize(header.frame_bytes(), 0);
    stream.read_exact(&mut frame[HEADER_BYTES..]).unwrap();
    let payload = frame[header.payload_at()..].to_vec();
    (Meta::of(header, &frame).unwrap(), payload)
}

/// The same through the native door, frame by frame.
fn over_native(address: &str, topic: [u8; 16]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    let ranges = Api::ALL.into_iter().map(Api::range).map(|range| v1::Range {
        api: range.api,
        min: range.min,
        max: 1,
    });
    let hello = v1::HelloRequest {
        client: "test".into(),
        software: String::new(),
        ranges: ranges.collect(),
    };
    exchange(&mut stream, encode(1, 0, &hello, vec![]).unwrap());
    let part = v1::FetchPart {
        topic,
        partition: 0,
        epoch: -1,
        offset: 0,
        bytes_max: BYTES_MAX.unsigned_abs(),
    };
    let fetch = v1::FetchRequest {
        wait_max_ms: 0,
        bytes_min: 1,
        bytes_max: BYTES_MAX.unsigned_abs(),
        parts: vec![part],
    };
    let (meta, payload) = exchange(&mut stream, encode(2, 0, &fetch, vec![]).unwrap());
    let response = meta.read::<v1::FetchResponse>().unwrap();
    assert_eq!(response.parts[0].error, 0);
    payload
}

#[tokio::test]
async fn both_doors_have_the_same_batches() {
    let broker = Broker::start();
    let native = broker.client(1).await;
    let bootstrap = [&broker.kafka];
    let kafka = corelog_client::Client::connect(&bootstrap, Options::default());
    let kafka = kafka.await.unwrap();
    kafka.metadata(TopicFilter::Named(&[TOPIC])).await.unwrap();
    for codec in Codec::ALL {
        let producer = native.producer(TOPIC).compression(codec);
        let producer = producer.build().await.unwrap();
        for n in 0..50 {
            let record = Record::new(format!("native {n}")).key("k").header("a", "b");
            drop(producer.send(record).await.unwrap());
        }
        producer.close().await;
        let options = ProducerOptions {
            codec,
            ..Default::default()
        };
        let producer = corelog_client::Producer::new(&kafka, options).unwrap();
        for n in 0..50 {
            let record = NewRecord {
                topic: TOPIC.into(),
                value: Some(format!("kafka {n}").into()),
                ..Default::default()
            };
            drop(producer.send(record).await.unwrap());
        }
        producer.flush().await.unwrap();
    }
    let topic = native.topic(TOPIC).await.unwrap();
    let address = broker.native.clone();
    let over_native = tokio::task::spawn_blocking(move || over_native(&address, topic.id.0));
    let (over_native, over_kafka) = (over_native.await.unwrap(), over_kafka(&kafka).await);
    assert!(over_native == over_kafka);
    let mut records = 0;
    for batch in corelog_record::batches(&over_native) {
        let (header, batch) = batch.unwrap();
        corelog_record::verify(batch).unwrap();
        records += header.record_count;
    }
    assert_eq!(records, 500);
}
