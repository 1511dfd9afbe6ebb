//! Decoding a Produce request with one partition, to its records: at most 40 ns.

use std::hint::black_box;

use bytes::Bytes;
use corelog_base::TopicId;
use corelog_wire::kafka::{Encoder, PartitionProduceData, ProduceRequest, TopicProduceData};
use criterion::{Criterion, criterion_group, criterion_main};

fn body(version: i16) -> Vec<u8> {
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: "orders",
            topic_id: TopicId([7; 16]),
            partition_data: vec![PartitionProduceData {
                index: 3,
                records: Bytes::from(vec![1; 1024]).into(),
            }]
            .into(),
        }]
        .into(),
        ..Default::default()
    };
    let mut encoder = Encoder::body();
    request.encode(version, &mut encoder);
    encoder.finish().expect("it can be said").concat()
}

fn benches(criterion: &mut Criterion) {
    for version in [8, 9, 13] {
        let body = body(version);
        criterion.bench_function(&format!("produce {version}: decode"), |bencher| {
            bencher.iter(|| ProduceRequest::decode(version, black_box(&body)).map(|r| r.acks));
        });
        criterion.bench_function(&format!("produce {version}: decode and walk"), |bencher| {
            bencher.iter(|| {
                let request = ProduceRequest::decode(version, black_box(&body))?;
                let mut sum = 0;
                for topic in &request.topic_data {
                    for partition in &topic.partition_data {
                        let range = partition.records.range().unwrap_or_default();
                        sum += range.start + range.len() + topic.name.len();
                    }
                }
                Ok::<_, corelog_wire::Error>(sum)
            });
        });
    }
}

criterion_group!(group, benches);
criterion_main!(group);
