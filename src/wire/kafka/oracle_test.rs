//! The `kafka-protocol` crate reads what we write and writes what we read, byte for byte.

use bytes::{Bytes, BytesMut};
use corelog_base::Random;
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};

use super::api::with_apis;
use super::oracle_fields::fields;
use super::testing::{encode, random};
use super::*;

/// Random messages of each kind at each version.
const MESSAGES: u64 = 60;

/// Versions that the oracle lacks; golden tests show them instead. ListOffsets 11 is version 10
/// with one more special timestamp; the others have a field or two more.
const KNOWN_GAPS: [(ApiKey, i16); 7] = [
    (ApiKey::ListOffsets, 11),
    (ApiKey::OffsetCommit, 10),
    (ApiKey::OffsetFetch, 10),
    (ApiKey::WriteTxnMarkers, 2),
    (ApiKey::ShareFetch, 2),
    (ApiKey::ShareAcknowledge, 2),
    (ApiKey::DescribeShareGroupOffsets, 1),
];

/// Adds tagged fields that nobody knows, if the message can have any.
macro_rules! add_tags {
    (OffsetDeleteRequest, $message:ident) => {
        add_tags!(@none $message)
    };
    (OffsetDeleteResponse, $message:ident) => {
        add_tags!(@none $message)
    };
    (@none $message:ident) => {{
        let _ = &mut $message;
        false
    }};
    ($name:ident, $message:ident) => {{
        let tags = &mut $message.unknown_tagged_fields;
        tags.insert(77, Bytes::from_static(b"unknown"));
        tags.insert(300, Bytes::new());
        true
    }};
}

macro_rules! compare {
    ($name:ident) => {
        let api = <$name as Message>::API;
        for version in api.versions() {
            let known = <theirs::$name as kafka_protocol::protocol::Message>::VERSIONS;
            if !(known.min..=known.max).contains(&version) {
                assert!(
                    KNOWN_GAPS.contains(&(api, version)),
                    "{api} {version}: no oracle"
                );
                continue;
            }
            for seed in 0..MESSAGES {
                let what = format!("{} {version}, seed {seed}", stringify!($name));
                let message: $name = random(&mut Random::new(seed), version);
                // Ours writes, theirs reads and writes the same.
                let ours = encode(&message, version);
                let mut unread = Bytes::from(ours.clone());
                let mut read = theirs::$name::decode(&mut unread, version).expect(&what);
                assert!(unread.is_empty(), "{what}");
                let mut written = BytesMut::new();
                read.encode(&mut written, version).expect(&what);
                assert_eq!(ours, written, "{what}");
                assert_eq!(fields(&message), fields(&read), "{what}");
                // Theirs has written; ours reads and writes the same.
                let decoded = $name::decode(version, &written).expect(&what);
                assert_eq!(decoded, message, "{what}");
                assert_eq!(encode(&decoded, version), written, "{what}");
                // Tags that we do not know are skipped.
                if api.is_flexible(version) {
                    assert!(add_tags!($name, read), "{what}");
                    let mut tagged = BytesMut::new();
                    read.encode(&mut tagged, version).expect(&what);
                    assert_eq!($name::decode(version, &tagged).expect(&what), message);
                }
            }
        }
    };
}

macro_rules! compare_all {
    ($($name:ident = $number:literal, $versions:expr, flexible $flexible:expr,
        $request:ident $(<$rl:lifetime>)?, $response:ident $(<$sl:lifetime>)?;)*) => {
        #[test]
        fn requests() {
            $(compare! { $request })*
        }

        #[test]
        fn responses() {
            $(compare! { $response })*
        }

        #[test]
        fn numbers_and_headers() {
            $(
                let key = theirs::ApiKey::$name;
                assert_eq!(key as i16, ApiKey::$name.number());
                assert_eq!(ApiKey::of($number), Some(ApiKey::$name));
                for version in ApiKey::$name.versions() {
                    headers(ApiKey::$name, key, version);
                }
            )*
        }
    };
}

with_apis!(compare_all);

fn headers(api: ApiKey, key: theirs::ApiKey, version: i16) {
    for client_id in [None, Some(""), Some("client-1")] {
        let header = theirs::RequestHeader::default()
            .with_request_api_key(api.number())
            .with_request_api_version(version)
            .with_correlation_id(7)
            .with_client_id(client_id.map(kafka_protocol::protocol::StrBytes::from_static_str));
        let mut bytes = BytesMut::new();
        let header_version = key.request_header_version(version);
        header
            .encode(&mut bytes, header_version)
            .expect("it can be said");
        let mut ours = Encoder::body();
        let (decoded, body) = RequestHeader::decode(&bytes).expect("it is a header");
        decoded.encode(&mut ours);
        assert_eq!(super::testing::concat(ours), bytes, "{api} {version}");
        assert_eq!((decoded.client_id, decoded.correlation_id), (client_id, 7));
        assert_eq!((decoded.api(), body.len()), (Some(api), 0));
    }
    let mut bytes = BytesMut::new();
    let header = theirs::ResponseHeader::default().with_correlation_id(-2);
    let header_version = key.response_header_version(version);
    header
        .encode(&mut bytes, header_version)
        .expect("it can be said");
    let (decoded, body) = ResponseHeader::decode(api, version, &bytes).expect("it is a header");
    assert_eq!((decoded.correlation_id, body.len()), (-2, 0));
    let mut ours = Encoder::body();
    decoded.encode(api, version, &mut ours);
    assert_eq!(super::testing::concat(ours), bytes, "{api} {version}");
}

#[test]
fn error_codes() {
    use kafka_protocol::error::ResponseError;
    for code in -1..=200 {
        let theirs = match code {
            0 => None,
            _ => ResponseError::try_from_code(code)
                .filter(|e| !matches!(e, ResponseError::Unknown(_))),
        };
        let ours = ErrorCode(code);
        assert_eq!(
            ours.name().is_some(),
            code == 0 || theirs.is_some(),
            "{code}"
        );
        let Some(theirs) = theirs else { continue };
        let name = ours.name().unwrap_or_default().replace('_', "");
        assert_eq!(name.to_lowercase(), format!("{theirs:?}").to_lowercase());
        // Retriable since Kafka 2.8, which the oracle has missed.
        let retriable = theirs.is_retriable() || ours == ErrorCode::CONCURRENT_TRANSACTIONS;
        assert_eq!(ours.is_retriable(), retriable, "{ours}");
    }
}
