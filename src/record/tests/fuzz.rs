//! Seeded mutation of batches of every codec: nothing panics, and no more memory is taken than four
//! times the input, 64 KiB and the cap.

mod common;

use common::{build, random_records};
use corelog_base::{Random, TimestampMs, crc32c};
use corelog_fuzz::{Counting, Fuzz, measure};
use corelog_record::{
    BatchHeader, Codec, Kind, Policy, batches, compress, decompress_capped, first_at_or_after,
    max_timestamp_record, recompress, records, validate,
};

const CAP: usize = 96 << 10;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that `work` held above what there was before.
fn peak_of(work: impl FnOnce()) -> usize {
    measure(work).1.peak_bytes
}

/// Changes a few bytes, or cuts, or repeats a piece; then, mostly, mends the CRC so that the
/// mutation is seen by what comes after the CRC.
fn mutate(random: &mut Random, batch: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(batch.len() as u64) as usize;
        match random.below(8) {
            0 => batch.truncate(at.max(1)),
            1 => batch.extend_from_within(at..),
            2 => batch[at] = 0xff,
            3 => batch[at] = 0,
            4 if batch.len() > BatchHeader::BYTES => {
                batch[BatchHeader::BYTES] ^= 1 << random.below(8)
            }
            _ => batch[at] ^= 1 << random.below(8),
        }
    }
    if batch.len() >= BatchHeader::BYTES && random.chance(900) {
        if random.chance(700) {
            let length = i32::try_from(batch.len() - 12).expect("small");
            batch[8..12].copy_from_slice(&length.to_be_bytes());
        }
        let crc = crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}

/// A batch of this codec: most are small, for what is wrong is in lengths and not in bulk.
fn original(random: &mut Random, codec: Codec) -> Vec<u8> {
    let mut records = random_records(random);
    if random.chance(950) {
        records.truncate(6);
        for record in &mut records {
            if let Some(value) = &mut record.value {
                value.truncate(300);
            }
        }
    }
    build(&records, codec).to_vec()
}

/// Mutants, eight of each batch.
fn mutants(codec: Codec) -> impl FnMut(&mut Random) -> Vec<u8> {
    let (mut made, mut batch) = (0u32, Vec::new());
    move |random| {
        if made.is_multiple_of(8) {
            batch = original(random, codec);
        }
        made += 1;
        let mut mutant = batch.clone();
        mutate(random, &mut mutant);
        mutant
    }
}

/// Every decoder of a batch. What is decompressed may have four times the bytes that came: with the
/// cap of a broker, the memory is the cap's.
fn exercise(batch: &[u8]) {
    let cap = 4 * batch.len();
    let policy = Policy {
        walk: true,
        keys_required: true,
        decompressed_bytes_max: cap,
        ..Policy::default()
    };
    let _ = validate(batch, &policy);
    let _ = batches(batch).filter(Result::is_ok).count();
    if let Ok(records) = records(batch, cap) {
        let walk = records.iter().flatten();
        let _ = walk.map(|record| record.headers().count()).sum::<usize>();
    }
    let _ = first_at_or_after(batch, TimestampMs(1), cap);
    let _ = max_timestamp_record(batch, cap);
}

#[test]
fn mutations_neither_panic_nor_take_memory() {
    let fuzz = Fuzz::from_env(5);
    for codec in Codec::ALL {
        let (mut runs, mut accepted) = (0, 0);
        let name = format!("record batch {codec}");
        fuzz.run_made(&name, 0, mutants(codec), |batch| {
            exercise(batch);
            runs += 1;
            accepted += u64::from(validate(batch, &Policy::default()).is_ok());
        });
        assert!(
            accepted > 0 && accepted < runs,
            "the mutations are of both kinds"
        );
    }
}

/// What is built again has the size of what was unpacked, so its memory is not bounded here.
#[test]
fn mutations_are_recompressed_without_a_panic() {
    for codec in Codec::ALL {
        let (mut random, mut make) = (Random::new(5), mutants(codec));
        let batches = (0..1000).map(|_| make(&mut random));
        let built = batches.filter(|batch| recompress(batch, Codec::Lz4, CAP).is_ok());
        let built = built.count();
        assert!((1..1000).contains(&built), "{codec}: {built}");
    }
}

#[test]
fn random_bytes_decompress_to_nothing_large() {
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let mut bytes = common::bytes(&mut random, 4000);
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            // A sound beginning gets further than noise.
            let mut input = compress(codec, &bytes);
            input.truncate(1 + random.below(30) as usize);
            input.append(&mut bytes.clone());
            let bound = 4 * input.len() + (64 << 10) + CAP;
            let peak = peak_of(|| drop(decompress_capped(codec, &input, CAP)));
            assert!(peak <= bound, "seed {seed}, {codec}: {peak} above {bound}");
        }
        bytes.clear();
    }
}

#[test]
fn bombs_are_refused_before_memory_grows() {
    // zstd reaches 10^4:1 and more; the others their own highest ratios of 1000, 21 and 240.
    let zeros = vec![0u8; 256 << 20];
    for (codec, ratio_min) in [
        (Codec::Gzip, 900),
        (Codec::Snappy, 20),
        (Codec::Lz4, 240),
        (Codec::Zstd, 10_000),
    ] {
        let bomb = compress(codec, &zeros);
        assert!(
            zeros.len() / bomb.len() >= ratio_min,
            "{codec}: {} bytes",
            bomb.len()
        );
        let cap = 1 << 20;
        let bound = (64 << 10) + cap;
        let peak = peak_of(|| {
            let refused = decompress_capped(codec, &bomb, cap).map_err(|error| error.kind);
            assert_eq!(refused, Err(Kind::TooLarge), "{codec}");
        });
        assert!(peak <= bound, "{codec}: {peak} above {bound}");
    }
}

#[test]
fn a_zstd_bomb_without_a_content_size_is_refused() {
    // One frame: single segment off, window 1 KiB, no size; then blocks of one repeated byte.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    for _ in 0..1000 {
        // RLE block of 128 KiB: type 1, not last.
        let header = (128u32 << 10) << 3 | 1 << 1;
        bomb.extend_from_slice(&header.to_le_bytes()[..3]);
        bomb.push(0);
    }
    let peak = peak_of(|| {
        let refused = decompress_capped(Codec::Zstd, &bomb, CAP).map_err(|error| error.kind);
        assert_eq!(refused, Err(Kind::TooLarge));
    });
    assert!(peak <= 4 * bomb.len() + (64 << 10) + CAP, "{peak}");
}

#[test]
fn the_cap_is_inclusive() {
    let plain = common::bytes(&mut Random::new(3), 50_000);
    for codec in Codec::ALL {
        let packed = compress(codec, &plain);
        assert_eq!(
            decompress_capped(codec, &packed, plain.len()),
            Ok(plain.clone())
        );
        let refused = decompress_capped(codec, &packed, plain.len() - 1);
        assert_eq!(
            refused.map_err(|error| error.kind),
            Err(Kind::TooLarge),
            "{codec}"
        );
    }
}
