//! Random records, and building batches of them.
#![allow(dead_code, reason = "each test binary uses its part")]

use bytes::BytesMut;
use corelog_base::{Random, TimestampMs};
use corelog_record::{BatchBuilder, Codec, Header};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plain {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Bytes of a length up to `bytes_max`, half of the time easy to compress.
pub(crate) fn bytes(random: &mut Random, bytes_max: u64) -> Vec<u8> {
    let length = random.below(bytes_max + 1) as usize;
    let mut bytes = vec![b'a' + random.below(26) as u8; length];
    if random.chance(500) {
        random.fill(&mut bytes);
    }
    bytes
}

fn maybe(random: &mut Random, bytes_max: u64) -> Option<Vec<u8>> {
    random.chance(850).then(|| bytes(random, bytes_max))
}

/// Records at offsets from 0 on, the first with the lowest timestamp.
pub(crate) fn random_records(random: &mut Random) -> Vec<Plain> {
    let count = 1 + random.below(40) as i64;
    let value_bytes_max = [10, 300, 40_000][random.below(3) as usize];
    let base = 1_700_000_000_000 + random.below(1 << 30) as i64;
    let record = |offset| Plain {
        offset,
        timestamp: base
            + if offset == 0 {
                0
            } else {
                random.below(100_000) as i64
            },
        key: maybe(random, 40),
        value: maybe(random, value_bytes_max),
        headers: (0..random.below(4))
            .map(|i| (format!("h{i}").into_bytes(), maybe(random, 20)))
            .collect(),
    };
    (0..count).map(record).collect()
}

pub(crate) fn build(records: &[Plain], codec: Codec) -> BytesMut {
    let mut builder = BatchBuilder::new(codec);
    for record in records {
        let headers: Vec<Header<'_>> = record
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        builder
            .push(
                TimestampMs(record.timestamp),
                record.key.as_deref(),
                record.value.as_deref(),
                &headers,
            )
            .expect("the record fits");
    }
    builder.finish()
}

/// What our reader finds in a batch.
pub(crate) fn read(batch: &[u8]) -> Vec<Plain> {
    let records = corelog_record::records(batch, 64 << 20).expect("the batch opens");
    let plain = |record: corelog_record::Record<'_>| Plain {
        offset: record.offset.0,
        timestamp: record.timestamp.0,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: record
            .headers()
            .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
            .collect(),
    };
    records
        .iter()
        .map(|record| plain(record.expect("the record is sound")))
        .collect()
}
