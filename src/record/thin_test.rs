use corelog_base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TimestampMs};

use super::*;
use crate::{BatchBuilder, Header, ProducerState, records, section, verify};

const CAP: usize = 1 << 20;

fn batch(codec: Codec) -> BytesMut {
    let mut builder = BatchBuilder::new(codec);
    builder.stamp(Offset(100), LeaderEpoch(3));
    builder.producer(ProducerState {
        id: ProducerId(7),
        epoch: ProducerEpoch(2),
        base_sequence: 40,
    });
    for n in 0..10u8 {
        let value = vec![n; 300];
        let value = (n % 4 != 3).then_some(&value[..]);
        let headers = [Header {
            key: b"h",
            value: Some(b"v"),
        }];
        builder
            .push(
                TimestampMs(1_000 + i64::from(n) * 100),
                Some(&[n]),
                value,
                &headers,
            )
            .unwrap();
    }
    builder.finish()
}

/// Keeps the records with these numbers, and gives the batch with its records' (offset, time, key).
fn thinned(
    batch: &[u8],
    keep: &[i64],
    horizon: Option<TimestampMs>,
) -> (BytesMut, Vec<(i64, i64, Vec<u8>)>) {
    let header = BatchHeader::parse(batch).unwrap();
    let section = section(batch, CAP).unwrap();
    let mut thinning = Thinning::new(&header);
    for record in BareRecords::new(&header, &section) {
        let record = record.unwrap();
        if keep.contains(&(record.offset.0 - header.base_offset.0)) {
            thinning.keep(&record);
        }
    }
    assert_eq!(
        thinning.is_whole(),
        keep.len() == header.record_count as usize
    );
    let out = thinning.finish(batch, &section, horizon).unwrap();
    verify(&out).unwrap();
    let all = records(&out, CAP).unwrap();
    let all = all
        .iter()
        .map(Result::unwrap)
        .map(|r| {
            assert_eq!(r.headers().count(), 1);
            (r.offset.0, r.timestamp.0, r.key.unwrap().to_vec())
        })
        .collect();
    (out, all)
}

#[test]
fn offsets_times_and_producer_stay() {
    for codec in Codec::ALL {
        let batch = batch(codec);
        let before = BatchHeader::parse(&batch).unwrap();
        let (out, records) = thinned(&batch, &[1, 2, 7], None);
        let expected = [
            (101, 1_100, vec![1]),
            (102, 1_200, vec![2]),
            (107, 1_700, vec![7]),
        ];
        assert_eq!(records, expected);
        let after = BatchHeader::parse(&out).unwrap();
        assert_eq!(after.record_count, 3);
        assert_eq!(after.max_timestamp, TimestampMs(1_700));
        let same = BatchHeader {
            record_count: before.record_count,
            max_timestamp: before.max_timestamp,
            batch_bytes: before.batch_bytes,
            crc: before.crc,
            ..after
        };
        assert_eq!(same, before);
    }
}

#[test]
fn a_horizon_takes_the_place_of_the_base_timestamp_and_times_stay() {
    let horizon = TimestampMs(1_700_000_000_000);
    let batch = batch(Codec::Zstd);
    let (out, records) = thinned(&batch, &[0, 3, 9], Some(horizon));
    let times: Vec<i64> = records.iter().map(|r| r.1).collect();
    assert_eq!(times, [1_000, 1_300, 1_900]);
    let header = BatchHeader::parse(&out).unwrap();
    assert_eq!(header.delete_horizon(), Some(horizon));
    assert_eq!(header.base_timestamp, horizon);
    // The first one counts.
    let (again, records) = thinned(&out, &[3, 9], Some(TimestampMs(5)));
    let header = BatchHeader::parse(&again).unwrap();
    assert_eq!(header.delete_horizon(), Some(horizon));
    assert_eq!((records[0].1, records[1].1), (1_300, 1_900));
    let whole: Vec<i64> = (0..10).collect();
    let (out, records) = thinned(&batch, &whole, Some(horizon));
    assert_eq!(records.len(), 10);
    assert!(BatchHeader::parse(&out).unwrap().delete_horizon().is_some());
}

#[test]
fn append_time_stays_the_time_of_all() {
    let mut batch = batch(Codec::None);
    crate::stamp_append_time(&mut batch, TimestampMs(77_777));
    let (out, records) = thinned(&batch, &[2, 3], Some(TimestampMs(99)));
    assert!(records.iter().all(|r| r.1 == 77_777));
    let header = BatchHeader::parse(&out).unwrap();
    assert_eq!(header.max_timestamp, TimestampMs(77_777));
    assert_eq!(header.delete_horizon(), Some(TimestampMs(99)));
}

#[test]
fn a_batch_without_records_keeps_its_offsets_and_sequences() {
    let batch = batch(Codec::Lz4);
    let before = BatchHeader::parse(&batch).unwrap();
    let out = without_records(&batch).unwrap();
    let after = verify(&out).unwrap();
    assert_eq!((out.len(), after.record_count), (BatchHeader::BYTES, 0));
    assert_eq!(after.next_offset(), before.next_offset());
    assert_eq!(after.last_sequence(), before.last_sequence());
    assert_eq!(after.attributes.codec(), Ok(Codec::None));
    assert_eq!(records(&out, CAP).unwrap().iter().count(), 0);
}

#[test]
fn tombstones_and_values_are_told_apart() {
    let batch = batch(Codec::None);
    let header = BatchHeader::parse(&batch).unwrap();
    let section = section(&batch, CAP).unwrap();
    let values: Vec<bool> = BareRecords::new(&header, &section)
        .map(|record| record.unwrap().has_value)
        .collect();
    let expected: Vec<bool> = (0..10).map(|n| n % 4 != 3).collect();
    assert_eq!(values, expected);
}

#[test]
fn bytes_that_are_cut_are_an_error_and_end_the_walk() {
    let batch = batch(Codec::None);
    let header = BatchHeader::parse(&batch).unwrap();
    let section = section(&batch, CAP).unwrap();
    for length in 0..section.len() {
        let walked: Vec<_> = BareRecords::new(&header, &section[..length]).collect();
        assert!(walked.last().unwrap().is_err(), "{length}");
        assert!(walked.iter().rev().skip(1).all(Result::is_ok));
    }
}
