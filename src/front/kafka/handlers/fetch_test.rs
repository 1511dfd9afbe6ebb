use std::time::Duration;

use corelog_base::{Offset, TopicId};
use corelog_record::BatchBuilder;
use corelog_record::Codec;
use corelog_rt::Runtime;
use corelog_wire::kafka::{
    DeleteTopicState, DeleteTopicsRequest, ErrorCode, FetchPartition, FetchRequest, FetchResponse,
    FetchTopic, ForgottenTopic, ProduceRequest,
};

use crate::Options;
use crate::node::{Node, batch, check, check_door, produce_request, produced, values};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn partition(partition: i32, fetch_offset: i64) -> FetchPartition {
    FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    }
}

pub(super) fn request<'a>(
    topic: &'a str,
    topic_id: TopicId,
    partitions: Vec<FetchPartition>,
) -> FetchRequest<'a> {
    let topic = FetchTopic {
        topic,
        topic_id,
        partitions: partitions.into(),
    };
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![topic].into(),
        ..Default::default()
    }
}

/// What a response says of each partition: index, code, high watermark, offsets of its records.
pub(super) fn told(response: &FetchResponse<'_>) -> Vec<(i32, ErrorCode, i64, Vec<i64>)> {
    let mut told = Vec::new();
    for topic in response.responses.iter() {
        for p in topic.partitions.iter() {
            let records = values(p.records.bytes().unwrap());
            let offsets = records.into_iter().map(|(offset, _)| offset).collect();
            told.push((p.partition_index, p.error_code, p.high_watermark, offsets));
        }
    }
    told
}

pub(super) async fn filled(node: &Node, name: &str) -> TopicId {
    let id = node.topic(name, &[]).await;
    let mut client = node.client(0).await;
    for values in [&["a", "b", "c"][..], &["d", "e", "f"]] {
        assert_eq!(
            client.produce(name, 0, &batch(values)).await.0,
            ErrorCode::NONE
        );
    }
    id
}

const NONE: ErrorCode = ErrorCode::NONE;

#[test]
fn every_version_reads_what_was_written() {
    check(|node| async move {
        let id = filled(&node, "t").await;
        for core in 0..2 {
            let mut client = node.client(core).await;
            for version in 4..=18 {
                let body = client
                    .ask(version, &request("t", id, vec![partition(0, 0)]))
                    .await;
                let response = FetchResponse::decode(version, &body).unwrap();
                assert_eq!(response.error_code, NONE);
                let expected = [(0, NONE, 6, vec![0, 1, 2, 3, 4, 5])];
                assert_eq!(told(&response), expected, "version {version}");
                let topic = response.responses.first().unwrap();
                let data = topic.partitions.first().unwrap();
                assert_eq!(data.last_stable_offset, 6);
                assert!(data.aborted_transactions.is_none());
                if version >= 5 {
                    assert_eq!(data.log_start_offset, 0);
                }
            }
        }
    });
}

#[test]
fn an_offset_inside_a_batch_returns_the_whole_batch() {
    check(|node| async move {
        filled(&node, "t").await;
        let mut client = node.client(0).await;
        for (offset, expected) in [
            (1, vec![0, 1, 2, 3, 4, 5]),
            (3, vec![3, 4, 5]),
            (5, vec![3, 4, 5]),
        ] {
            let body = client
                .ask(11, &request("t", TopicId::ZERO, vec![partition(0, offset)]))
                .await;
            let response = FetchResponse::decode(11, &body).unwrap();
            assert_eq!(told(&response), [(0, NONE, 6, expected)]);
        }
    });
}

#[test]
fn the_first_partition_with_records_gives_a_batch_above_every_limit() {
    check(|node| async move {
        filled(&node, "t").await;
        let mut client = node.client(0).await;
        client.produce("t", 2, &batch(&["other"])).await;
        let mut partitions = vec![partition(1, 0), partition(0, 0), partition(2, 0)];
        for partition in &mut partitions {
            partition.partition_max_bytes = 1;
        }
        let mut request = request("t", TopicId::ZERO, partitions);
        request.max_bytes = 1;
        let body = client.ask(11, &request).await;
        let response = FetchResponse::decode(11, &body).unwrap();
        let told = told(&response);
        assert_eq!(told[0], (1, NONE, 0, vec![]));
        let given: Vec<usize> = told.iter().map(|t| t.3.len()).filter(|n| *n > 0).collect();
        assert!(given == [3] || given == [1], "one batch alone: {told:?}");
    });
}

#[test]
fn positions_out_of_range_and_unknown_partitions() {
    check(|node| async move {
        let id = filled(&node, "t").await;
        let mut client = node.client(0).await;
        for (offset, expected) in [
            (-1, (0, ErrorCode::OFFSET_OUT_OF_RANGE, -1, vec![])),
            (7, (0, ErrorCode::OFFSET_OUT_OF_RANGE, -1, vec![])),
            (6, (0, NONE, 6, vec![])),
        ] {
            let body = client
                .ask(11, &request("t", id, vec![partition(0, offset)]))
                .await;
            let response = FetchResponse::decode(11, &body).unwrap();
            assert_eq!(told(&response), [expected]);
        }
        for (name, id, index, version, expected) in [
            ("t", id, 9, 12, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            ("t", id, 9, 13, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            ("none", id, 0, 12, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            ("t", TopicId([1; 16]), 0, 13, ErrorCode::UNKNOWN_TOPIC_ID),
        ] {
            let started = node.runtime().now();
            let mut request = request(name, id, vec![partition(index, 0)]);
            request.max_wait_ms = 30_000;
            let body = client.ask(version, &request).await;
            let response = FetchResponse::decode(version, &body).unwrap();
            assert_eq!(told(&response), [(index, expected, -1, vec![])]);
            // An error does not wait.
            assert!(node.runtime().now().since(started) < SECOND);
        }
    });
}

#[test]
fn leader_epochs_are_compared() {
    check(|node| async move {
        let id = filled(&node, "t").await;
        let mut client = node.client(0).await;
        let bytes = client.fetch_bytes("t", 0, 0).await;
        let (header, _) = corelog_record::batches(&bytes).next().unwrap().unwrap();
        let epoch = header.leader_epoch.0;
        assert!(epoch >= 1);
        for (known, expected) in [
            (-1, NONE),
            (epoch, NONE),
            (epoch - 1, ErrorCode::FENCED_LEADER_EPOCH),
            (epoch + 1, ErrorCode::UNKNOWN_LEADER_EPOCH),
        ] {
            let mut asked = partition(0, 0);
            asked.current_leader_epoch = known;
            let body = client.ask(12, &request("t", id, vec![asked])).await;
            let response = FetchResponse::decode(12, &body).unwrap();
            assert_eq!(told(&response)[0].1, expected, "epoch {known}");
        }
    });
}

#[test]
fn zstd_needs_version_10() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        let mut builder = BatchBuilder::new(Codec::Zstd);
        let now = corelog_base::TimestampMs(1_700_000_000_000);
        builder.push(now, None, Some(b"one"), &[]).unwrap();
        client.produce("t", 0, &builder.finish()).await;
        for (version, expected) in [(9, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE), (10, NONE)] {
            let body = client
                .ask(version, &request("t", TopicId::ZERO, vec![partition(0, 0)]))
                .await;
            let response = FetchResponse::decode(version, &body).unwrap();
            assert_eq!(told(&response)[0].1, expected);
        }
    });
}

#[test]
fn a_session_tells_what_changed() {
    check(|node| async move {
        let id = filled(&node, "t").await;
        let mut client = node.client(0).await;
        let mut open = request(
            "t",
            id,
            vec![partition(0, 0), partition(1, 0), partition(2, 0)],
        );
        open.session_epoch = 0;
        let body = client.ask(13, &open).await;
        let response = FetchResponse::decode(13, &body).unwrap();
        let session = response.session_id;
        assert!(session > 0);
        assert_eq!(told(&response).len(), 3);
        let mut next = request("t", id, vec![partition(0, 6)]);
        next.session_id = session;
        for (epoch, expected) in [(1, vec![]), (2, vec![(1, NONE, 1, vec![0])])] {
            next.session_epoch = epoch;
            let body = client.ask(13, &next).await;
            let response = FetchResponse::decode(13, &body).unwrap();
            assert_eq!((response.error_code, response.session_id), (NONE, session));
            assert_eq!(told(&response), expected);
            client.produce("t", 1, &batch(&["new"])).await;
            next.topics = Vec::new().into();
        }
        // A wrong epoch, then a session that is not there.
        next.session_epoch = 9;
        for (id, expected) in [
            (session, ErrorCode::INVALID_FETCH_SESSION_EPOCH),
            (session ^ 1, ErrorCode::FETCH_SESSION_ID_NOT_FOUND),
        ] {
            next.session_id = id;
            let body = client.ask(13, &next).await;
            let response = FetchResponse::decode(13, &body).unwrap();
            assert_eq!((response.error_code, response.session_id), (expected, 0));
            assert!(response.responses.is_empty());
        }
        next.session_id = session;
        next.session_epoch = 3;
        let forgotten = ForgottenTopic {
            topic_id: id,
            partitions: vec![0, 1].into(),
            ..Default::default()
        };
        next.forgotten_topics_data = vec![forgotten].into();
        client.produce("t", 2, &batch(&["new"])).await;
        let body = client.ask(13, &next).await;
        let response = FetchResponse::decode(13, &body).unwrap();
        assert_eq!(told(&response), [(2, NONE, 1, vec![0])]);
    });
}

#[test]
fn nothing_is_read_below_the_start() {
    check(|node| async move {
        filled(&node, "t").await;
        let mut client = node.client(0).await;
        let start = client.trim("t", 0, 4).await;
        assert_eq!(start, (NONE, 4));
        for (offset, expected) in [(3, ErrorCode::OFFSET_OUT_OF_RANGE), (4, NONE)] {
            let body = client
                .ask(11, &request("t", TopicId::ZERO, vec![partition(0, offset)]))
                .await;
            let response = FetchResponse::decode(11, &body).unwrap();
            assert_eq!(told(&response)[0].1, expected);
        }
        let body = client
            .ask(11, &request("t", TopicId::ZERO, vec![partition(0, 4)]))
            .await;
        let response = FetchResponse::decode(11, &body).unwrap();
        let data = response
            .responses
            .first()
            .unwrap()
            .partitions
            .first()
            .unwrap();
        assert_eq!(Offset(data.log_start_offset), Offset(4));
    });
}

#[test]
fn what_is_not_committed_is_not_given() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let (mut writer, mut reader) = (node.client(0).await, node.client(1).await);
        node.slow_disk(1000);
        let writing = produce_request("t", TopicId::ZERO, 0, &batch(&["one", "two"]));
        writer.send(9, &writing).await;
        node.runtime().sleep(Duration::from_millis(5)).await;
        // Between the high watermark and the end: no records, and no error.
        for (offset, expected) in [
            (0, (0, NONE, 0, vec![])),
            (1, (0, NONE, 0, vec![])),
            (2, (0, NONE, 0, vec![])),
            (3, (0, ErrorCode::OFFSET_OUT_OF_RANGE, -1, vec![])),
        ] {
            let mut request = request("t", id, vec![partition(0, offset)]);
            request.max_wait_ms = 0;
            let body = reader.ask(13, &request).await;
            let response = FetchResponse::decode(13, &body).unwrap();
            assert_eq!(told(&response), [expected]);
        }
        // One that waits is given both as soon as they are.
        let mut poll = request("t", id, vec![partition(0, 0)]);
        poll.max_wait_ms = 60_000;
        reader.send(13, &poll).await;
        let answer = writer.answer::<ProduceRequest>(9).await;
        assert_eq!(produced(&answer), (NONE, 0));
        let body = reader.answer::<FetchRequest>(13).await;
        let response = FetchResponse::decode(13, &body).unwrap();
        assert_eq!(told(&response), [(0, NONE, 2, vec![0, 1])]);
    });
}

#[test]
fn read_committed_is_told_that_nothing_was_aborted() {
    check(|node| async move {
        let id = filled(&node, "t").await;
        let mut client = node.client(0).await;
        for version in 4..=18 {
            let mut request = request("t", id, vec![partition(0, 0)]);
            request.isolation_level = 1;
            let body = client.ask(version, &request).await;
            let response = FetchResponse::decode(version, &body).unwrap();
            assert_eq!(told(&response), [(0, NONE, 6, vec![0, 1, 2, 3, 4, 5])]);
            let topic = response.responses.first().unwrap();
            let data = topic.partitions.first().unwrap();
            assert_eq!(data.last_stable_offset, 6);
            assert!(data.aborted_transactions.unwrap().is_empty());
        }
    });
}

#[test]
fn an_error_that_comes_up_ends_the_wait() {
    check(|node| async move {
        for (version, name) in [(12, "a"), (13, "b")] {
            let id = node.topic(name, &[]).await;
            let (mut reader, mut admin) = (node.client(0).await, node.client(1).await);
            let mut poll = request(name, id, vec![partition(0, 0), partition(1, 0)]);
            poll.max_wait_ms = 60_000;
            reader.send(version, &poll).await;
            node.runtime().sleep(SECOND).await;
            let topic = DeleteTopicState {
                name: Some(name),
                topic_id: TopicId::ZERO,
            };
            let request = DeleteTopicsRequest {
                topics: vec![topic].into(),
                timeout_ms: 5000,
                ..Default::default()
            };
            let started = node.runtime().now();
            admin.ask(6, &request).await;
            let body = reader.answer::<FetchRequest>(version).await;
            assert!(node.runtime().now().since(started) < SECOND);
            let response = FetchResponse::decode(version, &body).unwrap();
            let codes: Vec<ErrorCode> = told(&response).iter().map(|told| told.1).collect();
            assert!(
                codes.contains(&ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                "{codes:?}"
            );
        }
    });
}

#[test]
fn fetches_share_the_memory_that_there_is() {
    const BATCH_BYTES: usize = 50_000;
    let door = Options {
        request_bytes_max: 1 << 20,
        memory_bytes: 8 << 20,
        ..Options::default()
    };
    check_door(door, |node| async move {
        node.topic("t", &[]).await;
        let mut writer = node.client(0).await;
        for _ in 0..60 {
            let value = "x".repeat(BATCH_BYTES);
            assert_eq!(writer.produce("t", 0, &batch(&[&value])).await.0, NONE);
        }
        let mut whole = partition(0, 0);
        whole.partition_max_bytes = i32::MAX;
        let mut poll = request("t", TopicId::ZERO, vec![whole]);
        poll.max_bytes = i32::MAX;
        // Nobody reads its answer: their memory is held.
        let mut readers = Vec::new();
        for _ in 0..12 {
            let mut reader = node.client(0).await;
            reader.send(11, &poll).await;
            node.runtime().sleep(Duration::from_millis(10)).await;
            readers.push(reader);
        }
        let mut sizes = Vec::new();
        for reader in &mut readers {
            let body = reader.answer::<FetchRequest>(11).await;
            sizes.push(body.len());
        }
        // A quarter of the memory for all, and beyond it one batch each.
        assert!(sizes[0] > 900_000, "{sizes:?}");
        let least = BATCH_BYTES..2 * BATCH_BYTES;
        assert!(sizes.iter().all(|size| *size >= least.start), "{sizes:?}");
        let shared: usize = sizes.iter().filter(|size| **size >= least.end).sum();
        assert!(shared <= 2 << 20, "{sizes:?}");
        // All of it has come back.
        let body = readers[3].ask(11, &poll).await;
        assert!(body.len() > 900_000);
    });
}

#[test]
fn damage_that_a_read_finds_is_refused_and_the_rest_goes_on() {
    check(|node| async move {
        let id = node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        // More than what is kept in memory, in batches of many chunks of the segment.
        let value = "x".repeat(1_000_000);
        for offset in 0..80 {
            assert_eq!(
                client.produce("t", 0, &batch(&[&value])).await,
                (NONE, offset)
            );
        }
        node.runtime().sleep(10 * SECOND).await;
        node.damage_segment(500_000);
        let full = ErrorCode::KAFKA_STORAGE_ERROR;
        for _ in 0..2 {
            for (offset, expected) in [(0, (full, vec![])), (1, (NONE, vec![1]))] {
                let body = client
                    .ask(13, &request("t", id, vec![partition(0, offset)]))
                    .await;
                let response = FetchResponse::decode(13, &body).unwrap();
                let found = told(&response).remove(0);
                assert_eq!((found.1, found.3), expected, "offset {offset}");
            }
        }
        let written = client.produce("t", 0, &batch(&["after"])).await;
        assert_eq!(written, (NONE, 80));
        // Where the log starts behind it, it is gone.
        assert_eq!(client.trim("t", 0, 1).await, (NONE, 1));
        let written = client.produce("t", 0, &batch(&["later"])).await;
        assert_eq!(written, (NONE, 81));
    });
}
