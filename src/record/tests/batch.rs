//! Golden bytes, and each rule of validation broken once.

mod common;

use common::{Plain, build, random_records, read};
use corelog_base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Random, TimestampMs, crc32c};
use corelog_record::{
    BatchBuilder, BatchHeader, Codec, Kind, Policy, ProducerState, batches, first_at_or_after,
    max_timestamp_record, stamp, stamp_append_time, validate, verify,
};

/// One record, made by hand from the layout: key `k`, value `value`, header `h` = null,
/// timestamp 1,700,000,000,000, producer 7 in epoch 1 at sequence 5.
#[rustfmt::skip]
const GOLDEN: [u8; 77] = [
    0, 0, 0, 0, 0, 0, 0, 0,              // base offset
    0, 0, 0, 65,                         // length
    0xff, 0xff, 0xff, 0xff,              // leader epoch -1
    2,                                   // magic
    0xf9, 0xd1, 0x9c, 0xc3,              // CRC32C
    0, 0,                                // attributes
    0, 0, 0, 0,                          // last offset delta
    0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0, // base timestamp
    0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0, // max timestamp
    0, 0, 0, 0, 0, 0, 0, 7,              // producer id
    0, 1,                                // producer epoch
    0, 0, 0, 5,                          // base sequence
    0, 0, 0, 1,                          // record count
    30,                                  // record length 15
    0, 0, 0,                             // attributes, timestamp and offset delta
    2, b'k',                             // key
    10, b'v', b'a', b'l', b'u', b'e',    // value
    2, 2, b'h', 1,                       // one header with a null value
];

fn golden() -> BatchBuilder {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.producer(ProducerState {
        id: ProducerId(7),
        epoch: ProducerEpoch(1),
        base_sequence: 5,
    });
    let header = corelog_record::Header {
        key: b"h",
        value: None,
    };
    builder
        .push(
            TimestampMs(1_700_000_000_000),
            Some(b"k"),
            Some(b"value"),
            &[header],
        )
        .expect("the record fits");
    builder
}

#[test]
fn golden_bytes() {
    assert_eq!(golden().finish()[..], GOLDEN);
    let header = verify(&GOLDEN).expect("the golden batch is sound");
    assert_eq!(header.batch_bytes as usize, GOLDEN.len());
    assert_eq!(header.producer_id, ProducerId(7));
    assert_eq!(header.last_sequence(), 5);
    assert_eq!(
        read(&GOLDEN),
        [Plain {
            offset: 0,
            timestamp: 1_700_000_000_000,
            key: Some(b"k".to_vec()),
            value: Some(b"value".to_vec()),
            headers: vec![(b"h".to_vec(), None)],
        }]
    );
}

/// Changes the golden batch, mends the CRC, and expects one kind of refusal.
#[track_caller]
fn refused(kind: Kind, policy: &Policy, change: impl FnOnce(&mut Vec<u8>)) {
    let mut batch = GOLDEN.to_vec();
    change(&mut batch);
    if batch.len() >= BatchHeader::BYTES {
        let crc = crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    assert_eq!(
        validate(&batch, policy).map_err(|error| error.kind),
        Err(kind)
    );
}

#[test]
fn each_rule_has_its_refusal() {
    let policy = Policy::default();
    assert!(validate(&GOLDEN, &policy).is_ok());
    refused(Kind::Truncated, &policy, |batch| batch.truncate(60));
    refused(Kind::Truncated, &policy, |batch| batch.truncate(76));
    refused(Kind::Length, &policy, |batch| batch.push(0));
    refused(Kind::Length, &policy, |batch| {
        batch[8..12].copy_from_slice(&48i32.to_be_bytes())
    });
    refused(Kind::Length, &policy, |batch| batch[8] = 0xff);
    refused(Kind::Magic, &policy, |batch| batch[16] = 1);
    refused(Kind::Codec, &policy, |batch| batch[22] = 5);
    refused(Kind::Timestamp, &policy, |batch| batch[22] = 8);
    refused(Kind::Producer, &policy, |batch| batch[22] = 0x20);
    refused(Kind::Count, &policy, |batch| batch[26] = 1);
    refused(Kind::Count, &policy, |batch| batch[60] = 2);
    refused(Kind::Count, &policy, |batch| batch[60] = 0);
    refused(Kind::Count, &policy, |batch| {
        (batch[26], batch[60]) = (0xff, 0)
    });
    refused(Kind::Count, &policy, |batch| {
        batch[..8].copy_from_slice(&i64::MAX.to_be_bytes())
    });
    refused(Kind::Producer, &policy, |batch| batch[51] = 0xff);
    refused(Kind::Producer, &policy, |batch| batch[53] = 0xff);
    refused(Kind::Length, &policy, |batch| batch[61] = 32);
    refused(Kind::Length, &policy, |batch| batch[65] = 100);
    refused(Kind::Count, &policy, |batch| batch[64] = 2);
    let mut flipped = GOLDEN;
    flipped[70] ^= 1;
    assert_eq!(
        verify(&flipped).map_err(|error| error.kind),
        Err(Kind::Checksum)
    );
}

#[test]
fn a_count_of_two_with_one_record_is_refused() {
    refused(Kind::Length, &Policy::default(), |batch| {
        batch[26] = 1;
        batch[60] = 2;
    });
}

#[test]
fn keys_are_required_inside_compressed_batches_too() {
    let policy = Policy {
        keys_required: true,
        ..Policy::default()
    };
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new(codec);
        let at = TimestampMs(5);
        builder.push(at, Some(b"k"), None, &[]).expect("fits");
        builder.push(at, None, Some(b"v"), &[]).expect("fits");
        let batch = builder.finish();
        assert!(validate(&batch, &Policy::default()).is_ok());
        let error = validate(&batch, &policy).expect_err("a key is missing");
        assert_eq!((error.kind, error.record), (Kind::NullKey, Some(1)));
    }
}

#[test]
fn timestamps_are_bounded() {
    let policy = Policy {
        timestamp_max: TimestampMs(1_699_999_999_999),
        ..Policy::default()
    };
    refused(Kind::Timestamp, &policy, |_| {});
}

#[test]
fn stamping_keeps_the_crc_and_append_time_makes_a_new_one() {
    let mut batch = golden().finish();
    stamp(&mut batch, Offset(1 << 40), LeaderEpoch(9));
    let header = verify(&batch).expect("the CRC does not cover the stamp");
    assert_eq!(header.base_offset, Offset(1 << 40));
    assert_eq!(header.next_offset(), Offset((1 << 40) + 1));
    assert_eq!(header.leader_epoch, LeaderEpoch(9));
    stamp_append_time(&mut batch, TimestampMs(1234));
    let header = verify(&batch).expect("the CRC is new");
    assert!(header.attributes.is_append_time());
    assert_eq!(header.max_timestamp, TimestampMs(1234));
    assert_eq!(read(&batch)[0].timestamp, 1234);
}

#[test]
fn sequences_wrap_to_zero() {
    let mut header = BatchHeader::parse(&GOLDEN).expect("sound");
    header.base_sequence = i32::MAX;
    header.last_offset_delta = 1;
    assert_eq!(header.last_sequence(), 0);
    header.base_sequence = -1;
    assert_eq!(header.last_sequence(), -1);
}

#[test]
fn concatenated_batches_end_at_a_partial_one() {
    let mut bytes = Vec::new();
    for seed in 0..3 {
        bytes.extend_from_slice(&build(&random_records(&mut Random::new(seed)), Codec::Zstd));
    }
    let first = BatchHeader::parse(&bytes).expect("sound").batch_bytes as usize;
    for cut in [0, 1, 60, first - 1] {
        assert_eq!(batches(&bytes[..cut]).count(), 0);
    }
    let cut = bytes.len() - 1;
    let walked: Result<Vec<_>, _> = batches(&bytes[..cut]).collect();
    let walked = walked.expect("no error at a cut");
    assert_eq!(walked.len(), 2);
    assert_eq!(walked[0].1, &bytes[..first]);
    bytes[first + 16] = 0;
    let kinds: Vec<_> = batches(&bytes)
        .map(|item| item.map_err(|error| error.kind))
        .collect();
    assert_eq!(kinds.len(), 2);
    assert_eq!(kinds[1].as_ref().err(), Some(&Kind::Magic));
}

#[test]
fn lookup_by_time() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new(codec);
        for at in [10, 30, 20, 30] {
            builder
                .push(TimestampMs(at), None, None, &[])
                .expect("fits");
        }
        let batch = builder.stamp(Offset(100), LeaderEpoch(0));
        let _ = batch;
        let batch = builder.finish();
        let find = |at| first_at_or_after(&batch, TimestampMs(at), 1 << 20).expect("sound");
        assert_eq!(find(5), Some((Offset(100), TimestampMs(10))));
        assert_eq!(find(11), Some((Offset(101), TimestampMs(30))));
        assert_eq!(find(31), None);
        let highest = max_timestamp_record(&batch, 1 << 20).expect("sound");
        assert_eq!(highest, (Offset(101), TimestampMs(30)));
    }
}

#[test]
fn a_batch_without_records_is_sound_but_no_producer_may_send_it() {
    let mut batch = GOLDEN[..BatchHeader::BYTES].to_vec();
    batch[8..12].copy_from_slice(&49i32.to_be_bytes());
    batch[60] = 0;
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    assert!(verify(&batch).is_ok());
    assert_eq!(read(&batch), []);
    let refused = validate(&batch, &Policy::default()).map_err(|error| error.kind);
    assert_eq!(refused, Err(Kind::Count));
}
