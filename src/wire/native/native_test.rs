//! Bytes that are frozen, and bytes that are not what they claim to be.

use bytes::Bytes;
use corelog_base::Random;
use rkyv::{Archive, Deserialize, rancor};

use super::v1::*;
use super::*;
use crate::ErrorKind;

const LIMITS: Limits = Limits {
    meta_bytes_max: META_BYTES_MAX,
    payload_bytes_max: 1 << 20,
};

fn joined(parts: &[Bytes]) -> Vec<u8> {
    parts.concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn meta_of(frame: &[u8]) -> Result<Meta, crate::Error> {
    Meta::of(Header::parse(frame, LIMITS)?, frame)
}

/// Encodes, compares with the frozen bytes, and reads back.
macro_rules! check {
    ($message:expr, $golden:expr) => {
        check!($message, Vec::new(), $golden)
    };
    ($message:expr, $payload:expr, $golden:expr) => {{
        let message = $message;
        let frame = joined(&encode(7, 0, &message, $payload).unwrap());
        let found = meta_of(&frame).unwrap();
        assert_eq!(found.header().frame_bytes(), frame.len());
        let read = read_back(&message, &found);
        assert_eq!(read, message);
        assert_eq!(hex(&frame), $golden, "{message:?}");
    }};
}

fn read_back<M>(_: &M, meta: &Meta) -> M
where
    M: Message,
    M::Archived: rkyv::Portable
        + for<'a> rkyv::bytecheck::CheckBytes<rkyv::api::high::HighValidator<'a, rancor::Failure>>
        + Deserialize<M, rkyv::api::high::HighDeserializer<rancor::Failure>>,
{
    let archived = meta.read::<M>().unwrap();
    rkyv::deserialize::<M, rancor::Failure>(archived).unwrap()
}

fn topic() -> Topic {
    Topic {
        name: "orders".into(),
        id: [9; 16],
        error: 0,
        partitions: vec![Partition {
            index: 0,
            leader: 1,
            epoch: 3,
            core: 1,
        }],
    }
}

fn fetch_part() -> FetchPart {
    FetchPart {
        topic: [9; 16],
        partition: 1,
        epoch: -1,
        offset: 42,
        bytes_max: 65536,
    }
}

fn fetched() -> Fetched {
    Fetched {
        error: 0,
        high_watermark: 50,
        log_start: 3,
        position: 0,
        bytes: 5,
    }
}

#[test]
fn requests_are_frozen() {
    let ranges = vec![Range {
        api: 6,
        min: 1,
        max: 2,
    }];
    check!(
        HelloRequest {
            client: "app".into(),
            software: "corelog-client 0.1.0".into(),
            ranges,
        },
        "@1"
    );
    check!(
        MetadataRequest {
            topics: Some(vec!["orders".into()]),
            create: true,
        },
        "@2"
    );
    check!(
        CreateTopicRequest {
            name: "orders".into(),
            partitions: 3,
            replicas: 1,
            configs: vec![Config {
                name: "retention.ms".into(),
                value: "1000".into(),
            }],
            dry: false,
        },
        "@3"
    );
    check!(
        DeleteTopicRequest {
            name: "orders".into()
        },
        "@4"
    );
    check!(InitProducerRequest { flags: 0 }, "@5");
    let part = ProducePart {
        topic: [9; 16],
        partition: 1,
        position: 0,
        bytes: 5,
    };
    let produce = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        parts: vec![part],
    };
    let payload = || vec![Bytes::from_static(b"batch")];
    check!(produce.clone(), payload(), "@6");
    check!(v2::ProduceRequest::from(produce), payload(), "@7");
    check!(
        FetchRequest {
            wait_max_ms: 500,
            bytes_min: 1,
            bytes_max: 1 << 20,
            parts: vec![fetch_part()],
        },
        "@8"
    );
    check!(
        SubscribeRequest {
            credit_bytes: 1 << 20,
            bytes_max: 1 << 18,
            parts: vec![fetch_part()],
        },
        "@9"
    );
    check!(
        CreditRequest {
            subscription: 5,
            bytes: 1 << 16,
        },
        "@10"
    );
    check!(UnsubscribeRequest { subscription: 5 }, "@11");
    let part = ListPart {
        topic: [9; 16],
        partition: 1,
        epoch: -1,
        time: -2,
    };
    check!(ListOffsetsRequest { parts: vec![part] }, "@12");
}

#[test]
fn responses_are_frozen() {
    check!(
        HelloResponse {
            error: 0,
            message: String::new(),
            node: 1,
            cluster: [5; 16],
            ranges: Vec::new(),
            host: "127.0.0.1".into(),
            ports: vec![9193, 9194],
            core: 1,
            payload_bytes_max: 100 << 20,
            topics: vec![topic()],
        },
        "@13"
    );
    check!(
        MetadataResponse {
            error: 0,
            message: String::new(),
            topics: vec![topic()],
        },
        "@14"
    );
    check!(
        CreateTopicResponse {
            error: 36,
            message: "it exists".into(),
        },
        "@15"
    );
    check!(
        DeleteTopicResponse {
            error: 3,
            message: "no such topic".into(),
        },
        "@16"
    );
    check!(
        InitProducerResponse {
            error: 0,
            id: 4000,
            epoch: 0,
        },
        "@17"
    );
    let produced = ProduceResponse {
        parts: vec![Produced {
            error: 0,
            base_offset: 42,
        }],
    };
    check!(produced.clone(), "@18");
    check!(v2::ProduceResponse::from(produced), "@19");
    let payload = || vec![Bytes::from_static(b"batch")];
    check!(
        FetchResponse {
            parts: vec![fetched()]
        },
        payload(),
        "@20"
    );
    let sent = Sent {
        part: 0,
        fetched: fetched(),
    };
    check!(
        SubscribeResponse {
            error: 0,
            parts: vec![sent],
        },
        payload(),
        "@21"
    );
    let listed = Listed {
        error: 0,
        offset: 42,
        time: 1_700_000_000_000,
        epoch: 3,
    };
    check!(
        ListOffsetsResponse {
            parts: vec![listed]
        },
        "@22"
    );
}

/// What an archive is laid out as on every machine.
#[test]
fn sizes_and_alignments_are_frozen() {
    macro_rules! sizes {
        ($($type:ty),*) => {[$((size_of::<<$type as Archive>::Archived>(), align_of::<<$type as Archive>::Archived>())),*]};
    }
    let found = sizes!(
        HelloRequest,
        HelloResponse,
        Topic,
        Partition,
        ProduceRequest,
        ProducePart,
        Produced,
        v2::Produced,
        FetchRequest,
        FetchPart,
        Fetched,
        SubscribeRequest,
        Sent,
        ListPart,
        Listed
    );
    assert_eq!(found, [(0, 0); 15]);
}

fn produce_frame() -> Vec<u8> {
    let part = |position| ProducePart {
        topic: [9; 16],
        partition: 1,
        position,
        bytes: 5,
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        parts: vec![part(0), part(5)],
    };
    joined(&encode(7, 0, &request, vec![Bytes::from_static(b"batchbatch")]).unwrap())
}

#[test]
fn every_flipped_bit_of_header_and_meta_is_found() {
    let frame = produce_frame();
    let header = Header::parse(&frame, LIMITS).unwrap();
    for bit in 0..(HEADER_BYTES + header.meta_bytes as usize) * 8 {
        let mut bad = frame.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(meta_of(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn lengths_beyond_the_limits_are_refused_by_the_header_alone() {
    let frame = produce_frame();
    for (at, claimed) in [
        (16, META_BYTES_MAX + 1),
        (20, u32::MAX),
        (24, (1 << 20) + 1),
    ] {
        let mut bad = frame[..HEADER_BYTES].to_vec();
        bad[at..at + 4].copy_from_slice(&claimed.to_le_bytes());
        assert_eq!(
            Header::parse(&bad, LIMITS).unwrap_err().kind,
            ErrorKind::Length
        );
    }
    let kind = |bytes: &[u8]| Header::parse(bytes, LIMITS).unwrap_err().kind;
    assert_eq!(kind(&frame[..31]), ErrorKind::Truncated);
    for (at, byte) in [(0, 0), (2, 2), (3, 4)] {
        let mut bad = frame.clone();
        bad[at] = byte;
        assert_eq!(kind(&bad), ErrorKind::Version);
    }
}

/// Archives whose checksum is right and whose content is anything: validated or refused, and what
/// is validated may be walked to its end.
#[test]
fn an_archive_of_garbage_is_refused_or_harmless() {
    let mut random = Random::new(11);
    let (mut refused, mut read) = (0, 0);
    let frame = produce_frame();
    let header = Header::parse(&frame, LIMITS).unwrap();
    let meta = &frame[HEADER_BYTES..HEADER_BYTES + header.meta_bytes as usize];
    for _ in 0..200_000 {
        let mut bad = meta.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bad.len() as u64) as usize;
            bad[at] = random.next_u64() as u8;
        }
        let root = match random.chance(100) {
            true => random.below(bad.len() as u64 + 1) as u32,
            false => header.root,
        };
        let sealed = Header::seal(0, (6, 1), 7, (&bad, root), 0);
        let sealed = Header::parse(&sealed, LIMITS).unwrap();
        let whole = [&[0; HEADER_BYTES][..], &bad].concat();
        let meta = Meta::of(sealed, &whole).unwrap();
        match meta.read::<ProduceRequest>() {
            Ok(request) => {
                read += 1;
                assert!(request.parts.len() * size_of::<ArchivedProducePart>() <= bad.len());
                let places = request.parts.iter().map(|part| Place {
                    position: part.position.to_native(),
                    bytes: part.bytes.to_native(),
                });
                let _ = check_places(places, 10);
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind, ErrorKind::Archive);
            }
        }
    }
    assert!(refused > 1000 && read > 1000, "{refused} {read}");
}
