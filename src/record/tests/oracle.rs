//! Round trips in both directions against the `kafka-protocol` crate, for every codec.

mod common;

use bytes::{Bytes, BytesMut};
use common::{Plain, build, random_records, read};
use corelog_base::{LeaderEpoch, Offset, Random};
use corelog_record::{Codec, Policy, recompress, stamp, validate};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record,
    RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

const SEEDS: u64 = 60;

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::None,
        Codec::Gzip => Compression::Gzip,
        Codec::Snappy => Compression::Snappy,
        Codec::Lz4 => Compression::Lz4,
        Codec::Zstd => Compression::Zstd,
    }
}

fn oracle_encode(records: &[Plain], codec: Codec) -> BytesMut {
    let text = |bytes: &[u8]| StrBytes::from_string(String::from_utf8_lossy(bytes).into_owned());
    let convert = |record: &Plain| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: record.offset,
        sequence: record.offset as i32 - 1,
        timestamp: record.timestamp,
        key: record.key.clone().map(Bytes::from),
        value: record.value.clone().map(Bytes::from),
        headers: record
            .headers
            .iter()
            .map(|(key, value)| (text(key), value.clone().map(Bytes::from)))
            .collect::<IndexMap<_, _>>(),
    };
    let records: Vec<Record> = records.iter().map(convert).collect();
    let options = RecordEncodeOptions {
        version: 2,
        compression: compression(codec),
    };
    let mut out = BytesMut::new();
    RecordBatchEncoder::encode(&mut out, &records, &options).expect("the oracle encodes");
    out
}

fn oracle_decode(batch: &[u8]) -> (Compression, Vec<Plain>) {
    let mut bytes = Bytes::copy_from_slice(batch);
    let set = RecordBatchDecoder::decode(&mut bytes).expect("the oracle decodes");
    assert!(bytes.is_empty(), "exactly one batch");
    let convert = |record: Record| Plain {
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.map(|key| key.to_vec()),
        value: record.value.map(|value| value.to_vec()),
        headers: record
            .headers
            .into_iter()
            .map(|(key, value)| (key.as_bytes().to_vec(), value.map(|value| value.to_vec())))
            .collect(),
    };
    (
        set.compression,
        set.records.into_iter().map(convert).collect(),
    )
}

/// Runs `test` for every codec over many random batches.
fn each(test: impl Fn(Codec, &[Plain])) {
    for seed in 0..SEEDS {
        let records = random_records(&mut Random::new(seed));
        for codec in Codec::ALL {
            test(codec, &records);
        }
    }
}

#[test]
fn the_oracle_reads_what_we_build() {
    each(|codec, records| {
        let (compression_read, read) = oracle_decode(&build(records, codec));
        assert_eq!(compression_read, compression(codec));
        assert_eq!(read, records);
    });
}

#[test]
fn we_read_what_the_oracle_builds() {
    each(|codec, records| {
        let batch = oracle_encode(records, codec);
        let policy = Policy {
            walk: true,
            ..Policy::default()
        };
        let header = validate(&batch, &policy).expect("the batch is sound");
        assert_eq!(header.attributes.codec(), Ok(codec));
        assert_eq!(header.record_count as usize, records.len());
        assert_eq!(read(&batch), records);
    });
}

#[test]
fn uncompressed_batches_are_equal_byte_for_byte() {
    for seed in 0..SEEDS {
        let records = random_records(&mut Random::new(seed));
        assert_eq!(
            build(&records, Codec::None),
            oracle_encode(&records, Codec::None)
        );
    }
}

#[test]
fn recompression_keeps_the_records() {
    each(|codec, records| {
        let mut batch = build(records, Codec::Lz4);
        stamp(&mut batch, Offset(1000), LeaderEpoch(7));
        let other = recompress(&batch, codec, 64 << 20).expect("the batch recompresses");
        let header = validate(&other, &Policy::default()).expect("the result is sound");
        assert_eq!(header.attributes.codec(), Ok(codec));
        assert_eq!(header.base_offset, Offset(1000));
        assert_eq!(header.leader_epoch, LeaderEpoch(7));
        let (_, mut read) = oracle_decode(&other);
        read.iter_mut().for_each(|record| record.offset -= 1000);
        assert_eq!(read, records);
    });
}
