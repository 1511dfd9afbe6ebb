//! Transactions as consumers and tools see them: what is stable, what was aborted, markers.

use std::time::Duration;

use bytes::BytesMut;
use corelog_base::{PartitionIndex, ProducerEpoch, ProducerId, TimestampMs, TopicId};
use corelog_broker::{Acks, PartitionKey, ProducePart, ProduceRequest, Verified};
use corelog_record::{BatchBuilder, BatchHeader, Codec, ProducerState};
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DescribeProducersRequest, DescribeProducersResponse, DescribeProducersTopic, ErrorCode,
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ListOffsetsPartition,
    ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic, WritableTxnMarker,
    WritableTxnMarkerTopic, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use crate::node::{Client, Node, check, values};

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

fn transactional(id: i64, epoch: i16, base_sequence: i32, value: &str) -> BytesMut {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.transactional().producer(ProducerState {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        base_sequence,
    });
    let pushed = builder.push(NOW, None, Some(value.as_bytes()), &[]);
    pushed.unwrap();
    builder.finish()
}

/// Writes one record to partition 0, as if the coordinator had verified its transaction.
async fn write(node: &Node, topic: TopicId, batch: BytesMut) -> Result<i64, corelog_broker::Error> {
    let part = ProducePart {
        key: PartitionKey {
            topic,
            partition: PartitionIndex(0),
        },
        verified: Verified::ByEpoch,
        header: BatchHeader::parse(&batch).unwrap(),
        batch,
    };
    let request = ProduceRequest {
        acks: Acks::InSync,
        timeout: Duration::from_secs(5),
        parts: vec![part],
    };
    let mut outcomes = node.broker(0).produce(request).await;
    outcomes.pop().unwrap().map(|produced| produced.base.0)
}

async fn end(
    client: &mut Client,
    id: i64,
    epoch: i16,
    committed: bool,
    coordinator: i32,
) -> ErrorCode {
    let marker = WritableTxnMarker {
        producer_id: id,
        producer_epoch: epoch,
        transaction_result: committed,
        topics: vec![WritableTxnMarkerTopic {
            name: "t",
            partition_indexes: vec![0].into(),
        }]
        .into(),
        coordinator_epoch: coordinator,
        transaction_version: 2,
    };
    let request = WriteTxnMarkersRequest {
        markers: vec![marker].into(),
    };
    let body = client.ask(2, &request).await;
    let response = WriteTxnMarkersResponse::decode(2, &body).unwrap();
    let marker = response.markers.first().unwrap();
    let partition = marker.topics.first().unwrap().partitions.first();
    partition.unwrap().error_code
}

fn fetch(offset: i64, isolation_level: i8, max_wait_ms: i32) -> FetchRequest<'static> {
    let partition = FetchPartition {
        partition: 0,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation_level,
        topics: vec![FetchTopic {
            topic: "t",
            partitions: vec![partition].into(),
            ..Default::default()
        }]
        .into(),
        ..Default::default()
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    high_watermark: i64,
    last_stable: i64,
    offsets: Vec<i64>,
    aborted: Option<Vec<(i64, i64)>>,
}

fn seen(body: &[u8]) -> Seen {
    let response = FetchResponse::decode(11, body).unwrap();
    let topic = response.responses.first().unwrap();
    let partition = topic.partitions.first().unwrap();
    assert_eq!(partition.error_code, ErrorCode::NONE);
    let records = partition.records.bytes().unwrap_or_default();
    let headers = corelog_record::batches(records).map(Result::unwrap);
    let aborted = partition.aborted_transactions.as_ref();
    Seen {
        high_watermark: partition.high_watermark,
        last_stable: partition.last_stable_offset,
        offsets: headers.map(|(header, _)| header.base_offset.0).collect(),
        aborted: aborted.map(|a| a.iter().map(|a| (a.producer_id, a.first_offset)).collect()),
    }
}

async fn latest(client: &mut Client, isolation_level: i8) -> i64 {
    let partition = ListOffsetsPartition {
        partition_index: 0,
        timestamp: -1,
        ..Default::default()
    };
    let request = ListOffsetsRequest {
        isolation_level,
        topics: vec![ListOffsetsTopic {
            name: "t",
            partitions: vec![partition].into(),
        }]
        .into(),
        ..Default::default()
    };
    let body = client.ask(7, &request).await;
    let response = ListOffsetsResponse::decode(7, &body).unwrap();
    let topic = response.topics.first().unwrap();
    topic.partitions.first().unwrap().offset
}

#[test]
fn readers_of_committed_transactions_stop_at_the_first_that_is_open() {
    check(|node| async move {
        let topic = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        for (id, sequence) in [(7, 0), (8, 0), (7, 1)] {
            let batch = transactional(id, 0, sequence, "v");
            write(&node, topic, batch).await.unwrap();
        }
        let all = seen(&client.ask(11, &fetch(0, 0, 0)).await);
        assert_eq!((all.offsets, all.aborted), (vec![0, 1, 2], None));
        let none = Seen {
            high_watermark: 3,
            last_stable: 0,
            offsets: vec![],
            aborted: Some(vec![]),
        };
        assert_eq!(seen(&client.ask(11, &fetch(0, 1, 0)).await), none);
        assert_eq!(
            (latest(&mut client, 0).await, latest(&mut client, 1).await),
            (3, 0)
        );

        assert_eq!(end(&mut client, 7, 1, false, 0).await, ErrorCode::NONE);
        let found = seen(&client.ask(11, &fetch(0, 1, 0)).await);
        assert_eq!(
            (found.offsets, found.aborted),
            (vec![0], Some(vec![(7, 0)]))
        );
        assert_eq!(end(&mut client, 8, 1, true, 0).await, ErrorCode::NONE);
        assert_eq!(latest(&mut client, 1).await, 5);
        let found = seen(&client.ask(11, &fetch(1, 1, 0)).await);
        assert_eq!((found.offsets, found.last_stable), (vec![1, 2, 3, 4], 5));
        assert_eq!(found.aborted, Some(vec![(7, 0)]));
        // Behind the aborted transaction's marker nothing of it is named any more.
        let found = seen(&client.ask(11, &fetch(4, 1, 0)).await);
        assert_eq!((found.offsets, found.aborted), (vec![4], Some(vec![])));
    });
}

#[test]
fn a_long_poll_wakes_when_a_transaction_ends() {
    check(|node| async move {
        let topic = node.topic("t", &[]).await;
        let (mut reader, mut other) = (node.client(1).await, node.client(0).await);
        write(&node, topic, transactional(7, 0, 0, "v"))
            .await
            .unwrap();
        let started = node.runtime().now();
        reader.send(11, &fetch(0, 1, 60_000)).await;
        // What is committed by replicas only does not wake it with data that it may not have.
        write(&node, topic, transactional(7, 0, 1, "v"))
            .await
            .unwrap();
        node.runtime().sleep(Duration::from_secs(1)).await;
        assert_eq!(end(&mut other, 7, 1, true, 0).await, ErrorCode::NONE);
        let found = seen(&reader.answer::<FetchRequest<'_>>(11).await);
        assert_eq!(found.offsets, [0, 1, 2]);
        let took = node.runtime().now().since(started);
        assert!(
            took >= Duration::from_secs(1) && took < Duration::from_secs(5),
            "{took:?}"
        );
    });
}

#[test]
fn a_marker_fences_what_comes_late() {
    check(|node| async move {
        let topic = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        write(&node, topic, transactional(7, 0, 0, "a"))
            .await
            .unwrap();
        assert_eq!(end(&mut client, 7, 1, false, 5).await, ErrorCode::NONE);
        let late = write(&node, topic, transactional(7, 0, 1, "b")).await;
        assert_eq!(late, Err(corelog_broker::Error::ProducerFenced));
        // Once more is the same; an older epoch or an older coordinator is not.
        for (epoch, coordinator, expected) in [
            (1, 5, ErrorCode::NONE),
            (0, 5, ErrorCode::INVALID_PRODUCER_EPOCH),
            (2, 4, ErrorCode::TRANSACTION_COORDINATOR_FENCED),
        ] {
            assert_eq!(
                end(&mut client, 7, epoch, false, coordinator).await,
                expected
            );
        }
        assert_eq!(latest(&mut client, 1).await, 2);
        let all = client.fetch_all("t", 0).await;
        assert_eq!(all.len(), 2, "{all:?}");
    });
}

#[test]
fn describe_producers_tells_of_open_transactions() {
    check(|node| async move {
        let topic = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        assert_eq!(
            client.produce("t", 0, &crate::node::batch(&["x"])).await.1,
            0
        );
        write(&node, topic, transactional(7, 0, 0, "v"))
            .await
            .unwrap();
        for (epoch, expected) in [(None, (0, -1, 1)), (Some(1), (1, 9, -1))] {
            if let Some(epoch) = epoch {
                assert_eq!(end(&mut client, 7, epoch, true, 9).await, ErrorCode::NONE);
            }
            let request = DescribeProducersRequest {
                topics: vec![DescribeProducersTopic {
                    name: "t",
                    partition_indexes: vec![0].into(),
                }]
                .into(),
            };
            let body = client.ask(0, &request).await;
            let response = DescribeProducersResponse::decode(0, &body).unwrap();
            let topic = response.topics.first().unwrap();
            let partition = topic.partitions.first().unwrap();
            let state = partition.active_producers.first().unwrap();
            let told = (
                state.producer_epoch,
                state.coordinator_epoch,
                state.current_txn_start_offset,
            );
            assert_eq!(told, expected);
        }
    });
}

#[test]
fn deleted_records_hold_no_reader_up() {
    check(|node| async move {
        let topic = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        write(&node, topic, transactional(7, 0, 0, "v"))
            .await
            .unwrap();
        assert_eq!(
            client.produce("t", 0, &crate::node::batch(&["x"])).await.1,
            1
        );
        assert_eq!(latest(&mut client, 1).await, 0);
        assert_eq!(client.trim("t", 0, 1).await, (ErrorCode::NONE, 1));
        assert_eq!(latest(&mut client, 1).await, 1);
        assert_eq!(end(&mut client, 7, 1, false, 0).await, ErrorCode::NONE);
        let body = client.ask(11, &fetch(1, 1, 0)).await;
        let found = seen(&body);
        assert_eq!(
            (found.offsets, found.aborted),
            (vec![1, 2], Some(vec![(7, 0)]))
        );
        let response = FetchResponse::decode(11, &body).unwrap();
        let topic = response.responses.first().unwrap();
        let records = topic.partitions.first().unwrap();
        let values = values(records.records.bytes().unwrap());
        assert_eq!(values[0], (1, "x".to_owned()));
    });
}
