//! Reading while it is written, from elsewhere, and in another version.

use std::time::Duration;

use corelog_native::{
    Api, ApiRange, Bytes, ConfigSource, ErrorCode, Kind, NewTopic, OutOfRange, PartitionIndex,
    Position, Record, TimestampMs,
};

use crate::{Broker, TOPIC};

const ZERO: PartitionIndex = PartitionIndex(0);

fn number(record: &corelog_native::Consumed) -> i64 {
    let value = record.value.as_deref().unwrap();
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

#[tokio::test]
async fn seeks_find_their_records() {
    let broker = Broker::start();
    let client = broker.client(1).await;
    let producer = client
        .producer(TOPIC)
        .batch_bytes(500)
        .build()
        .await
        .unwrap();
    for n in 0..1000 {
        let record = Record::new(n.to_string()).timestamp(TimestampMs(1000 + 10 * n));
        drop(producer.send(record).await.unwrap());
    }
    producer.flush().await;
    let consumer = client
        .consumer(TOPIC)
        .start(Position::Time(TimestampMs(6001)));
    let mut consumer = consumer.build().await.unwrap();
    assert_eq!(number(&consumer.next().await.unwrap()), 501);
    for (time, expected) in [(0, 0), (10_990, 999), (1011, 2), (5000, 400)] {
        let to = Position::Time(TimestampMs(time));
        consumer.seek(ZERO, to).await.unwrap();
        assert_eq!(number(&consumer.next().await.unwrap()), expected);
    }
    consumer
        .seek(ZERO, Position::Time(TimestampMs(99_999)))
        .await
        .unwrap();
    drop(producer.send(Record::new("1000")).await.unwrap());
    assert_eq!(number(&consumer.next().await.unwrap()), 1000);
    assert_eq!(consumer.position(ZERO).unwrap().0, 1001);
    let from = [(ZERO, corelog_native::Offset(5000))].into();
    let far = client.consumer(TOPIC).positions(from);
    let error = far.clone().build().await.unwrap().next().await.unwrap_err();
    assert!(matches!(error.kind, Kind::Broker(_)) && error.code() == Some(1));
    let far = far.out_of_range(OutOfRange::Earliest);
    let mut far = far.build().await.unwrap();
    assert_eq!(number(&far.next().await.unwrap()), 0);
}

/// A consumer at the end of the log goes on over a kill of the broker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_goes_on_after_a_kill() {
    let mut broker = Broker::start();
    let client = broker.client(3).await;
    let mut consumer = client.consumer(TOPIC).build().await.unwrap();
    let producer = client.producer(TOPIC).build().await.unwrap();
    for round in 0..3 {
        for n in 0..300 {
            let record = Record::new(n.to_string()).key(n.to_string());
            drop(producer.send(record).await.unwrap());
        }
        let mut found = Vec::new();
        for _ in 0..300 {
            found.push(number(&consumer.next().await.unwrap()));
        }
        found.sort_unstable();
        assert_eq!(found, (0..300).collect::<Vec<_>>(), "round {round}");
        broker.kill();
        broker.restart(if round == 0 { "1" } else { "2" });
    }
}

/// What does not fit the consumer's buffer waits at the broker, and comes when it is read.
#[tokio::test]
async fn a_slow_reader_gets_all() {
    let broker = Broker::start();
    let client = broker.client(2).await;
    let producer = client.producer(TOPIC).buffer_bytes(1 << 20);
    let producer = producer.build().await.unwrap();
    for n in 0..400 {
        let record = Record::new(Bytes::from(vec![7; 50_000])).partition(PartitionIndex(n % 2));
        drop(producer.send(record).await.unwrap());
    }
    producer.close().await;
    let consumer = client.consumer(TOPIC).start(Position::Earliest);
    let mut consumer = consumer.buffer_bytes(200_000).build().await.unwrap();
    let mut next = [0; 2];
    for n in 0..400 {
        let record = consumer.next().await.unwrap();
        let at = record.partition.0 as usize;
        assert_eq!(
            (record.offset.0, record.value.unwrap().len()),
            (next[at], 50_000)
        );
        next[at] += 1;
        if n % 20 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn clients_of_other_versions_work() {
    let broker = Broker::start();
    broker.client(1).await;
    let ranges = |ahead: bool| {
        let each = Api::ALL.into_iter().map(Api::range);
        let each = each.map(move |range| ApiRange {
            // Behind: as the first release was. Ahead: one that this broker does not have.
            max: if ahead { range.max + 1 } else { 1 },
            ..range
        });
        let mut ranges: Vec<ApiRange> = each.collect();
        if ahead {
            ranges.push(ApiRange {
                api: 999,
                min: 1,
                max: 7,
            });
        }
        ranges
    };
    for (n, ahead) in [false, true].into_iter().enumerate() {
        let client = broker
            .builder()
            .ranges(ranges(ahead))
            .connect()
            .await
            .unwrap();
        let producer = client.producer(TOPIC).build().await.unwrap();
        let ack = producer.send(Record::new(n.to_string())).await.unwrap();
        assert_eq!(ack.await.unwrap().offset.0, i64::try_from(n).unwrap());
        let consumer = client.consumer(TOPIC).start(Position::Earliest);
        let mut consumer = consumer.build().await.unwrap();
        assert_eq!(number(&consumer.next().await.unwrap()), 0);
        let other = NewTopic::new().partitions(1).dry();
        client.create_topic("other", other).await.unwrap();
        let described = client.describe_topic(TOPIC).await.unwrap();
        assert_eq!(described.config("durability"), Some("disk"));
    }
    // As brokers were before it could be asked.
    let known = ranges(false).into_iter();
    let known = known.filter(|range| range.api != Api::DescribeTopic.number());
    let client = broker.builder().ranges(known.collect()).connect();
    let refused = client.await.unwrap().describe_topic(TOPIC).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Unsupported);
}

/// A full buffer holds the sender back until the broker has written.
#[tokio::test]
async fn a_sender_waits_for_room() {
    let broker = Broker::start();
    let client = broker.client(1).await;
    let producer = client.producer(TOPIC).buffer_bytes(200_000);
    let producer = producer.build().await.unwrap();
    let record = Record::new(Bytes::from(vec![1; 60_000]));
    let mut acks = Vec::new();
    while let Some(ack) = producer.try_send(&record).unwrap() {
        acks.push(ack);
    }
    assert_eq!(acks.len(), 3);
    let time = Duration::from_secs(20);
    let more = tokio::time::timeout(time, producer.send(record)).await;
    acks.push(more.unwrap().unwrap());
    for (n, ack) in (0..).zip(acks) {
        assert_eq!(ack.await.unwrap().offset.0, n);
    }
}

#[tokio::test]
async fn a_topic_is_described() {
    let broker = Broker::start();
    let client = broker.client(3).await;
    let written = NewTopic::new().config("durability", "written");
    client.create_topic("written", written).await.unwrap();
    for (topic, value, source) in [
        (TOPIC, "disk", ConfigSource::Default),
        ("written", "written", ConfigSource::Topic),
    ] {
        let described = client.describe_topic(topic).await.unwrap();
        assert_eq!(described.replicas, 1);
        assert!(described.configs.is_sorted_by(|a, b| a.name < b.name));
        let config = described.configs.iter().find(|c| c.name == "durability");
        let config = config.unwrap();
        assert_eq!(
            (config.value.as_deref(), config.source),
            (Some(value), source)
        );
    }
    let missing = client.describe_topic("none").await.unwrap_err();
    assert_eq!(
        missing.kind,
        Kind::Broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    );
}
