//! The bytes of what version 2 changes, frozen; and that it says what version 1 said.

use super::native_test::{joined, meta_of};
use super::v2::*;
use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

macro_rules! check {
    ($type:ident, $message:expr, $golden:expr) => {{
        let message: $type = $message;
        let frame = joined(&encode(7, 0, &message, Vec::new()).unwrap());
        let meta = meta_of(&frame).unwrap();
        let read = meta.read::<$type>().unwrap();
        let read = rkyv::deserialize::<$type, rkyv::rancor::Failure>(read).unwrap();
        assert_eq!(read, message);
        assert_eq!(hex(&frame), $golden, "{message:?}");
    }};
}

fn part() -> v1::FetchPart {
    v1::FetchPart {
        topic: [9; 16],
        partition: 1,
        epoch: -1,
        offset: 42,
        bytes_max: 65536,
    }
}

fn fetched() -> Fetched {
    let before = v1::Fetched {
        error: 0,
        high_watermark: 50,
        log_start: 3,
        position: 0,
        bytes: 5,
    };
    Fetched {
        last_stable: 49,
        aborted: vec![Aborted {
            producer: 7,
            first: 44,
        }],
        ..before.into()
    }
}

#[test]
fn requests_are_frozen() {
    check!(
        FetchRequest,
        FetchRequest {
            isolation: COMMITTED,
            ..v1::FetchRequest {
                wait_max_ms: 500,
                bytes_min: 1,
                bytes_max: 65536,
                parts: vec![part()],
            }
            .into()
        },
        concat!(
            "634c0100070002000700000000000000400000002800000000000000f3cc73",
            "380909090909090909090909090909090901000000ffffffff2a0000000000",
            "00000000010000000000f4010000010000000000010001000000c8ffffff01",
            "000000"
        )
    );
    check!(
        SubscribeRequest,
        SubscribeRequest {
            isolation: COMMITTED,
            ..v1::SubscribeRequest {
                credit_bytes: 1 << 20,
                bytes_max: 65536,
                parts: vec![part()],
            }
            .into()
        },
        concat!(
            "634c0100080002000700000000000000400000002800000000000000004c75",
            "e10909090909090909090909090909090901000000ffffffff2a0000000000",
            "0000000001000000000000001000000000000000010001000000c8ffffff01",
            "000000"
        )
    );
    check!(
        ListOffsetsRequest,
        ListOffsetsRequest {
            isolation: COMMITTED,
            ..v1::ListOffsetsRequest {
                parts: vec![v1::ListPart {
                    topic: [9; 16],
                    partition: 1,
                    epoch: -1,
                    time: -1,
                }],
            }
            .into()
        },
        concat!(
            "634c01000b00020007000000000000002c00000020000000000000007b1304",
            "670909090909090909090909090909090901000000ffffffffffffffffffff",
            "ffff01000000dcffffff0100000000000000"
        )
    );
}

#[test]
fn responses_are_frozen() {
    check!(
        FetchResponse,
        FetchResponse {
            parts: vec![fetched()],
        },
        concat!(
            "634c010107000200070000000000000048000000400000000000000077cf5f",
            "4307000000000000002c000000000000000000000000000000320000000000",
            "0000310000000000000003000000000000000000000005000000c8ffffff01",
            "000000d0ffffff010000000000000000000000"
        )
    );
    check!(
        SubscribeResponse,
        SubscribeResponse {
            error: 0,
            parts: vec![Sent {
                part: 3,
                fetched: fetched(),
            }],
        },
        concat!(
            "634c0101080002000700000000000000540000004800000000000000238d02",
            "db07000000000000002c000000000000000300000000000000000000000000",
            "00003200000000000000310000000000000003000000000000000000000005",
            "000000c0ffffff0100000000000000c4ffffff010000000000000000000000",
            "00000000"
        )
    );
    check!(
        ListOffsetsResponse,
        v1::ListOffsetsResponse {
            parts: vec![v1::Listed {
                error: 0,
                offset: 42,
                time: 1_700_000_000_000,
                epoch: 3,
            }],
        }
        .into(),
        concat!(
            "634c01010b0002000700000000000000280000002000000000000000c58a36",
            "7b00000000000000002a000000000000000068e5cf8b010000030000000000",
            "0000e0ffffff010000000000000000000000"
        )
    );
}

#[test]
fn sizes_and_alignments_are_frozen() {
    macro_rules! sizes {
        ($($type:ty),*) => {[$((
            size_of::<<$type as rkyv::Archive>::Archived>(),
            align_of::<<$type as rkyv::Archive>::Archived>()
        )),*]};
    }
    let found = sizes!(
        FetchRequest,
        Fetched,
        Aborted,
        SubscribeRequest,
        Sent,
        ListOffsetsRequest
    );
    assert_eq!(
        found,
        [(24, 4), (48, 8), (16, 8), (24, 8), (56, 8), (12, 4)]
    );
}
