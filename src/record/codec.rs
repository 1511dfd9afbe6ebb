//! The five codecs of a batch, and the rule that they share: output never exceeds a cap.

use crate::{Error, Kind, gzip, lz4, snappy, zstandard};

/// How the records of a batch are compressed. The numbers are Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Codec {
    #[default]
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

impl Codec {
    pub const ALL: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    pub(crate) fn from_bits(bits: i16) -> Option<Self> {
        Some(match bits {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// The name that Kafka's `compression.type` uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Codec {
    type Err = Error;

    /// Reads `compression.type`'s names; `uncompressed` is another name of `none`.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "uncompressed" {
            return Ok(Self::None);
        }
        Self::ALL
            .into_iter()
            .find(|codec| codec.name() == text)
            .ok_or(Error::new(Kind::Codec, "no codec has this name"))
    }
}

/// Compresses with the codec's default level, in the framing that every Kafka client reads:
/// gzip, xerial's snappy blocks, lz4 frames of independent 64 KiB blocks, one zstd frame.
pub fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    match codec {
        Codec::None => bytes.to_vec(),
        Codec::Gzip => gzip::compress(bytes),
        Codec::Snappy => snappy::compress(bytes),
        Codec::Lz4 => lz4::compress(bytes),
        Codec::Zstd => zstandard::compress(bytes),
    }
}

/// Decompresses to at most `bytes_max` bytes. What a frame claims about its size is believed only
/// to refuse it; memory grows with what has really come out, and never beyond the cap.
///
/// # Errors
/// `Kind::Codec` for bytes that are not of this codec, `Kind::TooLarge` above the cap.
pub fn decompress_capped(codec: Codec, bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    match codec {
        Codec::None if bytes.len() > bytes_max => Err(too_large()),
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => gzip::decompress(bytes, bytes_max),
        Codec::Snappy => snappy::decompress(bytes, bytes_max),
        Codec::Lz4 => lz4::decompress(bytes, bytes_max),
        Codec::Zstd => zstandard::decompress(bytes, bytes_max),
    }
}

pub(crate) fn too_large() -> Error {
    Error::new(
        Kind::TooLarge,
        "the batch decompresses to more than is allowed",
    )
}

/// Up to here room for output doubles. Then it is all that the output may take: the kernel gives
/// memory for what is written alone, and what does not move as it grows is never there twice.
const DOUBLED_BYTES_MAX: usize = 1 << 20;

/// The room after this one.
pub(crate) fn more_room(room: usize, bytes_max: usize) -> usize {
    let doubled = room.saturating_mul(2);
    match doubled <= DOUBLED_BYTES_MAX {
        true => doubled.min(bytes_max),
        false => bytes_max,
    }
}

/// Output without the room that it turned out not to need.
pub(crate) fn fitted(mut bytes: Vec<u8>) -> Vec<u8> {
    let room = bytes.capacity();
    if room > DOUBLED_BYTES_MAX && bytes.len() < room / 2 {
        bytes.shrink_to_fit();
    }
    bytes
}

/// Output that grows, but never to a capacity above its cap.
pub(crate) struct Output {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Output {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
        }
    }

    pub(crate) fn room(&self) -> usize {
        self.bytes_max - self.bytes.len()
    }

    /// Adds `count` zeroed bytes. Returns what was there before and the new bytes.
    pub(crate) fn extend(&mut self, count: usize) -> Result<(&[u8], &mut [u8]), Error> {
        if count > self.room() {
            return Err(too_large());
        }
        let old = self.bytes.len();
        let need = old + count;
        if need > self.bytes.capacity() {
            let more = more_room(self.bytes.capacity(), self.bytes_max);
            self.bytes.reserve_exact(more.max(need) - old);
        }
        self.bytes.resize(need, 0);
        let (before, new) = self.bytes.split_at_mut(old);
        Ok((before, new))
    }

    /// Takes the last `count` bytes back.
    pub(crate) fn shrink(&mut self, count: usize) {
        self.bytes.truncate(self.bytes.len().saturating_sub(count));
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn written(&self, from: usize) -> &[u8] {
        self.bytes.get(from..).unwrap_or_default()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        fitted(self.bytes)
    }
}
