//! Bytes written by hand from the protocol's description, and refusals.

use bytes::{Bytes, BytesMut};
use corelog_base::TopicId;

use super::testing::{concat, encode};
use super::*;
use crate::ErrorKind;

/// A frame with its length, from a first request of librdkafka: ApiVersions 0, header 1.
const API_VERSIONS_0: &[u8] = b"\x00\x00\x00\x11\x00\x12\x00\x00\x00\x00\x00\x01\x00\x07rdkafka";

/// ApiVersions 3: header 2, whose client id is not compact; compact strings in the body.
const API_VERSIONS_3: &[u8] =
    b"\x00\x00\x00\x15\x00\x12\x00\x03\x00\x00\x00\x02\x00\x02me\x00\x04abc\x031\x32\x00";

#[test]
fn api_versions_request_0() {
    let mut encoder = Encoder::request(ApiKey::ApiVersions, 0, 1, Some("rdkafka"));
    ApiVersionsRequest::default().encode(0, &mut encoder);
    assert_eq!(concat(encoder), API_VERSIONS_0);
}

#[test]
fn api_versions_request_3() {
    let request = ApiVersionsRequest {
        client_software_name: "abc",
        client_software_version: "12",
    };
    let mut encoder = Encoder::request(ApiKey::ApiVersions, 3, 2, Some("me"));
    request.encode(3, &mut encoder);
    assert_eq!(concat(encoder), API_VERSIONS_3);

    let (prefix, frame) = API_VERSIONS_3
        .split_first_chunk()
        .expect("a frame has a length");
    assert_eq!(frame_bytes(*prefix, 100), Ok(frame.len()));
    let (header, body) = RequestHeader::decode(frame).expect("it is a header");
    assert_eq!(header.api(), Some(ApiKey::ApiVersions));
    assert_eq!((header.version, header.client_id), (3, Some("me")));
    assert_eq!(ApiVersionsRequest::decode(3, body), Ok(request));
}

fn api_versions_response() -> ApiVersionsResponse<'static> {
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: vec![ApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 4,
        }]
        .into(),
        throttle_time_ms: 9,
        finalized_features_epoch: 5,
        ..Default::default()
    }
}

#[test]
fn api_versions_response_0() {
    let mut encoder = Encoder::response(ApiKey::ApiVersions, 0, 3);
    api_versions_response().encode(0, &mut encoder);
    assert_eq!(
        concat(encoder),
        b"\x00\x00\x00\x10\x00\x00\x00\x03\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x04"
    );
}

#[test]
fn api_versions_response_3_has_a_header_without_tags() {
    let mut encoder = Encoder::response(ApiKey::ApiVersions, 3, 3);
    api_versions_response().encode(3, &mut encoder);
    let expected = b"\x00\x00\x00\x1d\x00\x00\x00\x03\x00\x23\x02\x00\x12\x00\x00\x00\x04\x00\
        \x00\x00\x00\x09\x01\x01\x08\x00\x00\x00\x00\x00\x00\x00\x05";
    assert_eq!(concat(encoder), expected);
    let (header, body) =
        ResponseHeader::decode(ApiKey::ApiVersions, 3, &expected[4..]).expect("it is a header");
    assert_eq!(header.correlation_id, 3);
    assert_eq!(
        ApiVersionsResponse::decode(3, body),
        Ok(api_versions_response())
    );
}

#[test]
fn other_response_headers_have_tags_where_flexible() {
    let header = |version| concat(Encoder::response(ApiKey::Produce, version, 1)).len();
    assert_eq!((header(8), header(9)), (8, 9));
}

#[test]
fn list_offsets_11_is_10_with_another_special_timestamp() {
    let request = ListOffsetsRequest {
        isolation_level: 1,
        topics: vec![ListOffsetsTopic {
            name: "t",
            partitions: vec![ListOffsetsPartition {
                partition_index: 2,
                current_leader_epoch: 3,
                timestamp: -6,
            }]
            .into(),
        }]
        .into(),
        timeout_ms: 4,
        ..Default::default()
    };
    let golden = b"\xff\xff\xff\xff\x01\x02\x02t\x02\x00\x00\x00\x02\x00\x00\x00\x03\
        \xff\xff\xff\xff\xff\xff\xff\xfa\x00\x00\x00\x00\x00\x04\x00";
    assert_eq!(encode(&request, 11), golden);
    assert_eq!(encode(&request, 10), golden);
    assert_eq!(ListOffsetsRequest::decode(11, golden), Ok(request));

    let response = ListOffsetsResponse {
        throttle_time_ms: 1,
        topics: vec![ListOffsetsTopicResponse {
            name: "t",
            partitions: vec![ListOffsetsPartitionResponse {
                partition_index: 2,
                error_code: ErrorCode::OFFSET_NOT_AVAILABLE,
                timestamp: 5,
                offset: 6,
                leader_epoch: 7,
            }]
            .into(),
        }]
        .into(),
    };
    let golden = b"\x00\x00\x00\x01\x02\x02t\x02\x00\x00\x00\x02\x00\x4e\
        \x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x07\x00\x00\x00";
    assert_eq!(encode(&response, 11), golden);
    assert_eq!(encode(&response, 10), golden);
    assert_eq!(ListOffsetsResponse::decode(11, golden), Ok(response));
}

fn produce(records: Records<'static>) -> ProduceRequest<'static> {
    ProduceRequest {
        acks: -1,
        topic_data: vec![TopicProduceData {
            name: "t",
            topic_id: TopicId([7; 16]),
            partition_data: vec![PartitionProduceData { index: 1, records }].into(),
        }]
        .into(),
        ..Default::default()
    }
}

#[test]
fn records_are_split_from_the_frame_and_gathered_again() {
    let batch = Bytes::from_static(b"a record batch");
    let mut encoder = Encoder::request(ApiKey::Produce, 13, 1, None);
    produce(batch.clone().into()).encode(13, &mut encoder);
    let parts = encoder.finish().expect("it can be said");
    assert_eq!(parts[1].as_ptr(), batch.as_ptr());

    let mut frame = BytesMut::from(&parts.concat()[4..]);
    let (_, body) = RequestHeader::decode(&frame).expect("it is a header");
    let body_position = frame.len() - body.len();
    let request = ProduceRequest::decode(13, body).expect("it is a request");
    let topic = request.topic_data.first().expect("it has a topic");
    assert_eq!((topic.name, topic.topic_id), ("", TopicId([7; 16])));
    let records = topic
        .partition_data
        .first()
        .expect("it has a partition")
        .records;
    assert_eq!(records.bytes(), Some(&batch[..]));
    let range = records.range().expect("it was decoded");
    let mut owned = frame.split_off(body_position + range.start);
    owned.truncate(range.len());
    assert_eq!(owned, batch);
}

#[test]
fn null_and_empty_records_differ() {
    for version in [3, 9] {
        let null = encode(&produce(Records::Null), version);
        let empty = encode(&produce(Records::EMPTY), version);
        assert_ne!(null, empty);
        let records = |body| {
            let request = ProduceRequest::decode(version, body).expect("it is a request");
            let topic = request.topic_data.first().expect("it has a topic");
            topic
                .partition_data
                .first()
                .expect("it has a partition")
                .records
                .is_null()
        };
        assert_eq!((records(&null[..]), records(&empty[..])), (true, false));
    }
}

#[test]
fn null_topics_mean_all_also_where_there_is_no_null() {
    let all = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    assert_eq!(encode(&all, 0), [0; 4]);
    assert_eq!(encode(&all, 1), [0xff; 4]);
}

fn refused(version: i16, body: &[u8]) -> ErrorKind {
    let error = MetadataRequest::decode(version, body).expect_err("it is refused");
    assert_eq!(error.message, "MetadataRequest");
    error.kind
}

#[test]
fn refusals() {
    assert_eq!(refused(14, b""), ErrorKind::Version);
    assert_eq!(refused(-1, b""), ErrorKind::Version);
    assert_eq!(refused(1, b"\x00\x00"), ErrorKind::Truncated);
    assert_eq!(refused(1, b"\x7f\xff\xff\xff\x00"), ErrorKind::Count);
    assert_eq!(refused(1, b"\xff\xff\xff\xfe"), ErrorKind::Length);
    assert_eq!(refused(0, b"\xff\xff\xff\xff"), ErrorKind::Null);
    assert_eq!(refused(1, b"\x00\x00\x00\x01\x00\x01\xff"), ErrorKind::Utf8);
    assert_eq!(refused(1, b"\x00\x00\x00\x01\xff\xff"), ErrorKind::Null);
    assert_eq!(refused(1, b"\x00\x00\x00\x01\xff\xfe"), ErrorKind::Length);
    assert_eq!(refused(9, b"\xff\xff\xff\xff\x1f"), ErrorKind::Varint);
    assert_eq!(refused(9, b"\xff\xff\xff\xff\x0f"), ErrorKind::Count);
    assert_eq!(refused(9, b"\x02\x81\x80\x02"), ErrorKind::Length);
}

#[test]
fn a_known_tag_fills_its_length() {
    // Fetch 12: cluster id (tag 0) in one byte too many.
    let mut body = encode(&FetchRequest::default(), 12);
    assert_eq!(body.pop(), Some(0), "no tags");
    body.extend_from_slice(b"\x01\x00\x03\x03ab");
    let decoded = FetchRequest::decode(12, &body).expect("it is a request");
    assert_eq!(decoded.cluster_id, Some("ab"));
    body.truncate(body.len() - 4);
    body.extend_from_slice(b"\x05\x04abc!");
    let error = FetchRequest::decode(12, &body).expect_err("it is refused");
    assert_eq!(error.kind, ErrorKind::Tag);
}

#[test]
fn what_cannot_be_said_is_refused_at_the_end() {
    let long = "x".repeat(i16::MAX as usize + 1);
    for version in [0, 3] {
        let mut encoder = Encoder::body();
        let request = FindCoordinatorRequest {
            key: &long,
            ..Default::default()
        };
        request.encode(version, &mut encoder);
        let error = encoder.finish().expect_err("it is refused");
        assert_eq!(
            (error.kind, error.message),
            (ErrorKind::Length, "FindCoordinatorRequest")
        );
    }
    let mut encoder = Encoder::body();
    ProduceRequest::default().encode(2, &mut encoder);
    assert_eq!(
        encoder.finish().expect_err("it is refused").kind,
        ErrorKind::Version
    );
}

#[test]
fn unknown_headers_are_told_by_their_fixed_part() {
    let (header, body) =
        RequestHeader::decode(b"\x00\x12\x00\x63\x00\x00\x00\x05whatever").expect("fixed part");
    assert_eq!(
        (header.key, header.version, header.correlation_id),
        (18, 99, 5)
    );
    assert_eq!(
        (header.api(), header.client_id, body.len()),
        (None, None, 0)
    );
    assert!(RequestHeader::decode(b"\x00\x12\x00\x63\x00\x00\x00").is_err());
    assert!(frame_bytes([0, 0, 1, 1], 256).is_err());
    assert!(frame_bytes([0xff; 4], 256).is_err());
}

#[test]
fn apis_ascend() {
    assert!(ApiKey::ALL.is_sorted());
}

#[test]
fn decoding_takes_no_memory() {
    let body = encode(&produce(Records::Part(vec![1; 1000].into())), 13);
    let (bytes, usage) = corelog_fuzz::measure(|| {
        let request = ProduceRequest::decode(13, &body).expect("it is a request");
        let partitions = request.topic_data.iter().map(|topic| {
            topic
                .partition_data
                .iter()
                .map(|p| p.records.len())
                .sum::<usize>()
        });
        partitions.sum::<usize>()
    });
    assert_eq!((bytes, usage.allocations), (1000, 0));
}
