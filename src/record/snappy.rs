//! Snappy, raw or in xerial's framing.
//!
//! Java's client (snappy-java's SnappyOutputStream) writes the 8-byte magic `\x82SNAPPY\0`, two
//! big-endian i32 versions, then blocks: an i32 length and raw snappy. librdkafka writes raw snappy
//! without a frame. Both read both.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use crate::codec::{Output, too_large};
use crate::cursor::Cursor;
use crate::{Error, Kind};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// Version and lowest compatible version, both 1.
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// Java's default block.
const BLOCK_BYTES: usize = 32 << 10;
/// The densest element is a copy of 64 bytes in 3; a claim above this ratio is a lie.
const RATIO_MAX: usize = 22;

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    let mut out = Vec::with_capacity(64 + bytes.len() / 2);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSIONS);
    let mut block = vec![0; max_compress_len(BLOCK_BYTES.min(bytes.len()))];
    for piece in bytes.chunks(BLOCK_BYTES) {
        let count = encoder
            .compress(piece, &mut block)
            .expect("the block has room for the worst case");
        let length = u32::try_from(count).expect("a block is small");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&block[..count]);
    }
    out
}

pub(crate) fn decompress(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut output = Output::new(bytes_max);
    let mut cursor = Cursor::new(bytes);
    if cursor.array::<8>() != Ok(MAGIC) {
        block(bytes, &mut output)?;
        return Ok(output.finish());
    }
    cursor.take(VERSIONS.len()).map_err(|_| unsound())?;
    while cursor.remaining() > 0 {
        let length = u32::from_be_bytes(cursor.array().map_err(|_| unsound())?);
        let length = usize::try_from(length).map_err(|_| unsound())?;
        block(cursor.take(length).map_err(|_| unsound())?, &mut output)?;
    }
    Ok(output.finish())
}

fn block(bytes: &[u8], output: &mut Output) -> Result<(), Error> {
    let claimed = decompress_len(bytes).map_err(|_| unsound())?;
    if claimed > output.room() {
        return Err(too_large());
    }
    if claimed > bytes.len().saturating_mul(RATIO_MAX) {
        return Err(unsound());
    }
    let (_, new) = output.extend(claimed)?;
    let count = Decoder::new()
        .decompress(bytes, new)
        .map_err(|_| unsound())?;
    if count == claimed {
        Ok(())
    } else {
        Err(unsound())
    }
}

fn unsound() -> Error {
    Error::new(Kind::Codec, "the records are not sound snappy")
}
