//! Framings that other clients write and we do not.

use corelog_base::Random;
use corelog_record::{Codec, Kind, compress, decompress_capped};

const CAP: usize = 16 << 20;

fn text(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(11);
    (0..bytes)
        .map(|_| b"corelog "[random.below(8) as usize])
        .collect()
}

#[track_caller]
fn check(codec: Codec, packed: &[u8], plain: &[u8]) {
    let read = decompress_capped(codec, packed, CAP);
    assert!(read.as_deref() == Ok(plain), "{:?}", read.err());
}

#[test]
fn raw_snappy_as_librdkafka_writes_it() {
    let plain = text(100_000);
    let packed = snap::raw::Encoder::new()
        .compress_vec(&plain)
        .expect("compresses");
    check(Codec::Snappy, &packed, &plain);
}

#[test]
fn snappy_of_many_blocks_in_xerials_framing() {
    let plain = text(100_000);
    let packed = compress(Codec::Snappy, &plain);
    assert_eq!(packed[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    check(Codec::Snappy, &packed, &plain);
}

#[test]
fn lz4_frames_of_every_kind() {
    use lz4::{BlockMode, BlockSize, ContentChecksum, EncoderBuilder};
    let plain = text(700_000);
    for block_mode in [BlockMode::Linked, BlockMode::Independent] {
        for size in [
            BlockSize::Max64KB,
            BlockSize::Max256KB,
            BlockSize::Max1MB,
            BlockSize::Max4MB,
        ] {
            for checksum in [
                ContentChecksum::NoChecksum,
                ContentChecksum::ChecksumEnabled,
            ] {
                let mut encoder = EncoderBuilder::new()
                    .block_mode(block_mode.clone())
                    .block_size(size.clone())
                    .checksum(checksum.clone())
                    .level(3)
                    .build(Vec::new())
                    .expect("builds");
                std::io::Write::write_all(&mut encoder, &plain).expect("writes");
                let (packed, result) = encoder.finish();
                result.expect("finishes");
                check(Codec::Lz4, &packed, &plain);
            }
        }
    }
}

#[test]
fn lz4_damage_is_seen_by_its_checksums() {
    let plain = text(1000);
    let mut encoder = lz4::EncoderBuilder::new()
        .checksum(lz4::ContentChecksum::ChecksumEnabled)
        .build(Vec::new())
        .expect("builds");
    std::io::Write::write_all(&mut encoder, &plain).expect("writes");
    let packed = encoder.finish().0;
    for at in [4, 5, 6, packed.len() - 1] {
        let mut damaged = packed.clone();
        damaged[at] ^= 0x10;
        let refused = decompress_capped(Codec::Lz4, &damaged, CAP).map_err(|error| error.kind);
        assert_eq!(refused, Err(Kind::Codec), "byte {at}");
    }
}

#[test]
fn gzip_of_two_members() {
    let plain = text(10_000);
    let mut packed = compress(Codec::Gzip, &plain[..4000]);
    packed.extend(compress(Codec::Gzip, &plain[4000..]));
    check(Codec::Gzip, &packed, &plain);
}

#[test]
fn zstd_with_a_window_of_128_mib_and_no_size() {
    let plain = text(300_000);
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 19).expect("builds");
    encoder
        .window_log(27)
        .expect("a window that a stream would allocate");
    std::io::Write::write_all(&mut encoder, &plain).expect("writes");
    let packed = encoder.finish().expect("finishes");
    check(Codec::Zstd, &packed, &plain);
}

#[test]
fn highly_compressible_zstd_grows_until_it_fits() {
    let plain = vec![7; 10 << 20];
    check(Codec::Zstd, &compress(Codec::Zstd, &plain), &plain);
}
