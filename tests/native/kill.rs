//! The broker dies while much is under way.

use corelog_native::{Client, Kind, Offset, PartitionIndex, Position, Producer, Record};

use crate::{Broker, TOPIC};

const PARTITIONS: i32 = 4;
const RECORDS: i64 = 40_000;

/// Writes numbers to partitions by turns, and waits for all of them. Where each went.
async fn write(producer: Producer, killed: tokio::sync::oneshot::Sender<()>) -> Vec<Offset> {
    let mut acks = Vec::new();
    let mut killed = Some(killed);
    for n in 0..RECORDS {
        let partition = PartitionIndex(i32::try_from(n).unwrap() % PARTITIONS);
        let record = Record::new(n.to_string()).partition(partition);
        acks.push(producer.send(record).await.unwrap());
        if n == RECORDS / 4
            && let Some(killed) = killed.take()
        {
            killed.send(()).unwrap();
        }
    }
    let mut offsets = Vec::new();
    for ack in acks {
        offsets.push(ack.await.unwrap().offset);
    }
    offsets
}

/// Every partition holds its numbers, once each, in order, from offset 0 on.
async fn check(client: &Client) {
    let consumer = client.consumer(TOPIC).start(Position::Earliest);
    let mut consumer = consumer.build().await.unwrap();
    let mut next = [0; PARTITIONS as usize];
    for _ in 0..RECORDS {
        let record = consumer.next().await.unwrap();
        let at = record.partition.0 as usize;
        let number = i64::from(record.partition.0) + next[at] * i64::from(PARTITIONS);
        let value = record.value.unwrap();
        assert_eq!(value, number.to_string());
        assert_eq!(record.offset.0, next[at]);
        next[at] += 1;
    }
    assert_eq!(next.iter().sum::<i64>(), RECORDS);
}

/// Killed in the middle and started again with another number of cores, so that partitions are
/// elsewhere: what was acknowledged is there, once, in order, and nothing failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_survives_a_kill() {
    let mut broker = Broker::start();
    let client = broker.client(PARTITIONS).await;
    let producer = client
        .producer(TOPIC)
        .batch_bytes(2000)
        .build()
        .await
        .unwrap();
    let (kill, killed) = tokio::sync::oneshot::channel();
    let writing = tokio::spawn(write(producer, kill));
    killed.await.unwrap();
    broker.kill();
    broker.restart("1");
    let offsets = writing.await.unwrap();
    for (n, offset) in (0..).zip(offsets) {
        assert_eq!(offset.0, n / i64::from(PARTITIONS));
    }
    check(&client).await;
}

#[tokio::test]
async fn without_a_broker_calls_end_in_time() {
    let mut broker = Broker::start();
    broker.kill();
    let time = std::time::Duration::from_millis(300);
    let error = broker.builder().retry_for(time).connect().await.err();
    let error = error.unwrap();
    assert!(
        error.kind == Kind::Connect && error.is_retriable(),
        "{error}"
    );
}
