use super::*;

use corelog_cluster::{Cleanup, Image};
use corelog_record::BatchBuilder;

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);
const TOPIC: TopicId = TopicId([7; 16]);

fn settings() -> TopicSettings {
    Image::default().settings(TOPIC)
}

fn rules(settings: &TopicSettings, version: i16) -> Rules {
    let zstd = match version {
        7.. => Zstd::Taken,
        _ => Zstd::Refused,
    };
    Rules::new(TOPIC, settings, zstd, NOW, 1 << 20)
}

/// A batch of two records.
fn batch(codec: Codec, timestamp: TimestampMs) -> BytesMut {
    let mut builder = BatchBuilder::new(codec);
    for value in [&b"one"[..], b"two"] {
        builder.push(timestamp, None, Some(value), &[]).unwrap();
    }
    builder.finish()
}

#[track_caller]
fn check(settings: &TopicSettings, version: i16, bytes: &[u8], expected: ErrorCode) -> Refusal {
    let refusal = rules(settings, version).check(3, bytes).unwrap_err();
    assert_eq!(refusal.fault.code, expected, "{refusal:?}");
    refusal
}

#[test]
fn one_good_batch_passes() {
    let bytes = batch(Codec::Lz4, NOW);
    let checked = rules(&settings(), 3).check(3, &bytes).unwrap();
    assert_eq!(checked.key.partition, PartitionIndex(3));
    assert_eq!(checked.key.topic, TOPIC);
    assert_eq!(checked.header.record_count, 2);
    assert!(checked.recompressed.is_none());
}

#[test]
fn none_two_and_older_formats_are_invalid() {
    let one = batch(Codec::None, NOW);
    let two = [&one[..], &one].concat();
    let mut old = one.clone();
    old[16] = 1;
    for bytes in [&[][..], &two, &old, &old[..40]] {
        check(&settings(), 9, bytes, ErrorCode::INVALID_RECORD);
    }
}

#[test]
fn damage_is_corruption() {
    let good = batch(Codec::None, NOW);
    let mut flipped = good.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let longer = [&good[..], b"more"].concat();
    for bytes in [&flipped[..], &good[..last], &good[..30], &longer] {
        check(&settings(), 9, bytes, ErrorCode::CORRUPT_MESSAGE);
    }
}

#[test]
fn counts_must_agree_even_where_records_are_not_read() {
    let mut bytes = batch(Codec::Gzip, NOW);
    bytes[57..61].copy_from_slice(&1i32.to_be_bytes());
    let crc = corelog_base::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    check(&settings(), 9, &bytes, ErrorCode::INVALID_RECORD);
}

/// Gives a batch whose header was changed the CRC that it now has.
fn seal(mut bytes: BytesMut) -> BytesMut {
    let crc = corelog_base::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn the_last_delta_must_agree_even_where_records_are_not_read() {
    for codec in [Codec::None, Codec::Zstd] {
        let mut bytes = batch(codec, NOW);
        bytes[23..27].copy_from_slice(&5i32.to_be_bytes());
        check(&settings(), 9, &seal(bytes), ErrorCode::INVALID_RECORD);
    }
}

#[test]
fn clients_write_no_control_batches_and_set_no_append_time() {
    for (bits, expected) in [
        (0x20, ErrorCode::INVALID_RECORD),
        (0x08, ErrorCode::INVALID_TIMESTAMP),
    ] {
        let mut bytes = batch(Codec::None, NOW);
        bytes[22] |= bits;
        check(&settings(), 9, &seal(bytes), expected);
    }
}

#[test]
fn an_unknown_codec_and_an_early_zstd_are_unsupported() {
    let mut bytes = batch(Codec::None, NOW);
    bytes[22] = 5;
    check(
        &settings(),
        9,
        &bytes,
        ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
    );
    let bytes = batch(Codec::Zstd, NOW);
    check(
        &settings(),
        6,
        &bytes,
        ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
    );
    assert!(rules(&settings(), 7).check(0, &bytes).is_ok());
}

#[test]
fn the_largest_batch_is_the_topics() {
    let bytes = batch(Codec::None, NOW);
    let mut settings = settings();
    assert_eq!(settings.message_bytes_max, 1_048_588);
    settings.message_bytes_max = bytes.len() as u32;
    assert!(rules(&settings, 9).check(0, &bytes).is_ok());
    settings.message_bytes_max -= 1;
    check(&settings, 9, &bytes, ErrorCode::MESSAGE_TOO_LARGE);
}

#[test]
fn a_compacted_topic_names_the_record_without_a_key() {
    let mut settings = settings();
    settings.cleanup = Cleanup {
        delete: false,
        compact: true,
    };
    for codec in [Codec::None, Codec::Snappy] {
        let refusal = check(&settings, 9, &batch(codec, NOW), ErrorCode::INVALID_RECORD);
        assert_eq!(refusal.record, Some(0));
    }
}

#[test]
fn a_timestamp_too_far_ahead_is_invalid_unless_the_broker_stamps() {
    let hour = 3_600_000;
    let near = batch(Codec::None, TimestampMs(NOW.0 + hour));
    let far = batch(Codec::None, TimestampMs(NOW.0 + hour + 1));
    let mut settings = settings();
    assert!(rules(&settings, 9).check(0, &near).is_ok());
    check(&settings, 9, &far, ErrorCode::INVALID_TIMESTAMP);
    settings.append_time = true;
    assert!(rules(&settings, 9).check(0, &far).is_ok());
}

#[test]
fn a_topic_with_its_own_codec_recompresses() {
    let mut settings = settings();
    settings.compression = Compression::Zstd;
    let checked = rules(&settings, 9)
        .check(0, &batch(Codec::Gzip, NOW))
        .unwrap();
    let stored = checked.recompressed.unwrap();
    assert_eq!(checked.header, BatchHeader::parse(&stored).unwrap());
    assert_eq!(checked.header.attributes.codec(), Ok(Codec::Zstd));
    let again = rules(&settings, 9).check(0, &stored).unwrap();
    assert!(again.recompressed.is_none());
}

#[test]
fn the_largest_batch_is_the_topics_also_once_recompressed() {
    let mut builder = BatchBuilder::new(Codec::Gzip);
    builder.push(NOW, None, Some(&[7; 5000]), &[]).unwrap();
    let bytes = builder.finish();
    assert!(bytes.len() < 1000);
    let mut settings = settings();
    settings.message_bytes_max = 1000;
    assert!(rules(&settings, 9).check(0, &bytes).is_ok());
    settings.compression = Compression::Uncompressed;
    check(&settings, 9, &bytes, ErrorCode::MESSAGE_TOO_LARGE);
}

#[test]
fn every_codec_is_kept_as_it_was_sent() {
    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ] {
        let checked = rules(&settings(), 9).check(0, &batch(codec, NOW)).unwrap();
        assert!(checked.recompressed.is_none());
        assert_eq!(checked.header.attributes.codec(), Ok(codec));
    }
}
