use std::time::Duration;

use bytes::BytesMut;
use corelog_base::{TimestampMs, TopicId};
use corelog_record::{BatchBuilder, Codec};
use corelog_rt::Runtime;
use corelog_wire::kafka::{ErrorCode, ProduceRequest, ProduceResponse};

use crate::Options;
use crate::node::{Node, batch, check, check_door, produce_request, produced};

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

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
        for acks in [2, -2] {
            request.acks = acks;
            let body = client.ask(9, &request).await;
            let response = ProduceResponse::decode(9, &body).unwrap();
            let partition = response
                .responses
                .first()
                .unwrap()
                .partition_responses
                .first();
            let code = partition.unwrap().error_code;
            assert_eq!(code, ErrorCode::INVALID_REQUIRED_ACKS);
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

/// A batch of one record without a key.
fn one(codec: Codec, timestamp: TimestampMs, value: &[u8]) -> BytesMut {
    let mut builder = BatchBuilder::new(codec);
    builder.push(timestamp, None, Some(value), &[]).unwrap();
    builder.finish()
}

#[test]
fn a_timeout_is_told_and_the_data_may_survive() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        node.slow_disk(1000);
        let mut request = produce_request("t", TopicId::ZERO, 0, &batch(&["one"]));
        request.timeout_ms = 1;
        let written = produced(&client.ask(9, &request).await);
        assert_eq!(written, (ErrorCode::REQUEST_TIMED_OUT, -1));
        // With acks=1 the append alone counts in Kafka: a short timeout is no error.
        let mut request = produce_request("t", TopicId::ZERO, 0, &batch(&["two"]));
        (request.acks, request.timeout_ms) = (1, 1);
        let written = produced(&client.ask(9, &request).await);
        assert_eq!(written, (ErrorCode::NONE, 1));
        assert_eq!(client.fetch_all("t", 0).await.len(), 2);
    });
}

#[test]
fn the_record_without_a_key_is_named_from_version_8_on() {
    check(|node| async move {
        node.topic("t", &[("cleanup.policy", "compact")]).await;
        let mut client = node.client(0).await;
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(NOW, Some(b"key"), Some(b"one"), &[]).unwrap();
        builder.push(NOW, None, Some(b"two"), &[]).unwrap();
        let bytes = builder.finish();
        for version in [7, 8, 12] {
            let request = produce_request("t", TopicId::ZERO, 0, &bytes);
            let body = client.ask(version, &request).await;
            let response = ProduceResponse::decode(version, &body).unwrap();
            let topic = response.responses.first().unwrap();
            let partition = topic.partition_responses.first().unwrap();
            assert_eq!(partition.error_code, ErrorCode::INVALID_RECORD);
            let named: Vec<i32> = partition
                .record_errors
                .iter()
                .map(|e| e.batch_index)
                .collect();
            match version {
                8.. => assert!(named == [1] && partition.error_message.is_some()),
                _ => assert!(named.is_empty() && partition.error_message.is_none()),
            }
        }
    });
}

#[test]
fn older_formats_early_zstd_and_far_timestamps_are_refused() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let mut old = batch(&["one"]);
        old[16] = 1;
        let hour = 3_600_000;
        let now = node.runtime().wall().0;
        for (version, bytes, expected) in [
            (9, old, ErrorCode::INVALID_RECORD),
            (
                6,
                one(Codec::Zstd, NOW, b"v"),
                ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            ),
            (7, one(Codec::Zstd, NOW, b"v"), ErrorCode::NONE),
            (
                9,
                one(Codec::None, TimestampMs(now + 2 * hour), b"v"),
                ErrorCode::INVALID_TIMESTAMP,
            ),
            (
                9,
                one(Codec::None, TimestampMs(now + hour / 2), b"v"),
                ErrorCode::NONE,
            ),
        ] {
            let request = produce_request("t", TopicId::ZERO, 0, &bytes);
            let body = client.ask(version, &request).await;
            let response = ProduceResponse::decode(version, &body).unwrap();
            let topic = response.responses.first().unwrap();
            let partition = topic.partition_responses.first().unwrap();
            assert_eq!(partition.error_code, expected);
        }
    });
}

#[test]
fn a_stored_batch_is_what_was_sent_but_for_offset_and_epoch() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        client.produce("t", 0, &batch(&["before"])).await;
        let codecs = [
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ];
        for (offset, codec) in (1..).zip(codecs) {
            let sent = one(codec, NOW, &[7; 300]);
            assert_eq!(
                client.produce("t", 0, &sent).await,
                (ErrorCode::NONE, offset)
            );
            let stored = client.fetch_bytes("t", 0, offset).await;
            let header = corelog_record::verify(&stored).unwrap();
            assert_eq!(header.base_offset.0, offset);
            assert!(header.leader_epoch.0 >= 1);
            assert_eq!(stored[8..12], sent[8..12], "length");
            assert_eq!(
                stored[16..],
                sent[16..],
                "magic, CRC and all that it covers"
            );
        }
    });
}

#[test]
fn batches_that_grow_are_bounded_by_the_doors_memory() {
    let door = Options {
        request_bytes_max: 1 << 20,
        memory_bytes: 5 << 20,
        ..Options::default()
    };
    check_door(door, |node| async move {
        node.topic("t", &[("compression.type", "uncompressed")])
            .await;
        let mut client = node.client(0).await;
        let bytes = one(Codec::Zstd, NOW, &vec![7; 400_000]);
        assert!(bytes.len() < 1000);
        let mut data = Vec::new();
        for partition in 0..4 {
            let one = produce_request("t", TopicId::ZERO, partition, &bytes);
            data.extend(one.topic_data.first().unwrap().partition_data.iter());
        }
        let topic = corelog_wire::kafka::TopicProduceData {
            name: "t",
            topic_id: TopicId::ZERO,
            partition_data: data.into(),
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 5000,
            topic_data: vec![topic].into(),
            ..Default::default()
        };
        // Three quarters of a quarter of 5 MiB hold two of them, each time.
        for _ in 0..3 {
            let body = client.ask(9, &request).await;
            let response = ProduceResponse::decode(9, &body).unwrap();
            let partitions = response.responses.first().unwrap().partition_responses;
            let codes: Vec<ErrorCode> = partitions.iter().map(|p| p.error_code).collect();
            let (none, later) = (ErrorCode::NONE, ErrorCode::REQUEST_TIMED_OUT);
            assert_eq!(codes, [none, none, later, later]);
        }
    });
}

#[test]
fn a_failed_disk_is_told_and_what_was_committed_can_be_read() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let written = client.produce("t", 0, &batch(&["one"])).await;
        assert_eq!(written, (ErrorCode::NONE, 0));
        node.break_disk();
        for value in ["two", "three"] {
            let written = client.produce("t", 0, &batch(&[value])).await;
            assert_eq!(written, (ErrorCode::KAFKA_STORAGE_ERROR, -1));
        }
        assert_eq!(client.fetch_all("t", 0).await, [(0, "one".to_owned())]);
    });
}

/// In batches too small to go around the journal.
async fn burst(node: &Node) -> Vec<(ErrorCode, i64)> {
    const CLIENTS: usize = 8;
    const EACH: usize = 150;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(node.client(0).await);
    }
    let bytes = batch(&[&"x".repeat(50_000)]);
    let mut request = produce_request("t", TopicId::ZERO, 0, &bytes);
    request.timeout_ms = 60_000;
    for n in 0..CLIENTS * EACH {
        clients[n % CLIENTS].send(9, &request).await;
    }
    let mut written = Vec::new();
    for client in &mut clients {
        for _ in 0..EACH {
            let frame = client.frame().await.unwrap();
            written.push(produced(&frame[5..]));
        }
    }
    written
}

#[test]
fn a_full_disk_is_told_at_once_and_writes_go_on_when_there_is_room() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let written = client.produce("t", 0, &batch(&["one"])).await;
        assert_eq!(written, (ErrorCode::NONE, 0));
        node.bound_disk(Some(0));
        let started = node.runtime().now();
        let codes: Vec<ErrorCode> = burst(&node).await.into_iter().map(|w| w.0).collect();
        // The time-outs are a minute.
        let took = node.runtime().now().since(started);
        assert!(took < Duration::from_secs(20), "{took:?}");
        let (none, full) = (ErrorCode::NONE, ErrorCode::KAFKA_STORAGE_ERROR);
        let unknown = ErrorCode::REQUEST_TIMED_OUT;
        assert!(
            codes
                .iter()
                .all(|code| [none, full, unknown].contains(code)),
            "{codes:?}"
        );
        assert!(codes.contains(&full), "{codes:?}");
        let again = client.produce("t", 0, &batch(&["two"])).await;
        assert_eq!(again.0, full);
        node.bound_disk(None);
        node.runtime().sleep(Duration::from_secs(3)).await;
        let written = client.produce("t", 0, &batch(&["three"])).await;
        assert_eq!(written.0, none);
        assert!(written.1 >= codes.iter().filter(|code| code.is_none()).count() as i64);
    });
}
