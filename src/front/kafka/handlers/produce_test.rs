use bytes::BytesMut;
use corelog_base::{ProducerEpoch, ProducerId, TimestampMs, TopicId};
use corelog_record::{BatchBuilder, Codec, ProducerState};
use corelog_wire::kafka::{
    ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse,
};

use super::super::node::{Client, batch, check, produce_request};

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

/// A batch of `count` records of an idempotent producer.
fn sequenced(id: ProducerId, epoch: i16, base_sequence: i32, count: usize) -> BytesMut {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.producer(ProducerState {
        id,
        epoch: ProducerEpoch(epoch),
        base_sequence,
    });
    for _ in 0..count {
        builder.push(NOW, None, Some(b"value"), &[]).unwrap();
    }
    builder.finish()
}

async fn producer_id(client: &mut Client) -> ProducerId {
    let body = client.ask(4, &InitProducerIdRequest::default()).await;
    let response = InitProducerIdResponse::decode(4, &body).unwrap();
    assert_eq!(
        (response.error_code, response.producer_epoch),
        (ErrorCode::NONE, 0)
    );
    ProducerId(response.producer_id)
}

#[test]
fn every_version_writes() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = node.client(1).await;
        for (version, offset) in (3..=13).zip((0..).step_by(2)) {
            let request = produce_request("t", id, 3, &batch(&["one", "two"]));
            let body = client.ask(version, &request).await;
            let response = ProduceResponse::decode(version, &body).unwrap();
            let topic = response.responses.first().unwrap();
            let partition = topic.partition_responses.first().unwrap();
            assert_eq!(partition.error_code, ErrorCode::NONE, "version {version}");
            assert_eq!((partition.index, partition.base_offset), (3, offset));
            assert_eq!(partition.log_append_time_ms, -1);
            match version {
                13.. => assert_eq!(topic.topic_id, id),
                _ => assert_eq!(topic.name, "t"),
            }
        }
        let found = client.fetch_all("t", 3).await;
        assert_eq!(found.len(), 22);
        assert_eq!(found.last().unwrap(), &(21, "two".to_owned()));
    });
}

#[test]
fn several_partitions_of_several_topics_in_one_request() {
    check(|node| async move {
        node.topic("a", &[]).await;
        node.topic("b", &[]).await;
        let mut client = node.client(0).await;
        let mut request = ProduceRequest {
            acks: 1,
            timeout_ms: 1,
            ..Default::default()
        };
        let mut topics = Vec::new();
        for name in ["a", "none", "b"] {
            let mut data = Vec::new();
            for partition in [3, 0, 9, 1] {
                let value = format!("{name} {partition}");
                let one = produce_request(name, TopicId::ZERO, partition, &batch(&[&value]));
                data.extend(one.topic_data.first().unwrap().partition_data.iter());
            }
            topics.push(corelog_wire::kafka::TopicProduceData {
                name,
                topic_id: TopicId::ZERO,
                partition_data: data.into(),
            });
        }
        request.topic_data = topics.into();
        let body = client.ask(8, &request).await;
        let response = ProduceResponse::decode(8, &body).unwrap();
        let mut codes = Vec::new();
        for topic in response.responses.iter() {
            for partition in topic.partition_responses.iter() {
                codes.push((topic.name, partition.index, partition.error_code));
            }
        }
        let (none, unknown) = (ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let expected = [
            ("a", 3, none),
            ("a", 0, none),
            ("a", 9, unknown),
            ("a", 1, none),
            ("none", 3, unknown),
            ("none", 0, unknown),
            ("none", 9, unknown),
            ("none", 1, unknown),
            ("b", 3, none),
            ("b", 0, none),
            ("b", 9, unknown),
            ("b", 1, none),
        ];
        assert_eq!(codes, expected);
        assert_eq!(client.fetch_all("b", 1).await, [(0, "b 1".to_owned())]);
    });
}

#[test]
fn refusals_have_their_codes() {
    check(|node| async move {
        node.topic("t", &[("max.message.bytes", "200")]).await;
        let id = TopicId([3; 16]);
        let mut client = node.client(0).await;
        let good = batch(&["one"]);
        let mut damaged = good.clone();
        damaged[70] ^= 1;
        let large = batch(&["x".repeat(200).as_str()]);
        let cases = [
            ("t", &[][..], ErrorCode::INVALID_RECORD),
            ("t", &[&good[..], &good].concat(), ErrorCode::INVALID_RECORD),
            ("t", &damaged, ErrorCode::CORRUPT_MESSAGE),
            ("t", &large, ErrorCode::MESSAGE_TOO_LARGE),
            ("none", &good, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ];
        for (topic, bytes, expected) in cases {
            assert_eq!(client.produce(topic, 0, bytes).await, (expected, -1));
        }
        let body = client.ask(13, &produce_request("", id, 0, &good)).await;
        let response = ProduceResponse::decode(13, &body).unwrap();
        let partition = response
            .responses
            .first()
            .unwrap()
            .partition_responses
            .first();
        assert_eq!(partition.unwrap().error_code, ErrorCode::UNKNOWN_TOPIC_ID);
        let mut request = produce_request("t", TopicId::ZERO, 0, &good);
        for (acks, transactional_id, expected) in [
            (2, None, ErrorCode::INVALID_REQUIRED_ACKS),
            (-2, None, ErrorCode::INVALID_REQUIRED_ACKS),
            (-1, Some("tx"), ErrorCode::INVALID_TXN_STATE),
        ] {
            request.acks = acks;
            request.transactional_id = transactional_id;
            let body = client.ask(9, &request).await;
            let response = ProduceResponse::decode(9, &body).unwrap();
            let partition = response
                .responses
                .first()
                .unwrap()
                .partition_responses
                .first();
            assert_eq!(partition.unwrap().error_code, expected);
        }
        assert_eq!(client.fetch_all("t", 0).await, []);
    });
}

#[test]
fn clients_do_not_write_to_internal_topics() {
    check(|node| async move {
        node.topic("__consumer_offsets", &[]).await;
        let mut client = node.client(0).await;
        let written = client
            .produce("__consumer_offsets", 0, &batch(&["one"]))
            .await;
        assert_eq!(written.0, ErrorCode::INVALID_TOPIC_EXCEPTION);
    });
}

#[test]
fn acks_0_answers_nothing_and_closes_on_an_error() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let mut request = produce_request("t", TopicId::ZERO, 0, &batch(&["one"]));
        request.acks = 0;
        client.send(9, &request).await;
        // The next answer is the next request's.
        assert_eq!(
            client.produce("t", 0, &batch(&["two"])).await,
            (ErrorCode::NONE, 1)
        );
        let mut request = produce_request("t", TopicId::ZERO, 9, &batch(&["one"]));
        request.acks = 0;
        client.send(9, &request).await;
        assert!(client.frame().await.is_none());
        // A client that closes right behind its last batch has written it.
        let mut client = node.client(0).await;
        let mut request = produce_request("t", TopicId::ZERO, 0, &batch(&["three"]));
        request.acks = 0;
        client.send(9, &request).await;
        client.close();
        let mut client = node.client(1).await;
        assert_eq!(client.wait_for("t", 0, 3).await.len(), 3);
    });
}

#[test]
fn acks_all_needs_enough_replicas() {
    check(|node| async move {
        node.topic("t", &[("min.insync.replicas", "2")]).await;
        let mut client = node.client(0).await;
        let written = client.produce("t", 0, &batch(&["one"])).await;
        assert_eq!(written, (ErrorCode::NOT_ENOUGH_REPLICAS, -1));
        let mut request = produce_request("t", TopicId::ZERO, 0, &batch(&["one"]));
        request.acks = 1;
        let body = client.ask(9, &request).await;
        let response = ProduceResponse::decode(9, &body).unwrap();
        let partition = response
            .responses
            .first()
            .unwrap()
            .partition_responses
            .first();
        assert_eq!(partition.unwrap().error_code, ErrorCode::NONE);
    });
}

#[test]
fn idempotence() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let (id, other) = (
            producer_id(&mut client).await,
            producer_id(&mut client).await,
        );
        assert_ne!(id, other);
        let none = ErrorCode::NONE;
        // Any sequence of a producer that nobody knows; then each follows the last.
        for (bytes, expected) in [
            (sequenced(id, 0, 0, 3), (none, 0)),
            (sequenced(id, 0, 3, 2), (none, 3)),
            (sequenced(id, 0, 0, 3), (none, 0)),
            (sequenced(id, 0, 3, 2), (none, 3)),
            (
                sequenced(id, 0, 9, 1),
                (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1),
            ),
            (sequenced(other, 0, 70, 1), (none, 5)),
            (
                sequenced(id, 1, 7, 1),
                (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1),
            ),
            (sequenced(id, 1, 0, 1), (none, 6)),
            (
                sequenced(id, 0, 5, 1),
                (ErrorCode::INVALID_PRODUCER_EPOCH, -1),
            ),
        ] {
            assert_eq!(client.produce("t", 0, &bytes).await, expected);
        }
        // More than five batches later, the first is forgotten.
        for (sequence, offset) in (1..=6).zip(7..) {
            let written = client.produce("t", 0, &sequenced(id, 1, sequence, 1)).await;
            assert_eq!(written, (none, offset));
        }
        let written = client.produce("t", 0, &sequenced(id, 1, 0, 1)).await;
        assert_eq!(written.0, ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
        // Sequences wrap.
        let last = other;
        let written = client
            .produce("t", 1, &sequenced(last, 0, i32::MAX, 1))
            .await;
        assert_eq!(written, (none, 0));
        let written = client.produce("t", 1, &sequenced(last, 0, 0, 1)).await;
        assert_eq!(written, (none, 1));
    });
}

#[test]
fn the_brokers_time_is_told() {
    check(|node| async move {
        node.topic("t", &[("message.timestamp.type", "LogAppendTime")])
            .await;
        let mut client = node.client(0).await;
        let request = produce_request("t", TopicId::ZERO, 0, &batch(&["one"]));
        let body = client.ask(9, &request).await;
        let response = ProduceResponse::decode(9, &body).unwrap();
        let partition = response
            .responses
            .first()
            .unwrap()
            .partition_responses
            .first()
            .unwrap();
        assert!(partition.log_append_time_ms >= NOW.0);
        let bytes = client.fetch_bytes("t", 0, 0).await;
        let (header, batch) = corelog_record::batches(&bytes).next().unwrap().unwrap();
        assert!(header.attributes.is_append_time());
        assert_eq!(header.max_timestamp.0, partition.log_append_time_ms);
        corelog_record::verify(batch).unwrap();
    });
}

#[test]
fn a_topic_with_its_own_codec_stores_it() {
    check(|node| async move {
        node.topic("t", &[("compression.type", "zstd")]).await;
        let mut client = node.client(0).await;
        client.produce("t", 0, &batch(&["one", "two"])).await;
        let bytes = client.fetch_bytes("t", 0, 0).await;
        let (header, _) = corelog_record::batches(&bytes).next().unwrap().unwrap();
        assert_eq!(header.attributes.codec(), Ok(Codec::Zstd));
        assert_eq!(client.fetch_all("t", 0).await.len(), 2);
    });
}

#[test]
fn transactions_are_refused_clearly() {
    check(|node| async move {
        let mut client = node.client(0).await;
        for (id, expected) in [
            ("tx", ErrorCode::UNSUPPORTED_VERSION),
            ("", ErrorCode::INVALID_REQUEST),
        ] {
            let request = InitProducerIdRequest {
                transactional_id: Some(id),
                ..Default::default()
            };
            let body = client.ask(5, &request).await;
            let response = InitProducerIdResponse::decode(5, &body).unwrap();
            assert_eq!((response.error_code, response.producer_id), (expected, -1));
        }
    });
}
