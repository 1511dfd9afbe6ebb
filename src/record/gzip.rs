//! Gzip (RFC 1952), one or more members.
//!
//! Members are walked here and not by flate2's reader, because that one takes some 45 KiB for each
//! and copies what its header names: a batch of a few hundred bytes took a hundred times as much.

use std::cell::RefCell;
use std::io::Write;

use flate2::write::GzEncoder;
use flate2::{Compression, Crc, Decompress, FlushDecompress, Status};

use crate::codec::{Output, too_large};
use crate::cursor::Cursor;
use crate::{Error, Kind};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
const FLAG_HEADER_CHECKSUM: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;
/// The first piece of output; later pieces double.
const PIECE_BYTES_MIN: usize = 4 << 10;

thread_local! {
    /// One a thread: some 45 KiB, which are not worth allocating a batch.
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

pub(crate) fn decompress(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut output = Output::new(bytes_max);
    let mut cursor = Cursor::new(bytes);
    loop {
        header(&mut cursor)?;
        let start = output.len();
        INFLATER.with_borrow_mut(|inflater| inflate(inflater, &mut cursor, &mut output))?;
        let mut crc = Crc::new();
        crc.update(output.written(start));
        let (sum, amount) = (field(&mut cursor)?, field(&mut cursor)?);
        if sum != crc.sum().to_le_bytes() || amount != crc.amount().to_le_bytes() {
            return Err(unsound());
        }
        if cursor.remaining() == 0 {
            return Ok(output.finish());
        }
    }
}

/// Passes a member's header; nothing of it is kept.
fn header(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    let whole = cursor.clone();
    let [first, second, method, flags] = field(cursor)?;
    if [first, second] != MAGIC || method != DEFLATE || flags & FLAGS_RESERVED != 0 {
        return Err(unsound());
    }
    // The time, and who wrote it.
    field::<6>(cursor)?;
    if flags & FLAG_EXTRA != 0 {
        let length = u16::from_le_bytes(field(cursor)?);
        cursor.take(usize::from(length)).map_err(|_| unsound())?;
    }
    for text in [FLAG_NAME, FLAG_COMMENT] {
        if flags & text != 0 {
            let end = rest(cursor).iter().position(|byte| *byte == 0);
            let length = end.ok_or_else(unsound)? + 1;
            cursor.take(length).map_err(|_| unsound())?;
        }
    }
    if flags & FLAG_HEADER_CHECKSUM != 0 {
        let length = whole.remaining() - cursor.remaining();
        let mut crc = Crc::new();
        crc.update(rest(&whole).get(..length).unwrap_or_default());
        let [low, high, ..] = crc.sum().to_le_bytes();
        if field(cursor)? != [low, high] {
            return Err(unsound());
        }
    }
    Ok(())
}

/// The compressed part of a member.
fn inflate(
    inflater: &mut Decompress,
    cursor: &mut Cursor<'_>,
    output: &mut Output,
) -> Result<(), Error> {
    inflater.reset(false);
    loop {
        let piece = output.len().max(PIECE_BYTES_MIN).min(output.room());
        let (read_before, written_before) = (inflater.total_in(), inflater.total_out());
        // At the cap, the stream must be at its end, too.
        let mut beyond = [0];
        let room = match piece {
            0 => &mut beyond[..],
            _ => output.extend(piece)?.1,
        };
        let status = inflater.decompress(rest(cursor), room, FlushDecompress::None);
        let status = status.map_err(|_| unsound())?;
        let read = difference(inflater.total_in(), read_before);
        let written = difference(inflater.total_out(), written_before);
        cursor.take(read).map_err(|_| unsound())?;
        if piece == 0 && written > 0 {
            return Err(too_large());
        }
        output.shrink(piece - written);
        match status {
            Status::StreamEnd => return Ok(()),
            // It wants more, and there is no more.
            _ if read == 0 && written == 0 => return Err(unsound()),
            _ => {}
        }
    }
}

/// Of two positions in one slice.
fn difference(after: u64, before: u64) -> usize {
    usize::try_from(after - before).expect("a slice is as long")
}

fn rest<'a>(cursor: &Cursor<'a>) -> &'a [u8] {
    cursor.clone().take(cursor.remaining()).unwrap_or_default()
}

fn field<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[u8; N], Error> {
    cursor.array().map_err(|_| unsound())
}

fn unsound() -> Error {
    Error::new(Kind::Codec, "the records are not sound gzip")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(flags: u8, between: &[u8], text: &[u8]) -> Vec<u8> {
        let plain = compress(text);
        let mut head = plain[..10].to_vec();
        head[3] = flags;
        head.extend_from_slice(between);
        if flags & FLAG_HEADER_CHECKSUM != 0 {
            let mut crc = Crc::new();
            crc.update(&head);
            head.extend_from_slice(&crc.sum().to_le_bytes()[..2]);
        }
        [&head, &plain[10..]].concat()
    }

    #[test]
    fn every_part_of_a_header_is_passed() {
        let all = [&[3, 0, b'e', b'x', b't'][..], b"name\0", b"comment\0"].concat();
        let cases: [(u8, &[u8]); 6] = [
            (0, b""),
            (FLAG_EXTRA, &[0, 0]),
            (FLAG_NAME, b"name\0"),
            (FLAG_COMMENT, b"\0"),
            (FLAG_HEADER_CHECKSUM, b""),
            (0b1_1110, &all),
        ];
        for (flags, between) in cases {
            let bytes = member(flags, between, b"text");
            assert_eq!(decompress(&bytes, 100), Ok(b"text".to_vec()), "{flags}");
            for cut in 0..bytes.len() {
                assert!(decompress(&bytes[..cut], 100).is_err(), "{flags} at {cut}");
            }
        }
        assert!(decompress(&member(0x20, b"", b"text"), 100).is_err());
    }

    #[test]
    fn members_follow_each_other() {
        let bytes = [member(0, b"", b"one"), member(FLAG_NAME, b"x\0", b"two")].concat();
        assert_eq!(decompress(&bytes, 6), Ok(b"onetwo".to_vec()));
        let refused = decompress(&bytes, 5).map_err(|error| error.kind);
        assert_eq!(refused, Err(Kind::TooLarge));
        let garbage = [&bytes[..], b"?"].concat();
        assert!(decompress(&garbage, 100).is_err());
    }

    #[test]
    fn checksums_and_lengths_are_compared() {
        let bytes = member(FLAG_HEADER_CHECKSUM, b"", b"some text");
        let end = bytes.len();
        for at in [4, 10, 11, end - 8, end - 1] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert!(decompress(&bytes, 100).is_err(), "{at}");
        }
    }
}
