//! Gzip, one or more members.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::codec::{Output, too_large};
use crate::{Error, Kind};

/// The first piece of output; later pieces double.
const PIECE_BYTES_MIN: usize = 4 << 10;

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

pub(crate) fn decompress(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut output = Output::new(bytes_max);
    loop {
        let piece = output.len().max(PIECE_BYTES_MIN).min(output.room());
        if piece == 0 {
            // At the cap: the stream must be at its end, too.
            return match read(&mut decoder, &mut [0])? {
                0 => Ok(output.finish()),
                _ => Err(too_large()),
            };
        }
        let (_, new) = output.extend(piece)?;
        let count = read(&mut decoder, new)?;
        output.shrink(piece - count);
        if count == 0 {
            return Ok(output.finish());
        }
    }
}

/// Fills as much of `buffer` as the stream has: less only at its end.
fn read(decoder: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Error> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..)
        && !rest.is_empty()
    {
        match decoder.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(_) => return Err(Error::new(Kind::Codec, "the records are not sound gzip")),
        }
    }
    Ok(filled)
}
