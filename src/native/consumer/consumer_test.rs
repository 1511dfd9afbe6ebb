//! The consumer against a broker that moves and breaks.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{Offset, PartitionIndex, Random, TimestampMs};
use corelog_record::Codec;
use corelog_wire::kafka::ErrorCode;

use super::{Consumed, Consumer, OutOfRange};
use crate::testing::{Fake, TOPIC, lock, soon};
use crate::{Client, Kind, Position, Record};

const ZERO: PartitionIndex = PartitionIndex(0);

/// Writes the numbers to partitions by turns; the timestamps are ten times the numbers.
async fn write(client: &Client, numbers: std::ops::Range<i64>, partitions: i32) {
    let producer = client.producer(TOPIC).compression(Codec::Lz4);
    let producer = producer.batch_bytes(1000).build().await.unwrap();
    for n in numbers {
        let partition = i32::try_from(n).unwrap() % partitions;
        let record = Record::new(n.to_string())
            .partition(PartitionIndex(partition))
            .timestamp(TimestampMs(n * 10));
        drop(soon(producer.send(record)).await.unwrap());
    }
    soon(producer.flush()).await;
}

async fn next(consumer: &mut Consumer) -> Consumed {
    soon(consumer.next()).await.unwrap()
}

fn number(record: &Consumed) -> i64 {
    let text = std::str::from_utf8(record.value.as_ref().unwrap()).unwrap();
    text.parse().unwrap()
}

async fn consumer(client: &Client, start: Position) -> Consumer {
    client.consumer(TOPIC).start(start).build().await.unwrap()
}

#[tokio::test]
async fn everything_comes_once_and_in_order() {
    let fake = Fake::start(2, 3).await;
    let client = fake.client().await;
    write(&client, 0..300, 3).await;
    let mut consumer = consumer(&client, Position::Earliest).await;
    let mut last = [-1; 3];
    for _ in 0..300 {
        let record = next(&mut consumer).await;
        let at = record.partition.0 as usize;
        let n = number(&record);
        assert_eq!(n, 3 * record.offset.0 + i64::from(record.partition.0));
        assert_eq!(record.timestamp.0, n * 10);
        assert_eq!(record.offset.0, last[at] + 1);
        last[at] = record.offset.0;
    }
    assert_eq!(last, [99; 3]);
    let positions = consumer.positions();
    assert_eq!(positions.values().map(|o| o.0).sum::<i64>(), 300);
    assert_eq!(consumer.high_watermark(ZERO), Some(Offset(100)));
    // What comes later comes, too, and another consumer goes on where this one was.
    let later = client.consumer(TOPIC).positions(positions);
    let mut later = later.build().await.unwrap();
    write(&client, 300..303, 3).await;
    for consumer in [&mut consumer, &mut later] {
        let mut found = Vec::new();
        for _ in 0..3 {
            found.push(number(&next(consumer).await));
        }
        found.sort_unstable();
        assert_eq!(found, [300, 301, 302]);
    }
}

#[tokio::test]
async fn it_is_a_stream() {
    use futures_lite::StreamExt;
    let fake = Fake::start(1, 1).await;
    let client = fake.client().await;
    write(&client, 0..5, 1).await;
    let consumer = consumer(&client, Position::Earliest).await;
    let taken = consumer.take(5).map(|record| number(&record.unwrap()));
    assert_eq!(soon(taken.collect::<Vec<_>>()).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn seeks_by_offset_and_time() {
    let fake = Fake::start(2, 2).await;
    let client = fake.client().await;
    write(&client, 0..200, 1).await;
    let mut consumer = consumer(&client, Position::Time(TimestampMs(1234))).await;
    assert_eq!(number(&next(&mut consumer).await), 124);
    let mut check = async |to, expected| {
        consumer.seek(ZERO, to).await.unwrap();
        let record = next(&mut consumer).await;
        assert_eq!(number(&record), expected);
        assert_eq!(consumer.position(ZERO), Some(record.offset.plus(1)));
    };
    check(Position::Offset(Offset(7)), 7).await;
    check(Position::Time(TimestampMs(555)), 56).await;
    check(Position::Earliest, 0).await;
    consumer
        .seek(ZERO, Position::Time(TimestampMs(99_999)))
        .await
        .unwrap();
    assert_eq!(consumer.position(ZERO), Some(Offset(200)));
    write(&client, 200..201, 1).await;
    assert_eq!(number(&next(&mut consumer).await), 200);
    let error = consumer.seek(PartitionIndex(9), Position::Latest).await;
    assert_eq!(error.unwrap_err().kind, Kind::Invalid);
    let batch = async {
        consumer.seek(ZERO, Position::Earliest).await.unwrap();
        consumer.next_batch().await.unwrap()
    };
    let batch = soon(batch).await;
    assert!(batch.len() > 1 && number(&batch[0]) == 0);
    let end = batch.last().unwrap().offset.plus(1);
    assert_eq!(consumer.position(ZERO), Some(end));
}

/// Connections break and partitions move while it reads: nothing is left out or comes twice.
#[tokio::test]
async fn it_goes_on_where_it_was() {
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let fake = Fake::start(2, 2).await;
        let client = fake.client().await;
        write(&client, 0..400, 2).await;
        let builder = client.consumer(TOPIC).start(Position::Earliest);
        let mut consumer = builder.buffer_bytes(1500).build().await.unwrap();
        let mut last = [-1; 2];
        for _ in 0..400 {
            if random.chance(20) {
                fake.break_all();
            }
            if random.chance(20) {
                fake.change(|state| state.shift += 1);
            }
            let record = next(&mut consumer).await;
            let at = record.partition.0 as usize;
            assert_eq!(record.offset.0, last[at] + 1, "seed {seed}");
            last[at] = record.offset.0;
        }
        assert_eq!(last, [199; 2]);
    }
}

/// The broker sends no more than there is room for, until something was read.
#[tokio::test]
async fn what_is_not_read_is_not_sent() {
    let fake = Fake::start(1, 1).await;
    let client = fake.client().await;
    let producer = client
        .producer(TOPIC)
        .batch_bytes(1000)
        .build()
        .await
        .unwrap();
    for _ in 0..300 {
        let record = Record::new(Bytes::from(vec![1; 900]));
        drop(soon(producer.send(record)).await.unwrap());
    }
    soon(producer.flush()).await;
    let builder = client.consumer(TOPIC).start(Position::Earliest);
    let mut consumer = builder.buffer_bytes(20_000).build().await.unwrap();
    next(&mut consumer).await;
    fake.until(|state| state.sent_bytes >= 20_000).await;
    // Another call is answered meanwhile, so it was not for lack of time.
    client.topic(TOPIC).await.unwrap();
    let sent = lock(&fake.state).sent_bytes;
    assert!((20_000..21_100).contains(&sent), "{sent}");
    for _ in 1..300 {
        next(&mut consumer).await;
        let held = 1000 * consumer.position(ZERO).unwrap().0;
        let sent = i64::try_from(lock(&fake.state).sent_bytes).unwrap();
        assert!(sent <= held + 21_100, "{sent} {held}");
    }
}

#[tokio::test]
async fn what_was_deleted_is_told_or_passed_over() {
    let fake = Fake::start(1, 1).await;
    let client = fake.client().await;
    write(&client, 0..300, 1).await;
    fake.truncate_front(0, 200);
    let from = |n| {
        client
            .consumer(TOPIC)
            .positions(BTreeMap::from([(ZERO, Offset(n))]))
    };
    let mut consumer = from(5).build().await.unwrap();
    for _ in 0..2 {
        let error = soon(consumer.next()).await.unwrap_err();
        assert_eq!(error.kind, Kind::Broker(ErrorCode::OFFSET_OUT_OF_RANGE));
    }
    consumer
        .seek(ZERO, Position::Offset(Offset(250)))
        .await
        .unwrap();
    assert_eq!(number(&next(&mut consumer).await), 250);
    let mut earliest = from(5)
        .out_of_range(OutOfRange::Earliest)
        .build()
        .await
        .unwrap();
    assert_eq!(number(&next(&mut earliest).await), 200);
    let before = lock(&fake.state).subscribed.len();
    let mut latest = from(5000)
        .out_of_range(OutOfRange::Latest)
        .build()
        .await
        .unwrap();
    let first = soon(async {
        tokio::select! {
            record = latest.next() => record.unwrap(),
            () = async {
                fake.until(|state| state.subscribed.len() >= before + 2).await;
                write(&client, 300..301, 1).await;
                std::future::pending().await
            } => unreachable!(),
        }
    });
    assert_eq!(number(&first.await), 300);
}

#[tokio::test]
async fn new_partitions_are_read_from_their_beginning() {
    let fake = Fake::start(1, 1).await;
    let age = Duration::from_millis(20);
    let client = fake
        .builder()
        .metadata_age_max(age)
        .connect()
        .await
        .unwrap();
    let mut consumer = consumer(&client, Position::Latest).await;
    fake.change(crate::testing::State::add_partition);
    write(&client, 1..2, 2).await;
    let record = next(&mut consumer).await;
    assert_eq!((record.partition.0, record.offset.0), (1, 0));
}

#[tokio::test]
async fn a_broker_that_is_gone_is_told_in_time() {
    let fake = Fake::start(1, 1).await;
    let time = Duration::from_millis(200);
    let client = fake.builder().retry_for(time).connect().await.unwrap();
    let mut consumer = consumer(&client, Position::Earliest).await;
    drop(fake);
    let error = soon(consumer.next()).await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
}
