//! Mutations of archives and frames: nothing panics, takes memory before it is validated, or reads
//! what can't be written. What is validated is walked to its end.

use bytes::Bytes;
use corelog_fuzz::{Fuzz, Seed, measure};
use rkyv::rancor;

use super::header::error;
use super::*;
use crate::ErrorKind;

const LIMITS: Limits = Limits {
    meta_bytes_max: META_BYTES_MAX,
    payload_bytes_max: 1 << 20,
};

/// The root's position, then the archive: the checksum is made right again after a mutation.
fn seed(label: &str, frame: &[u8]) -> Seed {
    let header = Header::parse(frame, LIMITS).unwrap();
    let meta = &frame[HEADER_BYTES..HEADER_BYTES + header.meta_bytes as usize];
    Seed {
        label: label.to_owned(),
        bytes: [&header.root.to_le_bytes()[..], meta].concat(),
    }
}

/// A frame with this archive.
fn sealed<M: Message>(input: &[u8]) -> Result<(Header, Vec<u8>), crate::Error> {
    let short = error(ErrorKind::Truncated);
    let (root, meta) = input.split_first_chunk::<4>().ok_or(short)?;
    let selector = (M::API.number(), M::VERSION);
    let root = u32::from_le_bytes(*root);
    let head = Header::seal(M::FLAGS, selector, 7, (meta, root), 0);
    Ok((Header::parse(&head, LIMITS)?, [&head[..], meta].concat()))
}

/// Each message is a decoder.
macro_rules! read_and_write {
    ($fuzz:expr, $type:ty, $messages:expr) => {{
        let messages: Vec<$type> = $messages;
        let seeds: Vec<Seed> = messages
            .iter()
            .map(|message| {
                let frame = encode(7, 0, message, Vec::new()).unwrap().concat();
                seed(stringify!($type), &frame)
            })
            .collect();
        let runs = $fuzz.run(stringify!($type), &seeds, |input| {
            let Ok((header, frame)) = sealed::<$type>(input) else {
                return;
            };
            let view = View::of(header, &frame).expect("the checksum is right");
            let (read, usage) = measure(|| view.read::<$type>());
            assert_eq!(usage.allocations, 0, "validation takes no memory");
            if let Ok(archived) = read {
                let message = rkyv::deserialize::<$type, rancor::Failure>(archived).unwrap();
                let again = encode(7, 0, &message, Vec::new()).unwrap().concat();
                let again = Meta::of(Header::parse(&again, LIMITS).unwrap(), &again).unwrap();
                let again = again.read::<$type>().expect("what was written is read");
                let again = rkyv::deserialize::<$type, rancor::Failure>(again).unwrap();
                assert_eq!(again, message);
            }
        });
        assert!(runs > seeds.len() as u64, "{runs} runs");
    }};
}

fn fetch_parts() -> Vec<v1::FetchPart> {
    (0..3)
        .map(|partition| v1::FetchPart {
            topic: [9; 16],
            partition,
            epoch: -1,
            offset: 42,
            bytes_max: 65536,
        })
        .collect()
}

fn produce_parts() -> Vec<v1::ProducePart> {
    (0..3)
        .map(|place| v1::ProducePart {
            topic: [9; 16],
            partition: 1,
            position: place * 5,
            bytes: 5,
        })
        .collect()
}

fn list_parts() -> Vec<v1::ListPart> {
    vec![v1::ListPart {
        topic: [9; 16],
        partition: 1,
        epoch: -1,
        time: -2,
    }]
}

#[test]
fn mutated_requests_are_refused_or_harmless() {
    let fuzz = Fuzz::from_env(16);
    let name = || "a-name-that-is-not-inlined".to_owned();
    let ranges = (1..5).map(|api| v1::Range {
        api,
        min: 1,
        max: 2,
    });
    read_and_write!(fuzz, v1::HelloRequest, {
        vec![v1::HelloRequest {
            client: name(),
            software: "s".into(),
            ranges: ranges.collect(),
        }]
    });
    read_and_write!(fuzz, v1::MetadataRequest, {
        let some = |topics| v1::MetadataRequest {
            topics,
            create: true,
        };
        vec![some(None), some(Some(vec![name(), "t".into()]))]
    });
    read_and_write!(fuzz, v1::CreateTopicRequest, {
        let config = v1::Config {
            name: name(),
            value: "1".into(),
        };
        vec![v1::CreateTopicRequest {
            name: name(),
            partitions: 3,
            replicas: 1,
            configs: vec![config.clone(), config],
            dry: false,
        }]
    });
    read_and_write!(fuzz, v1::DeleteTopicRequest, {
        vec![v1::DeleteTopicRequest { name: name() }]
    });
    read_and_write!(fuzz, v1::DescribeTopicRequest, {
        vec![v1::DescribeTopicRequest { name: name() }]
    });
    read_and_write!(fuzz, v1::InitProducerRequest, {
        vec![v1::InitProducerRequest { flags: 0 }]
    });
    read_and_write!(fuzz, v1::CreditRequest, {
        vec![v1::CreditRequest {
            subscription: 1,
            bytes: 2,
        }]
    });
    read_and_write!(fuzz, v1::UnsubscribeRequest, {
        vec![v1::UnsubscribeRequest { subscription: 1 }]
    });
}

#[test]
fn mutated_requests_on_records_are_refused_or_harmless() {
    let fuzz = Fuzz::from_env(16);
    let produce = v1::ProduceRequest {
        acks: -1,
        timeout_ms: 5000,
        parts: produce_parts(),
    };
    let fetch = v1::FetchRequest {
        wait_max_ms: 500,
        bytes_min: 1,
        bytes_max: 65536,
        parts: fetch_parts(),
    };
    let subscribe = v1::SubscribeRequest {
        credit_bytes: 1 << 20,
        bytes_max: 65536,
        parts: fetch_parts(),
    };
    let list = v1::ListOffsetsRequest {
        parts: list_parts(),
    };
    read_and_write!(fuzz, v2::ProduceRequest, vec![produce.clone().into()]);
    read_and_write!(fuzz, v1::ProduceRequest, vec![produce]);
    read_and_write!(fuzz, v2::FetchRequest, vec![fetch.clone().into()]);
    read_and_write!(fuzz, v1::FetchRequest, vec![fetch]);
    read_and_write!(fuzz, v2::SubscribeRequest, vec![subscribe.clone().into()]);
    read_and_write!(fuzz, v1::SubscribeRequest, vec![subscribe]);
    read_and_write!(fuzz, v2::ListOffsetsRequest, vec![list.clone().into()]);
    read_and_write!(fuzz, v1::ListOffsetsRequest, vec![list]);
}

/// Whole frames, the checksum left as it comes: what is let through is what was sent.
#[test]
fn mutated_frames_are_refused_or_whole() {
    let fuzz = Fuzz::from_env(16);
    let produce = v1::ProduceRequest {
        acks: -1,
        timeout_ms: 5000,
        parts: produce_parts(),
    };
    let payload = vec![Bytes::from_static(b"batchbatchbatch")];
    let good = encode(7, 0, &produce, payload).unwrap().concat();
    let seeds = [Seed {
        label: "frame".into(),
        bytes: good.clone(),
    }];
    let runs = fuzz.run("frame", &seeds, |input| {
        let Ok(header) = Header::parse(input, LIMITS) else {
            return;
        };
        assert!(header.frame_bytes() <= HEADER_BYTES + (2 << 20) + 16);
        if let Ok(view) = View::of(header, input)
            && header == Header::parse(&good, LIMITS).unwrap()
        {
            let request = view.read::<v1::ProduceRequest>().unwrap();
            assert_eq!(request.parts.len(), produce.parts.len());
        }
    });
    assert!(runs > 1, "{runs} runs");
}
