//! The producer against a broker that fails as it is told to.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::{PartitionIndex, Random};
use corelog_record::{BatchHeader, Codec, key_partition, records};
use corelog_wire::kafka::ErrorCode;
use corelog_wire::native::{Api, ApiRange};

use super::{Ack, Producer, Record};
use crate::testing::{Fake, Fate, TOPIC, ranges, soon};
use crate::{Builder, Kind};

/// The values of a partition, in order.
fn values(fake: &Fake, partition: i32) -> Vec<String> {
    let mut values = Vec::new();
    for batch in fake.batches(partition) {
        for record in &records(&batch, 1 << 20).unwrap() {
            let value = record.unwrap().value.unwrap();
            values.push(String::from_utf8(value.to_vec()).unwrap());
        }
    }
    values
}

async fn send(producer: &Producer, n: usize) -> Ack {
    let record = Record::new(n.to_string()).partition(PartitionIndex(0));
    soon(producer.send(record)).await.unwrap()
}

fn numbers(until: usize) -> Vec<String> {
    (0..until).map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn a_record_goes_at_once_and_its_offset_comes_back() {
    let fake = Fake::start(2, 3).await;
    let producer = fake.client().await.producer(TOPIC).build().await.unwrap();
    let ack = soon(producer.send(Record::new("a").key("k")))
        .await
        .unwrap();
    let first = soon(ack).await.unwrap();
    assert_eq!(first.partition, key_partition(b"k", 3));
    let ack = soon(producer.send(Record::new("b").key("k").header("h", "v")));
    let second = soon(ack.await.unwrap()).await.unwrap();
    assert_eq!((first.offset.0, second.offset.0), (0, 1));
    assert_eq!(values(&fake, first.partition.0), ["a", "b"]);
    let nowhere = Record::new("c").partition(PartitionIndex(3));
    let refused = producer.send(nowhere).await.unwrap_err();
    assert!(refused.kind == Kind::Invalid && !refused.is_retriable());
    let unknown = fake.client().await.producer("other").build().await;
    let unknown = unknown.err().unwrap();
    assert_eq!(unknown.code(), Some(3));
}

/// What is sent while a batch is under way makes the next batch; the flush waits for all.
#[tokio::test]
async fn batches_fill_while_others_are_under_way() {
    let fake = Fake::start(1, 1).await;
    let producer = fake.client().await.producer(TOPIC);
    let producer = producer.compression(Codec::Lz4).build().await.unwrap();
    fake.change(|state| state.held = true);
    let first = send(&producer, 0).await;
    fake.until(|state| state.produces.len() == 1).await;
    for n in 1..500 {
        // Nobody waits for these: they are written all the same.
        drop(send(&producer, n).await);
    }
    fake.change(|state| state.held = false);
    soon(producer.flush()).await;
    soon(first).await.unwrap();
    assert_eq!(values(&fake, 0), numbers(500));
    let batches = fake.batches(0);
    assert_eq!(batches.len(), 2);
    let header = BatchHeader::parse(&batches[1]).unwrap();
    assert_eq!(header.attributes.codec(), Ok(Codec::Lz4));
}

/// Whatever fails, every record that was acknowledged stands where it says, once, in order.
#[tokio::test]
async fn retries_write_nothing_twice_and_keep_the_order() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let fake = Fake::start(2, 1).await;
        let producer = fake.client().await.producer(TOPIC);
        let producer = producer.batch_bytes(300).build().await.unwrap();
        for _ in 0..40 {
            let fate = match random.below(6) {
                0 => Fate::Lost,
                1 => Fate::Unanswered,
                2 => Fate::Refused(ErrorCode::NOT_ENOUGH_REPLICAS),
                3 => Fate::Refused(ErrorCode::KAFKA_STORAGE_ERROR),
                _ => Fate::Sound,
            };
            fake.change(|state| state.fates.push_back(fate));
        }
        let mut acks = Vec::new();
        for n in 0..300 {
            acks.push(send(&producer, n).await);
            if random.chance(100) {
                tokio::task::yield_now().await;
            }
            if random.chance(10) {
                fake.break_all();
            }
            if random.chance(10) {
                fake.change(|state| state.shift += 1);
            }
        }
        for (n, ack) in (0..).zip(acks) {
            let acknowledged = soon(ack).await.unwrap_or_else(|e| panic!("{seed}: {e}"));
            assert_eq!(acknowledged.offset.0, n, "seed {seed}");
        }
        assert_eq!(values(&fake, 0), numbers(300), "seed {seed}");
    }
}

#[tokio::test]
async fn a_full_buffer_holds_senders_back() {
    let fake = Fake::start(1, 1).await;
    let producer = fake.client().await.producer(TOPIC);
    let producer = producer.buffer_bytes(1000).build().await.unwrap();
    fake.change(|state| state.held = true);
    let record = Record::new(Bytes::from(vec![1; 300]));
    let mut taken = 0;
    while producer.try_send(&record).unwrap().is_some() {
        taken += 1;
    }
    assert_eq!(taken, 2);
    let mut waiting = std::pin::pin!(producer.send(record.clone()));
    let waits = tokio::time::timeout(Duration::from_millis(50), waiting.as_mut()).await;
    assert!(waits.is_err());
    fake.change(|state| state.held = false);
    let ack = soon(waiting).await.unwrap();
    assert_eq!(soon(ack).await.unwrap().offset.0, 2);
    let large = Record::new(Bytes::from(vec![1; 1000]));
    assert_eq!(producer.send(large).await.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn what_was_handed_over_is_sent_when_the_producer_is_dropped() {
    let fake = Fake::start(1, 1).await;
    let client = fake.client().await;
    let producer = client.producer(TOPIC).build().await.unwrap();
    fake.change(|state| state.held = true);
    (0..10).for_each(|n| {
        let record = Record::new(n.to_string());
        drop(producer.try_send(&record).unwrap().unwrap());
    });
    drop(producer);
    fake.change(|state| state.held = false);
    fake.until(|state| !state.produces.is_empty()).await;
    let producer = client.producer(TOPIC).build().await.unwrap();
    drop(send(&producer, 10).await);
    soon(producer.close()).await;
    assert_eq!(values(&fake, 0), numbers(11));
}

#[tokio::test]
async fn time_that_is_up_is_an_error_that_says_why() {
    let fake = Fake::start(1, 1).await;
    let producer = fake.client().await.producer(TOPIC);
    let time = Duration::from_millis(100);
    let producer = producer.delivery_timeout(time).build().await.unwrap();
    fake.change(|state| {
        let refused = Fate::Refused(ErrorCode::NOT_ENOUGH_REPLICAS);
        state.fates = vec![refused; 1000].into();
    });
    let (sent, behind) = (send(&producer, 0).await, send(&producer, 1).await);
    let error = soon(sent).await.unwrap_err();
    assert!(error.kind == Kind::TimedOut && error.is_retriable());
    assert!(error.to_string().contains("NOT_ENOUGH_REPLICAS"), "{error}");
    assert_eq!(soon(behind).await.unwrap_err().kind, Kind::TimedOut);
    fake.change(|state| state.fates.clear());
    soon(send(&producer, 2).await).await.unwrap();
    assert_eq!(values(&fake, 0), ["2"]);
}

#[tokio::test]
async fn one_refused_record_is_told_and_others_go_on() {
    let fake = Fake::start(1, 1).await;
    let producer = fake.client().await.producer(TOPIC).build().await.unwrap();
    soon(send(&producer, 0).await).await.unwrap();
    fake.change(|state| {
        state
            .fates
            .push_back(Fate::Refused(ErrorCode::INVALID_RECORD))
    });
    let refused = soon(send(&producer, 1).await).await.unwrap_err();
    assert!(refused.code() == Some(87) && !refused.is_retriable());
    soon(send(&producer, 2).await).await.unwrap();
    assert_eq!(values(&fake, 0), ["0", "2"]);
}

/// A broker one version behind, one ahead, and a client that claims more than it knows.
#[tokio::test]
async fn the_lower_of_both_versions_is_spoken() {
    let produce = Api::Produce.number();
    for (broker, client, spoken) in [(1, 2, 1), (2, 1, 1), (2, 2, 2), (3, 2, 2), (2, 3, 2)] {
        let fake = Fake::start(1, 1).await;
        fake.change(|state| {
            state.ranges = ranges(broker);
            state.ranges.push(ApiRange {
                api: 99,
                min: 1,
                max: 1,
            });
        });
        let builder: Builder = fake.builder().ranges(ranges(client));
        let client = builder.connect().await.unwrap();
        let producer = client.producer(TOPIC).build().await.unwrap();
        soon(send(&producer, 0).await).await.unwrap();
        fake.until(|state| state.produces == [(spoken, 1)]).await;
    }
    let fake = Fake::start(1, 1).await;
    fake.change(|state| state.ranges.retain(|range| range.api != produce));
    let producer = fake.client().await.producer(TOPIC).build().await.unwrap();
    let error = soon(send(&producer, 0).await).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
}
