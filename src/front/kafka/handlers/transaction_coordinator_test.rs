//! Transactions as producers see them: from InitProducerId to EndTxn.

use bytes::BytesMut;
use corelog_base::{ProducerEpoch, ProducerId, TimestampMs, TopicId};
use corelog_record::{BatchBuilder, Codec, ProducerState};
use corelog_wire::kafka::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, AddPartitionsToTxnTopic, DescribeTransactionsRequest,
    DescribeTransactionsResponse, EndTxnRequest, EndTxnResponse, ErrorCode, FetchPartition,
    FetchRequest, FetchResponse, FetchTopic, InitProducerIdRequest, InitProducerIdResponse,
    ListTransactionsRequest, ListTransactionsResponse, OffsetFetchRequest, OffsetFetchRequestTopic,
    OffsetFetchResponse, PartitionProduceData, ProduceRequest, ProduceResponse, Records,
    TopicProduceData, TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic, TxnOffsetCommitResponse,
};

use crate::node::{Client, check, values};

type Who = (i64, i16);

const CLASSIC: i16 = 11;
const IMPLICIT: i16 = 12;

fn batch((id, epoch): Who, base_sequence: i32, value: &str) -> BytesMut {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.transactional().producer(ProducerState {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        base_sequence,
    });
    let now = TimestampMs(1_700_000_000_000);
    let pushed = builder.push(now, None, Some(value.as_bytes()), &[]);
    pushed.unwrap();
    builder.finish()
}

async fn init(client: &mut Client, current: Option<Who>) -> (ErrorCode, Who) {
    let (producer_id, producer_epoch) = current.unwrap_or((-1, -1));
    let request = InitProducerIdRequest {
        transactional_id: Some("tx"),
        transaction_timeout_ms: 60_000,
        producer_id,
        producer_epoch,
    };
    let body = client.ask(5, &request).await;
    let response = InitProducerIdResponse::decode(5, &body).unwrap();
    let who = (response.producer_id, response.producer_epoch);
    (response.error_code, who)
}

async fn add(client: &mut Client, (id, epoch): Who, partitions: &[i32]) -> Vec<ErrorCode> {
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: "tx",
        v3_and_below_producer_id: id,
        v3_and_below_producer_epoch: epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic {
            name: "t",
            partitions: partitions.to_vec().into(),
        }]
        .into(),
        ..Default::default()
    };
    let body = client.ask(3, &request).await;
    let response = AddPartitionsToTxnResponse::decode(3, &body).unwrap();
    let topics = response.results_by_topic_v3_and_below.first().unwrap();
    let partitions = topics.results_by_partition.iter();
    partitions.map(|p| p.partition_error_code).collect()
}

async fn produce(client: &mut Client, version: i16, batch: &[u8]) -> ErrorCode {
    let records = bytes::Bytes::copy_from_slice(batch);
    let request = ProduceRequest {
        transactional_id: Some("tx"),
        acks: -1,
        timeout_ms: 5_000,
        topic_data: vec![TopicProduceData {
            name: "t",
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Records::from(records),
            }]
            .into(),
            topic_id: TopicId::ZERO,
        }]
        .into(),
    };
    let body = client.ask(version, &request).await;
    let response = ProduceResponse::decode(version, &body).unwrap();
    let topic = response.responses.first().unwrap();
    topic.partition_responses.first().unwrap().error_code
}

async fn end(
    client: &mut Client,
    version: i16,
    (id, epoch): Who,
    committed: bool,
) -> (ErrorCode, Who) {
    let request = EndTxnRequest {
        transactional_id: "tx",
        producer_id: id,
        producer_epoch: epoch,
        committed,
    };
    let body = client.ask(version, &request).await;
    let response = EndTxnResponse::decode(version, &body).unwrap();
    let who = (response.producer_id, response.producer_epoch);
    (response.error_code, who)
}

/// What a reader of committed records sees, once nothing is open.
async fn committed(client: &mut Client) -> Vec<String> {
    loop {
        let partition = FetchPartition {
            partition: 0,
            fetch_offset: 0,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let request = FetchRequest {
            max_wait_ms: 100,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation_level: 1,
            topics: vec![FetchTopic {
                topic: "t",
                partitions: vec![partition].into(),
                ..Default::default()
            }]
            .into(),
            ..Default::default()
        };
        let body = client.ask(11, &request).await;
        let response = FetchResponse::decode(11, &body).unwrap();
        let topic = response.responses.first().unwrap();
        let partition = topic.partitions.first().unwrap();
        if partition.last_stable_offset < partition.high_watermark {
            continue;
        }
        let aborted = partition.aborted_transactions.iter().flat_map(|a| a.iter());
        let aborted: Vec<i64> = aborted.map(|a| a.first_offset).collect();
        let all = values(partition.records.bytes().unwrap_or_default());
        // A marker's value begins with its version, 0.
        let data = all.into_iter().filter(|(_, v)| !v.starts_with('\0'));
        let kept = data.filter(|(offset, _)| !aborted.contains(offset));
        return kept.map(|(_, value)| value).collect();
    }
}

#[test]
fn the_older_protocol_from_end_to_end() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let (code, who) = init(&mut client, None).await;
        assert_eq!((code, who.1), (ErrorCode::NONE, 0));
        // Not named to the coordinator: no batch gets in.
        let early = produce(&mut client, CLASSIC, &batch(who, 0, "early")).await;
        assert_eq!(early, ErrorCode::TRANSACTION_ABORTABLE);
        let early = produce(&mut client, 9, &batch(who, 0, "early")).await;
        assert_eq!(early, ErrorCode::INVALID_TXN_STATE);
        assert_eq!(add(&mut client, who, &[0]).await, [ErrorCode::NONE]);
        for (at, value) in ["a", "b"].iter().enumerate() {
            let sequence = i32::try_from(at).unwrap();
            let code = produce(&mut client, CLASSIC, &batch(who, sequence, value)).await;
            assert_eq!(code, ErrorCode::NONE);
        }
        assert_eq!(end(&mut client, 4, who, true).await.0, ErrorCode::NONE);
        assert_eq!(committed(&mut client).await, ["a", "b"]);
        // The next one begins anew: what is written without it would never end.
        let late = produce(&mut client, CLASSIC, &batch(who, 2, "late")).await;
        assert_eq!(late, ErrorCode::TRANSACTION_ABORTABLE);
        assert_eq!(add(&mut client, who, &[0]).await, [ErrorCode::NONE]);
        let code = produce(&mut client, CLASSIC, &batch(who, 2, "c")).await;
        assert_eq!(code, ErrorCode::NONE);
        assert_eq!(end(&mut client, 4, who, false).await.0, ErrorCode::NONE);
        assert_eq!(committed(&mut client).await, ["a", "b"]);
        let unknown = add(&mut client, who, &[0, 7]).await;
        let expected = [
            ErrorCode::OPERATION_NOT_ATTEMPTED,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ];
        assert_eq!(unknown, expected);
    });
}

#[test]
fn each_transaction_has_an_epoch_and_partitions_join_by_being_written() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let (_, mut who) = init(&mut client, None).await;
        for (value, commits) in [("a", true), ("b", false), ("c", true)] {
            let first = batch(who, 0, value);
            let code = produce(&mut client, IMPLICIT, &first).await;
            assert_eq!(code, ErrorCode::NONE, "{value}");
            let (code, next) = end(&mut client, 5, who, commits).await;
            assert_eq!((code, next), (ErrorCode::NONE, (who.0, who.1 + 1)));
            // Asked again, as after a lost answer.
            assert_eq!(end(&mut client, 5, who, commits).await.1, next);
            // A batch that comes late opens nothing.
            let late = produce(&mut client, IMPLICIT, &batch(who, 1, "late")).await;
            assert_eq!(late, ErrorCode::INVALID_PRODUCER_EPOCH);
            who = next;
        }
        assert_eq!(committed(&mut client).await, ["a", "c"]);
    });
}

#[test]
fn a_new_producer_fences_the_old_one() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let (_, old) = init(&mut client, None).await;
        let code = produce(&mut client, IMPLICIT, &batch(old, 0, "old")).await;
        assert_eq!(code, ErrorCode::NONE);
        let (code, new) = init(&mut client, None).await;
        assert_eq!((code, new.0), (ErrorCode::NONE, old.0));
        assert!(new.1 > old.1);
        assert_eq!(
            end(&mut client, 5, old, true).await.0,
            ErrorCode::PRODUCER_FENCED
        );
        let older = end(&mut client, 1, old, true).await.0;
        assert_eq!(older, ErrorCode::INVALID_PRODUCER_EPOCH);
        let code = init(&mut client, Some(old)).await.0;
        assert_eq!(code, ErrorCode::PRODUCER_FENCED);
        let code = produce(&mut client, IMPLICIT, &batch(old, 1, "old")).await;
        assert_eq!(code, ErrorCode::INVALID_PRODUCER_EPOCH);
        let code = produce(&mut client, IMPLICIT, &batch(new, 0, "new")).await;
        assert_eq!(code, ErrorCode::NONE);
        assert_eq!(end(&mut client, 5, new, true).await.0, ErrorCode::NONE);
        assert_eq!(committed(&mut client).await, ["new"]);
    });
}

async fn commit_offset(client: &mut Client, version: i16, (id, epoch): Who) -> ErrorCode {
    let request = TxnOffsetCommitRequest {
        transactional_id: "tx",
        group_id: "g",
        producer_id: id,
        producer_epoch: epoch,
        topics: vec![TxnOffsetCommitRequestTopic {
            name: "t",
            partitions: vec![TxnOffsetCommitRequestPartition {
                partition_index: 0,
                committed_offset: 42,
                ..Default::default()
            }]
            .into(),
        }]
        .into(),
        ..Default::default()
    };
    let body = client.ask(version, &request).await;
    let response = TxnOffsetCommitResponse::decode(version, &body).unwrap();
    let topic = response.topics.first().unwrap();
    topic.partitions.first().unwrap().error_code
}

async fn offset(client: &mut Client) -> (ErrorCode, i64) {
    let request = OffsetFetchRequest {
        group_id: "g",
        topics: Some(
            vec![OffsetFetchRequestTopic {
                name: "t",
                partition_indexes: vec![0].into(),
            }]
            .into(),
        ),
        require_stable: true,
        ..Default::default()
    };
    let body = client.ask(7, &request).await;
    let response = OffsetFetchResponse::decode(7, &body).unwrap();
    let topic = response.topics.first().unwrap();
    let partition = topic.partitions.first().unwrap();
    (partition.error_code, partition.committed_offset)
}

#[test]
fn offsets_count_once_their_transaction_is_committed() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let (_, who) = init(&mut client, None).await;
        // Without AddOffsetsToTxn they are in no transaction.
        let code = commit_offset(&mut client, 3, who).await;
        assert_eq!(code, ErrorCode::INVALID_TXN_STATE);
        let request = AddOffsetsToTxnRequest {
            transactional_id: "tx",
            producer_id: who.0,
            producer_epoch: who.1,
            group_id: "g",
        };
        let body = client.ask(3, &request).await;
        let response = AddOffsetsToTxnResponse::decode(3, &body).unwrap();
        assert_eq!(response.error_code, ErrorCode::NONE);
        assert_eq!(commit_offset(&mut client, 3, who).await, ErrorCode::NONE);
        let pending = offset(&mut client).await;
        assert_eq!(pending.0, ErrorCode::UNSTABLE_OFFSET_COMMIT);
        end(&mut client, 4, who, false).await;
        let mut after = offset(&mut client).await;
        while after.0 == ErrorCode::UNSTABLE_OFFSET_COMMIT {
            after = offset(&mut client).await;
        }
        assert_eq!(after, (ErrorCode::NONE, -1));
        // By itself, under KIP-890.
        let (_, who) = init(&mut client, Some(who)).await;
        assert_eq!(commit_offset(&mut client, 5, who).await, ErrorCode::NONE);
        assert_eq!(end(&mut client, 5, who, true).await.0, ErrorCode::NONE);
        let mut after = offset(&mut client).await;
        while after.0 == ErrorCode::UNSTABLE_OFFSET_COMMIT {
            after = offset(&mut client).await;
        }
        assert_eq!(after, (ErrorCode::NONE, 42));
    });
}

#[test]
fn tools_list_and_describe() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let (_, who) = init(&mut client, None).await;
        add(&mut client, who, &[0]).await;
        for (states, expected, unknown) in [
            (vec![], 1, 0),
            (vec!["Ongoing"], 1, 0),
            (vec!["Empty"], 0, 0),
            (vec!["Nonsense"], 0, 1),
        ] {
            let request = ListTransactionsRequest {
                state_filters: states.into(),
                ..Default::default()
            };
            let body = client.ask(2, &request).await;
            let response = ListTransactionsResponse::decode(2, &body).unwrap();
            assert_eq!(response.error_code, ErrorCode::NONE);
            assert_eq!(response.transaction_states.len(), expected);
            assert_eq!(response.unknown_state_filters.len(), unknown);
        }
        let request = DescribeTransactionsRequest {
            transactional_ids: vec!["tx", "none"].into(),
        };
        let body = client.ask(0, &request).await;
        let response = DescribeTransactionsResponse::decode(0, &body).unwrap();
        let states: Vec<_> = response.transaction_states.iter().collect();
        let found = &states[0];
        assert_eq!(found.error_code, ErrorCode::NONE);
        assert_eq!(found.transaction_state, "Ongoing");
        assert_eq!((found.producer_id, found.producer_epoch), who);
        assert_eq!(found.transaction_timeout_ms, 60_000);
        assert!(found.transaction_start_time_ms >= 0);
        assert_eq!(found.topics.first().unwrap().topic, "t");
        let none = states[1].error_code;
        assert_eq!(none, ErrorCode::TRANSACTIONAL_ID_NOT_FOUND);
    });
}

#[test]
fn bad_requests_have_their_codes() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        for (id, timeout, expected) in [
            ("", 60_000, ErrorCode::INVALID_REQUEST),
            ("tx", 0, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
            ("tx", 900_001, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
        ] {
            let request = InitProducerIdRequest {
                transactional_id: Some(id),
                transaction_timeout_ms: timeout,
                ..Default::default()
            };
            let body = client.ask(5, &request).await;
            let response = InitProducerIdResponse::decode(5, &body).unwrap();
            assert_eq!((response.error_code, response.producer_id), (expected, -1));
        }
        let stranger = end(&mut client, 5, (77, 0), true).await.0;
        assert_eq!(stranger, ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        let stranger = produce(&mut client, IMPLICIT, &batch((77, 0), 0, "v")).await;
        assert_eq!(stranger, ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    });
}
