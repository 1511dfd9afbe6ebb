//! Zstandard frames.
//!
//! A streaming decoder allocates the window that the frame claims, up to 128 MiB. Decompressing in
//! one go needs no window, only room for the whole output, so that is done, into room that grows until
//! it fits: at most thrice the work of knowing the size, and no memory by what is claimed.

use std::cell::RefCell;

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{self, DCtx, get_frame_content_size, is_error_kind};

use crate::codec::{fitted, more_room, too_large};
use crate::{Error, Kind};

/// Kafka's default level.
const LEVEL: i32 = 3;
/// The first room for output is this many times the input, which most batches fit into.
const FIRST_RATIO: usize = 8;
const FIRST_BYTES_MIN: usize = 16 << 10;

thread_local! {
    /// One context a thread: about 160 KiB, which is not worth allocating a batch.
    static CONTEXT: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    zstd_safe::compress(&mut out, bytes, LEVEL).expect("the output has room for the worst case");
    out.shrink_to_fit();
    out
}

pub(crate) fn decompress(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Error> {
    if let Ok(Some(claimed)) = get_frame_content_size(bytes)
        && usize::try_from(claimed).is_ok_and(|claimed| claimed > bytes_max)
    {
        return Err(too_large());
    }
    let first = bytes.len().saturating_mul(FIRST_RATIO);
    let mut room = first.max(FIRST_BYTES_MIN).min(bytes_max);
    loop {
        let mut out = Vec::with_capacity(room);
        let done = CONTEXT.with_borrow_mut(|context| context.decompress(&mut out, bytes));
        match done {
            Ok(_) => return Ok(fitted(out)),
            Err(code) if !is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => {
                return Err(Error::new(Kind::Codec, "the records are not sound zstd"));
            }
            Err(_) if room >= bytes_max => return Err(too_large()),
            Err(_) => room = more_room(room, bytes_max),
        }
    }
}
