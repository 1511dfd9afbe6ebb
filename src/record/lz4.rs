//! The lz4 frame (version 1.6 of the format), as Kafka's clients write and read it.
//!
//! Java's client reads only independent blocks, so those are what is written here; librdkafka and
//! Go clients may write linked blocks, checksums and a content size, so all of those are read. The
//! frame is walked here and not by lz4_flex's reader, because that one allocates by the block size
//! that the frame claims: up to 8 MiB for 15 bytes.

use lz4_flex::block::{
    compress_into, decompress_into, decompress_into_with_dict, get_maximum_output_size,
};
use twox_hash::XxHash32;

use crate::codec::{Output, too_large};
use crate::cursor::Cursor;
use crate::{Error, Kind};

const MAGIC: u32 = 0x184D_2204;
/// A skippable frame: its magic but for the last 4 bits.
const SKIPPABLE: u32 = 0x184D_2A50;
const BLOCK_BYTES: usize = 64 << 10;
/// Set in a block's length: the block is stored, not compressed.
const STORED: u32 = 1 << 31;
/// A length byte of 255 stands for 255 bytes of a match: the densest input there is.
const RATIO_MAX: usize = 255;
/// How far back a linked block may refer.
const WINDOW_BYTES: usize = 64 << 10;

const FLAG_VERSION_MASK: u8 = 0b1100_0000;
const FLAG_VERSION_1: u8 = 0b0100_0000;
const FLAG_INDEPENDENT: u8 = 0b0010_0000;
const FLAG_BLOCK_CHECKSUM: u8 = 0b0001_0000;
const FLAG_CONTENT_SIZE: u8 = 0b0000_1000;
const FLAG_CONTENT_CHECKSUM: u8 = 0b0000_0100;
const FLAG_RESERVED: u8 = 0b0000_0010;
const FLAG_DICTIONARY: u8 = 0b0000_0001;

/// Block descriptor 4: blocks of 64 KiB.
const DESCRIPTOR_64_KIB: u8 = 4 << 4;

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + bytes.len() / 2);
    let descriptor = [FLAG_VERSION_1 | FLAG_INDEPENDENT, DESCRIPTOR_64_KIB];
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&descriptor);
    out.push(header_checksum(&descriptor));
    let mut block = vec![0; get_maximum_output_size(BLOCK_BYTES.min(bytes.len()))];
    for piece in bytes.chunks(BLOCK_BYTES) {
        let count =
            compress_into(piece, &mut block).expect("the block has room for the worst case");
        let (length, data) = if count < piece.len() {
            (block_length(count), &block[..count])
        } else {
            (block_length(piece.len()) | STORED, piece)
        };
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(data);
    }
    out.extend_from_slice(&[0; 4]);
    out
}

fn block_length(count: usize) -> u32 {
    u32::try_from(count).expect("a block is at most 64 KiB")
}

fn header_checksum(descriptor: &[u8]) -> u8 {
    let [_, second, ..] = XxHash32::oneshot(0, descriptor).to_le_bytes();
    second
}

pub(crate) fn decompress(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut output = Output::new(bytes_max);
    let mut cursor = Cursor::new(bytes);
    loop {
        let magic = u32::from_le_bytes(field(&mut cursor)?);
        if magic == MAGIC {
            frame(&mut cursor, &mut output)?;
        } else if magic & !0xf == SKIPPABLE {
            let length = u32::from_le_bytes(field(&mut cursor)?);
            take(&mut cursor, length)?;
        } else {
            return Err(unsound());
        }
        if cursor.remaining() == 0 {
            return Ok(output.finish());
        }
    }
}

/// One frame after its magic.
fn frame(cursor: &mut Cursor<'_>, output: &mut Output) -> Result<(), Error> {
    let frame = Frame::read(cursor, output.room())?;
    let start = output.len();
    loop {
        let length = u32::from_le_bytes(field(cursor)?);
        if length == 0 {
            break;
        }
        let data = take(cursor, length & !STORED)?;
        if data.len() > frame.block_bytes_max {
            return Err(unsound());
        }
        if frame.has(FLAG_BLOCK_CHECKSUM) {
            check(data, field(cursor)?)?;
        }
        if length & STORED != 0 {
            output.extend(data.len())?.1.copy_from_slice(data);
        } else {
            let history_from = if frame.has(FLAG_INDEPENDENT) {
                output.len()
            } else {
                start.max(output.len().saturating_sub(WINDOW_BYTES))
            };
            block(data, frame.block_bytes_max, history_from, output)?;
        }
    }
    if frame.has(FLAG_CONTENT_CHECKSUM) {
        check(output.written(start), field(cursor)?)?;
    }
    match frame.content_bytes {
        Some(claimed) if claimed != output.len() - start => Err(unsound()),
        _ => Ok(()),
    }
}

/// A frame's descriptor.
struct Frame {
    flags: u8,
    block_bytes_max: usize,
    content_bytes: Option<usize>,
}

impl Frame {
    fn read(cursor: &mut Cursor<'_>, room: usize) -> Result<Self, Error> {
        let mut copy = cursor.clone();
        let [flags, descriptor] = field(cursor)?;
        let reserved = flags & (FLAG_RESERVED | FLAG_DICTIONARY);
        if flags & FLAG_VERSION_MASK != FLAG_VERSION_1 || reserved != 0 {
            return Err(unsound());
        }
        let block_bytes_max = match descriptor >> 4 {
            size @ 4..=7 if descriptor & 0xf == 0 => 1 << (8 + 2 * u32::from(size)),
            _ => return Err(unsound()),
        };
        let mut content_bytes = None;
        if flags & FLAG_CONTENT_SIZE != 0 {
            let claimed = u64::from_le_bytes(field(cursor)?);
            let claimed = usize::try_from(claimed).map_err(|_| too_large())?;
            if claimed > room {
                return Err(too_large());
            }
            content_bytes = Some(claimed);
        }
        let descriptor = copy
            .take(copy.remaining() - cursor.remaining())
            .map_err(|_| unsound())?;
        if [header_checksum(descriptor)] != field(cursor)? {
            return Err(unsound());
        }
        Ok(Self {
            flags,
            block_bytes_max,
            content_bytes,
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// One compressed block, which may refer to output from `history_from` on.
fn block(
    data: &[u8],
    block_bytes_max: usize,
    history_from: usize,
    output: &mut Output,
) -> Result<(), Error> {
    let bound = block_bytes_max.min(data.len().saturating_mul(RATIO_MAX));
    let room = bound.min(output.room());
    let (before, new) = output.extend(room)?;
    let history = before.get(history_from..).unwrap_or_default();
    let decoded = if history.is_empty() {
        decompress_into(data, new)
    } else {
        decompress_into_with_dict(data, new, history)
    };
    match decoded {
        Ok(count) => {
            output.shrink(room - count);
            Ok(())
        }
        // Where the cap was the tighter bound, the block may be sound but too large.
        Err(_) if room < bound => Err(too_large()),
        Err(_) => Err(unsound()),
    }
}

fn field<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[u8; N], Error> {
    cursor.array().map_err(|_| unsound())
}

fn take<'a>(cursor: &mut Cursor<'a>, length: u32) -> Result<&'a [u8], Error> {
    let count = usize::try_from(length).map_err(|_| unsound())?;
    cursor.take(count).map_err(|_| unsound())
}

fn check(bytes: &[u8], sum: [u8; 4]) -> Result<(), Error> {
    if XxHash32::oneshot(0, bytes) == u32::from_le_bytes(sum) {
        Ok(())
    } else {
        Err(unsound())
    }
}

fn unsound() -> Error {
    Error::new(Kind::Codec, "the records are not sound lz4 frames")
}
