//! The bytes of every message, frozen.

use bytes::Bytes;
use rkyv::{Deserialize, rancor};

use super::native_test::{joined, meta_of};
use super::v1::*;
use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
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
fn requests_for_topics_and_producers_are_frozen() {
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
        concat!(
            "634c0100010001000700000000000000340000001c0000000000000002d59bee",
            "636f72656c6f672d636c69656e7420302e312e300600010002000000617070ff",
            "ffffffff94000000dcffffffe8ffffff01000000000000000000000000000000"
        )
    );
    check!(
        MetadataRequest {
            topics: Some(vec!["orders".into()]),
            create: true,
        },
        concat!(
            "634c01000200010007000000000000001800000008000000000000000aa89212",
            "6f7264657273ffff01000000f4ffffff01000000010000000000000000000000"
        )
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
        concat!(
            "634c0100030001000700000000000000380000001c00000000000000c79d9d20",
            "726574656e74696f6e2e6d738c000000f4ffffff31303030ffffffff6f726465",
            "7273ffff0300000001000000e0ffffff01000000000000000000000000000000"
        )
    );
    check!(
        DeleteTopicRequest {
            name: "orders".into()
        },
        concat!(
            "634c01000400010007000000000000000800000000000000000000001fe97d95",
            "6f7264657273ffff0000000000000000"
        )
    );
    check!(
        InitProducerRequest { flags: 0 },
        concat!(
            "634c0100050001000700000000000000040000000000000000000000852554cf",
            "00000000000000000000000000000000"
        )
    );
}

#[test]
fn requests_to_produce_are_frozen() {
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
    check!(
        produce.clone(),
        payload(),
        concat!(
            "634c01000600010007000000000000002c0000001c00000005000000e113f020",
            "09090909090909090909090909090909010000000000000005000000ffff0000",
            "30750000dcffffff01000000000000006261746368"
        )
    );
    check!(
        v2::ProduceRequest::from(produce),
        payload(),
        concat!(
            "634c01000600020007000000000000002c0000001c000000050000006f975e33",
            "09090909090909090909090909090909010000000000000005000000ffff0000",
            "30750000dcffffff01000000000000006261746368"
        )
    );
}

#[test]
fn requests_to_fetch_are_frozen() {
    check!(
        FetchRequest {
            wait_max_ms: 500,
            bytes_min: 1,
            bytes_max: 1 << 20,
            parts: vec![fetch_part()],
        },
        concat!(
            "634c01000700010007000000000000003c000000280000000000000006beadb1",
            "0909090909090909090909090909090901000000ffffffff2a00000000000000",
            "0000010000000000f40100000100000000001000ccffffff0100000000000000"
        )
    );
    check!(
        SubscribeRequest {
            credit_bytes: 1 << 20,
            bytes_max: 1 << 18,
            parts: vec![fetch_part()],
        },
        concat!(
            "634c01000800010007000000000000004000000028000000000000005437a840",
            "0909090909090909090909090909090901000000ffffffff2a00000000000000",
            "0000010000000000000010000000000000000400ccffffff0100000000000000"
        )
    );
    check!(
        CreditRequest {
            subscription: 5,
            bytes: 1 << 16,
        },
        concat!(
            "634c0100090001000700000000000000100000000000000000000000471a5686",
            "05000000000000000000010000000000"
        )
    );
    check!(
        UnsubscribeRequest { subscription: 5 },
        concat!(
            "634c01000a00010007000000000000000800000000000000000000008ab0b63f",
            "05000000000000000000000000000000"
        )
    );
    let part = ListPart {
        topic: [9; 16],
        partition: 1,
        epoch: -1,
        time: -2,
    };
    check!(
        ListOffsetsRequest { parts: vec![part] },
        concat!(
            "634c01000b00010007000000000000002800000020000000000000004527430f",
            "0909090909090909090909090909090901000000fffffffffeffffffffffffff",
            "e0ffffff010000000000000000000000"
        )
    );
}

#[test]
fn responses_on_topics_and_producers_are_frozen() {
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
        concat!(
            "634c01010100010007000000000000008c0000004400000000000000d3e9dccf",
            "3132372e302e302e3100e923ea23000000000000010000000300000001000000",
            "6f7264657273ffff0909090909090909090909090909090900000000d4ffffff",
            "0100000000000000ffffffffffffffff01000000050505050505050505050505",
            "050505059cffffff000000008900000094ffffff96ffffff0200000001000000",
            "000040069cffffff0100000000000000"
        )
    );
    check!(
        MetadataResponse {
            error: 0,
            message: String::new(),
            topics: vec![topic()],
        },
        concat!(
            "634c01010200010007000000000000004800000034000000000000008eb9613c",
            "000000000100000003000000010000006f7264657273ffff0909090909090909",
            "090909090909090900000000d4ffffff0100000000000000ffffffffffffffff",
            "d0ffffff010000000000000000000000"
        )
    );
    check!(
        CreateTopicResponse {
            error: 36,
            message: "it exists".into(),
        },
        concat!(
            "634c0101030001000700000000000000180000000c00000000000000d06f38ea",
            "6974206578697374730000002400000089000000f0ffffff0000000000000000"
        )
    );
    check!(
        DeleteTopicResponse {
            error: 3,
            message: "no such topic".into(),
        },
        concat!(
            "634c01010400010007000000000000001c0000001000000000000000ee31b2e3",
            "6e6f207375636820746f706963000000030000008d000000ecffffff00000000"
        )
    );
    check!(
        InitProducerResponse {
            error: 0,
            id: 4000,
            epoch: 0,
        },
        concat!(
            "634c01010500010007000000000000001800000000000000000000004ea34d37",
            "0000000000000000a00f00000000000000000000000000000000000000000000"
        )
    );
}

#[test]
fn a_topic_s_settings_are_frozen() {
    check!(
        DescribeTopicRequest {
            name: "orders".into()
        },
        concat!(
            "634c01000c00010007000000000000000800000000000000000000000e42f40e",
            "6f7264657273ffff0000000000000000"
        )
    );
    check!(
        DescribeTopicResponse {
            error: 0,
            message: String::new(),
            replicas: 3,
            configs: vec![Described {
                name: "durability".into(),
                value: Some("disk".into()),
                source: 5,
            }],
        },
        concat!(
            "634c01010c00010007000000000000003c0000002400000000000000a2312886",
            "6475726162696c69747900008a000000f4ffffff010000006469736bffffffff",
            "0500000000000000ffffffffffffffff03000000d8ffffff0100000000000000"
        )
    );
}

#[test]
fn responses_on_records_are_frozen() {
    let produced = ProduceResponse {
        parts: vec![Produced {
            error: 0,
            base_offset: 42,
        }],
    };
    check!(
        produced.clone(),
        concat!(
            "634c0101060001000700000000000000180000001000000000000000beff3a22",
            "00000000000000002a00000000000000f0ffffff010000000000000000000000"
        )
    );
    check!(
        v2::ProduceResponse::from(produced),
        concat!(
            "634c010106000200070000000000000028000000200000000000000065ee7fd8",
            "00000000000000002a00000000000000ffffffffffffffffffffffffffffffff",
            "e0ffffff010000000000000000000000"
        )
    );
    let payload = || vec![Bytes::from_static(b"batch")];
    check!(
        FetchResponse {
            parts: vec![fetched()]
        },
        payload(),
        concat!(
            "634c010107000100070000000000000028000000200000000500000027e38b51",
            "0000000000000000320000000000000003000000000000000000000005000000",
            "e0ffffff0100000000000000000000006261746368"
        )
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
        concat!(
            "634c0101080001000700000000000000340000002800000005000000d88d7261",
            "0000000000000000000000000000000032000000000000000300000000000000",
            "000000000500000000000000d4ffffff01000000000000000000000000000000",
            "6261746368"
        )
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
        concat!(
            "634c01010b0001000700000000000000280000002000000000000000568d71d0",
            "00000000000000002a000000000000000068e5cf8b0100000300000000000000",
            "e0ffffff010000000000000000000000"
        )
    );
}
