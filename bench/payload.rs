//! Batches that are made before the run, and get their send time just before they are sent.
//!
//! The first record's value begins with the number of the run (8 bytes, big endian) and the moment
//! at which the request was meant to start (8 bytes, nanoseconds of CLOCK_MONOTONIC). The whole
//! batch shares that moment. What follows are letters of a 16 letter alphabet, so that a codec
//! halves it at best.

use corelog_base::{Monotonic, Random, TimestampMs, crc32c};
use corelog_record::{BatchBuilder, BatchHeader, Codec, compress, records};

use crate::settings::SIZE_BYTES_MIN;
use crate::{Error, Load};

/// Positions in a batch; the table stands in the documentation of corelog-record.
const LENGTH_AT: usize = 8;
const LENGTH_FROM: usize = 12;
const CRC_AT: usize = 17;
const CHECKED_FROM: usize = 21;

const STAMP_BYTES: usize = SIZE_BYTES_MIN;
const LETTERS: &[u8; 16] = b"etaoinshrdlucmfw";
/// A consumer of this benchmark takes no batch that is larger than what a run may write.
pub(crate) const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// A batch that is sent again and again.
#[derive(Debug)]
pub(crate) struct Template {
    batch: Vec<u8>,
    /// The first byte of the send time in `batch` or, if compressed, in `section`.
    time_at: usize,
    packed: Option<Packed>,
}

/// What is compressed anew for each send, because the send time stands in it.
#[derive(Debug)]
struct Packed {
    codec: Codec,
    section: Vec<u8>,
}

impl Template {
    pub(crate) fn new(load: &Load, run: u64, now: TimestampMs, seed: u64) -> Result<Self, Error> {
        let mut random = Random::new(seed);
        let mut batch = BatchBuilder::new(Codec::None);
        let mut value = vec![0; load.size];
        let mut key = vec![0; load.key_bytes];
        for _ in 0..load.batch {
            fill(&mut value, &mut random);
            fill(&mut key, &mut random);
            if batch.is_empty() {
                value[..8].copy_from_slice(&run.to_be_bytes());
                value[8..STAMP_BYTES].fill(0xff);
            }
            let key = (load.key_bytes > 0).then_some(&key[..]);
            batch.push(now, key, Some(&value), &[])?;
        }
        let batch = batch.finish().to_vec();
        // Letters never look like 0xff: the first such run is the stamp.
        let mark = [0xff; 8];
        let from = BatchHeader::BYTES;
        let time_at = batch[from..].windows(8).position(|window| window == mark);
        let time_at = time_at.expect("the first value holds the mark");
        Ok(Self::of(batch, time_at + from, load.compression))
    }

    fn of(mut batch: Vec<u8>, time_at: usize, codec: Codec) -> Self {
        if codec != Codec::None {
            let section = batch.split_off(BatchHeader::BYTES);
            // The codec is the lowest bits of the attributes, which are otherwise 0.
            batch[CHECKED_FROM + 1] = codec as u8;
            return Self {
                batch,
                time_at: time_at - BatchHeader::BYTES,
                packed: Some(Packed { codec, section }),
            };
        }
        Self {
            batch,
            time_at,
            packed: None,
        }
    }

    /// Bytes of the batch, if it is always the same.
    pub(crate) fn fixed_bytes(&self) -> Option<usize> {
        self.packed.is_none().then_some(self.batch.len())
    }

    /// The batch with this send time, and its checksum.
    pub(crate) fn stamp(&mut self, intended: Monotonic) -> &[u8] {
        let time = intended.0.to_be_bytes();
        let place = self.time_at..self.time_at + 8;
        match &mut self.packed {
            None => self.batch[place].copy_from_slice(&time),
            Some(packed) => {
                packed.section[place].copy_from_slice(&time);
                self.batch.truncate(BatchHeader::BYTES);
                let section = compress(packed.codec, &packed.section);
                self.batch.extend_from_slice(&section);
                let length = i32::try_from(self.batch.len() - LENGTH_FROM);
                let length = length.expect("a batch is at most 64 MiB");
                self.batch[LENGTH_AT..LENGTH_FROM].copy_from_slice(&length.to_be_bytes());
            }
        }
        let crc = crc32c(&self.batch[CHECKED_FROM..]);
        self.batch[CRC_AT..CHECKED_FROM].copy_from_slice(&crc.to_be_bytes());
        &self.batch
    }
}

fn fill(bytes: &mut [u8], random: &mut Random) {
    for chunk in bytes.chunks_mut(16) {
        let word = random.next_u64();
        for (at, byte) in chunk.iter_mut().enumerate() {
            *byte = LETTERS[(word >> (4 * at)) as usize & 15];
        }
    }
}

/// What the first record of a batch says of its run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub run: u64,
    pub intended: Monotonic,
}

/// Reads the stamp of a batch; None if another program wrote it.
pub(crate) fn stamp_of(batch: &[u8]) -> Result<Option<Stamp>, Error> {
    let records = records(batch, DECOMPRESSED_BYTES_MAX)?;
    let Some(first) = records.iter().next().transpose()? else {
        return Ok(None);
    };
    let word = |from: usize| {
        let bytes = first.value?.get(from..from + 8)?;
        bytes.try_into().ok().map(u64::from_be_bytes)
    };
    Ok(word(0).zip(word(8)).map(|(run, time)| Stamp {
        run,
        intended: Monotonic(time),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Acks, Arrivals, Rate};
    use corelog_record::verify;

    fn check(size: usize, batch: usize, key_bytes: usize, compression: Codec) {
        let load = Load {
            rate: Rate::Max,
            arrivals: Arrivals::Uniform,
            acks: Acks::All,
            size,
            key_bytes,
            batch,
            compression,
            connections: 1,
            in_flight: 1,
            consumers: 1,
        };
        let now = TimestampMs(1_700_000_000_000);
        let mut template = Template::new(&load, 77, now, 3).unwrap();
        for time in [1, 2_000_000_000, u64::MAX] {
            let bytes = template.stamp(Monotonic(time)).to_vec();
            let header = BatchHeader::parse(&bytes).unwrap();
            verify(&bytes).unwrap();
            assert_eq!(header.batch_bytes as usize, bytes.len());
            assert_eq!(header.record_count as usize, batch);
            assert_eq!(header.attributes.codec(), Ok(compression));
            let expected = Stamp {
                run: 77,
                intended: Monotonic(time),
            };
            assert_eq!(stamp_of(&bytes).unwrap(), Some(expected));
            let opened = records(&bytes, 1 << 30).unwrap();
            for record in &opened {
                let record = record.unwrap();
                assert_eq!(record.value.unwrap().len(), size);
                assert_eq!(record.key.map_or(0, <[u8]>::len), key_bytes);
            }
        }
    }

    #[test]
    fn stamped_batches_are_sound() {
        check(16, 1, 0, Codec::None);
        check(1000, 7, 20, Codec::None);
        check(1 << 20, 1, 0, Codec::None);
        for codec in Codec::ALL {
            check(100, 50, 8, codec);
        }
    }
}
