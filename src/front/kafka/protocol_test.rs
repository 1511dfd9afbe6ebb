//! What holds for every API: versions, headers, refusals, order.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{Random, TopicId};
use corelog_rt::{Runtime, timeout};
use corelog_wire::kafka::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, FetchPartition, FetchRequest,
    FetchTopic, MetadataRequest, ResponseHeader,
};

use super::api::{Api, advertised};
use crate::node::{Client, batch, check, produce_request};

/// A frame with a header that is not flexible.
fn raw(key: i16, version: i16, correlation_id: i32, body: &[u8]) -> Vec<Bytes> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&(10 + body.len() as u32).to_be_bytes());
    frame.extend_from_slice(&key.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&correlation_id.to_be_bytes());
    frame.extend_from_slice(&(-1i16).to_be_bytes());
    frame.extend_from_slice(body);
    vec![Bytes::from(frame)]
}

#[test]
fn the_table_is_sorted_known_and_what_was_promised() {
    let table = Api::TABLE;
    assert!(table.is_sorted_by(|a, b| a.key < b.key));
    for api in table {
        let known = api.key.versions();
        assert!(known.contains(api.versions.start()) && known.contains(api.versions.end()));
    }
    let served: Vec<(i16, i16, i16)> = advertised()
        .iter()
        .map(|api| (api.api_key, api.min_version, api.max_version))
        .collect();
    let expected = [
        (0, 0, 13),
        (1, 4, 18),
        (2, 1, 11),
        (3, 0, 13),
        (8, 2, 10),
        (9, 1, 10),
        (10, 0, 6),
        (11, 0, 9),
        (12, 0, 4),
        (13, 0, 5),
        (14, 0, 5),
        (15, 0, 6),
        (16, 0, 5),
        (18, 0, 4),
        (19, 2, 7),
        (20, 1, 6),
        (21, 0, 2),
        (22, 0, 5),
        (23, 2, 4),
        (24, 0, 5),
        (25, 0, 4),
        (26, 0, 5),
        (27, 1, 2),
        (28, 0, 5),
        (32, 1, 4),
        (33, 0, 2),
        (35, 1, 4),
        (37, 0, 3),
        (42, 0, 2),
        (43, 0, 2),
        (44, 0, 1),
        (45, 0, 1),
        (46, 0, 0),
        (47, 0, 0),
        (48, 0, 1),
        (50, 0, 0),
        (55, 0, 2),
        (60, 0, 2),
        (61, 0, 0),
        (65, 0, 0),
        (66, 0, 2),
        (68, 0, 1),
        (69, 0, 1),
        (74, 0, 1),
        (75, 0, 0),
        (76, 1, 1),
        (77, 1, 1),
        (78, 1, 2),
        (79, 1, 2),
        (90, 0, 1),
        (91, 0, 0),
        (92, 0, 0),
    ];
    assert_eq!(served, expected);
}

#[test]
fn api_versions_at_every_version() {
    check(|node| async move {
        let mut client = node.client(0).await;
        for version in 0..=4 {
            let request = ApiVersionsRequest {
                client_software_name: "test",
                client_software_version: "1.0",
            };
            let body = client.ask(version, &request).await;
            let response = ApiVersionsResponse::decode(version, &body).unwrap();
            assert_eq!(response.error_code, ErrorCode::NONE);
            let expected = advertised();
            assert_eq!(response.api_keys.iter().collect::<Vec<_>>(), expected);
        }
    });
}

#[test]
fn api_versions_wants_a_sound_name_from_version_3_on() {
    check(|node| async move {
        let mut client = node.client(0).await;
        let request = ApiVersionsRequest {
            client_software_name: "no good",
            client_software_version: "1.0",
        };
        let body = client.ask(3, &request).await;
        let response = ApiVersionsResponse::decode(3, &body).unwrap();
        assert_eq!(response.error_code, ErrorCode::INVALID_REQUEST);
    });
}

/// A frame as it stands on the wire, its length before it.
fn framed(bytes: &[u8]) -> Vec<Bytes> {
    let length = (bytes.len() as u32).to_be_bytes();
    vec![Bytes::from([&length[..], bytes].concat())]
}

#[test]
fn a_flexible_header_has_a_plain_client_id_and_unknown_tags_are_skipped() {
    check(|node| async move {
        let mut client = node.client(0).await;
        // Key, version, correlation id; client id with an i16 length; tag 9 of three bytes; two
        // compact strings; tags 5 and 70 of none and two bytes.
        let header = b"\x00\x12\x00\x04\x00\x00\x00\x2a\x00\x03abc\x01\x09\x03xyz";
        let body = b"\x02a\x04b.1\x02\x05\x00\x46\x02pq";
        client.send_raw(framed(&[&header[..], body].concat())).await;
        let frame = client.frame().await.unwrap();
        // Behind the correlation id is the code: the header has no tags, though it is flexible.
        assert_eq!(frame[..6], *b"\x00\x00\x00\x2a\x00\x00");
        assert_eq!(usize::from(frame[6]), advertised().len() + 1);
        // A null client id; Metadata of no topic, with tags in header and body.
        let header = b"\x00\x03\x00\x0d\x00\x00\x00\x2b\xff\xff\x01\x7f\x01z";
        let body = b"\x01\x00\x00\x01\x11\x01z";
        client.send_raw(framed(&[&header[..], body].concat())).await;
        let frame = client.frame().await.unwrap();
        assert_eq!(frame[..5], *b"\x00\x00\x00\x2b\x00", "a header with tags");
    });
}

#[test]
fn a_nullable_struct_has_one_byte_before_it() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(0).await;
        // DescribeTopicPartitions of "t", two partitions a page; the cursor follows.
        let request = b"\x00\x4b\x00\x00\x00\x00\x00\x01\xff\xff\x00\x02\x02t\x00\x00\x00\x00\x02";
        for (cursor, next) in [
            (&b"\xff\x00"[..], &b"\x01\x02t\x00\x00\x00\x02\x00\x00"[..]),
            (b"\x01\x02t\x00\x00\x00\x02\x00\x00", b"\xff\x00"),
        ] {
            client
                .send_raw(framed(&[&request[..], cursor].concat()))
                .await;
            let frame = client.frame().await.unwrap();
            assert_eq!(&frame[frame.len() - next.len()..], next);
        }
    });
}

#[test]
fn a_frame_of_100_mib_may_begin_and_a_longer_one_closes() {
    check(|node| async move {
        let max = 100u32 << 20;
        let mut client = node.client(0).await;
        let length = Bytes::copy_from_slice(&max.to_be_bytes());
        client.send_raw(vec![length]).await;
        let second = Duration::from_secs(1);
        assert!(
            timeout(node.runtime(), second, client.frame())
                .await
                .is_err()
        );
        let mut client = node.client(0).await;
        let length = Bytes::copy_from_slice(&(max + 1).to_be_bytes());
        client.send_raw(vec![length]).await;
        assert!(client.frame().await.is_none());
    });
}

#[test]
fn api_versions_at_an_unknown_version_is_answered_at_version_0() {
    check(|node| async move {
        let mut client = node.client(0).await;
        for version in [5, 99, -1] {
            client
                .send_raw(raw(18, version, 77, b"whatever follows"))
                .await;
            let frame = client.frame().await.unwrap();
            let (header, body) = ResponseHeader::decode(ApiKey::ApiVersions, 0, &frame).unwrap();
            assert_eq!(header.correlation_id, 77);
            let response = ApiVersionsResponse::decode(0, body).unwrap();
            assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
            let own = response.api_keys.first().unwrap();
            assert_eq!((own.api_key, own.min_version, own.max_version), (18, 0, 4));
            assert_eq!(response.api_keys.len(), 1);
        }
        // The connection goes on.
        client.ask(0, &ApiVersionsRequest::default()).await;
    });
}

#[test]
fn whatever_is_not_served_closes() {
    check(|node| async move {
        let served: BTreeSet<i16> = advertised().iter().map(|a| a.api_key).collect();
        let unknown = (0..100)
            .filter(|key| !served.contains(key))
            .map(|key| (key, 0));
        // The codec knows more than is served.
        let known = ApiKey::ALL
            .iter()
            .filter(|api| !served.contains(&api.number()))
            .flat_map(|api| api.versions().map(|version| (api.number(), version)));
        let versions = [
            (0, 0),
            (0, 2),
            (0, 14),
            (1, 3),
            (1, 19),
            (3, 14),
            (3, -1),
            (60, 3),
        ];
        for (key, version) in unknown
            .chain(known)
            .chain(versions)
            .chain([(-1, 0), (i16::MAX, 0)])
        {
            let mut client = node.client(0).await;
            client.send_raw(raw(key, version, 1, &[0; 40])).await;
            assert!(
                client.frame().await.is_none(),
                "key {key} version {version}"
            );
        }
    });
}

#[test]
fn random_bodies_are_answered_or_closed() {
    check(|node| async move {
        let mut random = Random::new(3);
        let (mut answered, mut closed) = (0, 0);
        for api in advertised() {
            for version in api.min_version..=api.max_version {
                for _ in 0..20 {
                    let mut body = vec![0; random.below(60) as usize];
                    random.fill(&mut body);
                    // Small numbers are read as counts and lengths that may be good.
                    for byte in &mut body {
                        if random.chance(700) {
                            *byte %= 4;
                        }
                    }
                    let mut client = node.client(0).await;
                    client.send_raw(raw(api.api_key, version, 7, &body)).await;
                    match correlation_or_close(&mut client).await {
                        Some(_) => answered += 1,
                        None => closed += 1,
                    }
                }
            }
        }
        assert!(answered > 100 && closed > 100, "{answered} {closed}");
        // Nobody has hurt the broker.
        node.topic("t", &[]).await;
        let written = node.client(0).await.produce("t", 0, &batch(&["one"])).await;
        assert_eq!(written, (ErrorCode::NONE, 0));
    });
}

#[test]
fn a_body_that_ends_too_early_closes() {
    check(|node| async move {
        for api in advertised() {
            let mut client = node.client(0).await;
            // A tagged header, and an array of more than there is.
            let body = [0, 0xff, 0xff, 0xff, 0xff, 0x0f];
            client
                .send_raw(raw(api.api_key, api.max_version, 1, &body))
                .await;
            assert!(client.frame().await.is_none(), "{api:?}");
        }
    });
}

/// A Fetch of one partition that waits for its first record.
fn long_poll(topic: &str) -> FetchRequest<'_> {
    let partition = FetchPartition {
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic,
        partitions: vec![partition].into(),
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 60_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![topic].into(),
        ..Default::default()
    }
}

async fn correlation(client: &mut Client) -> i32 {
    correlation_or_close(client).await.unwrap()
}

async fn correlation_or_close(client: &mut Client) -> Option<i32> {
    let frame = client.frame().await?;
    Some(i32::from_be_bytes(*frame.first_chunk().unwrap()))
}

#[test]
fn responses_come_in_request_order_and_long_polls_hold_up_nobody_else() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let (mut waiting, mut other) = (node.client(0).await, node.client(0).await);
        waiting.send(4, &long_poll("t")).await;
        waiting.send(4, &MetadataRequest::default()).await;
        node.runtime().sleep(Duration::from_secs(1)).await;
        let started = node.runtime().now();
        let written = other.produce("t", 0, &batch(&["one"])).await;
        assert_eq!(written, (ErrorCode::NONE, 0));
        assert!(node.runtime().now().since(started) < Duration::from_secs(1));
        assert_eq!(correlation(&mut waiting).await, 1);
        assert_eq!(correlation(&mut waiting).await, 2);
        assert!(node.runtime().now().since(started) < Duration::from_secs(1));
    });
}

#[test]
fn pipelined_produces_keep_their_order_in_the_log() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let mut client = node.client(1).await;
        let values: Vec<String> = (0..50).map(|n| format!("value {n}")).collect();
        for value in &values {
            let request = produce_request("t", TopicId::ZERO, 2, &batch(&[value]));
            client.send(9, &request).await;
        }
        for correlation_id in 1..=50 {
            assert_eq!(correlation(&mut client).await, correlation_id);
        }
        let found = client.fetch_all("t", 2).await;
        let expected: Vec<(i64, String)> = (0..).zip(values).collect();
        assert_eq!(found, expected);
    });
}

#[test]
fn a_disconnect_disarms_what_waits() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let before = node.broker(0).pending() + node.broker(1).pending();
        let mut client = node.client(0).await;
        client.send(4, &long_poll("t")).await;
        node.runtime().sleep(Duration::from_millis(100)).await;
        assert!(node.broker(0).pending() + node.broker(1).pending() > before);
        client.close();
        node.runtime().sleep(Duration::from_millis(100)).await;
        assert_eq!(node.broker(0).pending() + node.broker(1).pending(), before);
    });
}

#[test]
fn a_drain_answers_what_was_sent_and_closes() {
    check(|node| async move {
        node.topic("t", &[]).await;
        let (mut waiting, mut writing) = (node.client(0).await, node.client(0).await);
        waiting.send(4, &long_poll("t")).await;
        node.runtime().sleep(Duration::from_millis(10)).await;
        let request = produce_request("t", TopicId::ZERO, 1, &batch(&["one"]));
        writing.send(9, &request).await;
        node.runtime().sleep(Duration::from_millis(1)).await;
        node.door(0).drain().await;
        assert_eq!(node.door(0).counters().connections_open, 0);
        assert!(waiting.frame().await.is_none());
        assert_eq!(correlation(&mut writing).await, 1);
        assert!(writing.frame().await.is_none());
    });
}
