//! Frames of journals, found by a reader that shares nothing with the broker's. See
//! `docs/formats.md`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::image::list;

const BLOCK: usize = 4096;
const MAGIC: &[u8] = b"CLGFRAME";
/// Bytes of a frame's header, an entry's, a directory's, and one of its rows; an entry's kind.
const HEADER: usize = 128;
const ENTRY: usize = 64;
const DIRECTORY: usize = 24;
const ROW: usize = 56;
const BATCH: u8 = 1;
/// A frame that was found.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) path: PathBuf,
    pub(crate) position: usize,
    pub(crate) sequence: u64,
    pub(crate) bytes: usize,
    /// Where its directory begins.
    pub(crate) directory: usize,
    /// Where its last byte that counts is: the end of its directory.
    pub(crate) content_bytes: usize,
    /// In its batches.
    pub(crate) records: usize,
    /// It holds the metadata's group record, or entries of the metadata.
    pub(crate) has_metadata: bool,
}

/// Every frame of every journal, in the order of their sequences.
///
/// # Errors
/// If a journal cannot be read.
pub(crate) fn frames(data: &Path) -> Result<Vec<Frame>, String> {
    let mut found = Vec::new();
    for (path, _) in list(data)? {
        if path
            .extension()
            .is_none_or(|extension| extension != "journal")
        {
            continue;
        }
        let bytes = fs::read(data.join(&path)).map_err(|e| format!("{}: {e}", path.display()))?;
        let places = (0..bytes.len()).step_by(BLOCK);
        found.extend(places.filter_map(|at| frame(&path, at, &bytes[at..])));
    }
    found.sort_by_key(|frame| frame.sequence);
    Ok(found)
}

/// Reads a header, and counts the records of the frame's batches.
fn frame(path: &Path, position: usize, bytes: &[u8]) -> Option<Frame> {
    let u32_at = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    bytes.starts_with(MAGIC).then_some(())?;
    let (mut at, mut records) = (HEADER, 0);
    for _ in 0..u32_at(76)? {
        if *bytes.get(at + 52)? == BATCH {
            let span = u64_at(at + 40)?.checked_sub(u64_at(at + 32)?)?;
            records += usize::try_from(span).ok()?;
        }
        at += ENTRY + u32_at(at + 4)?.next_multiple_of(8);
    }
    Some(Frame {
        path: path.to_owned(),
        position,
        sequence: u64_at(32)?,
        bytes: u32_at(72)?,
        directory: u32_at(80)?,
        content_bytes: u32_at(80)? + DIRECTORY + ROW * u32_at(84)?,
        records,
        has_metadata: has_metadata(bytes, u32_at(80)?, u32_at(84)?),
    })
}

/// Whether the directory has a row of group 0.
fn has_metadata(bytes: &[u8], directory: usize, rows: usize) -> bool {
    let mut rows = (0..rows).filter_map(|row| {
        let at = directory + DIRECTORY + row * ROW;
        bytes.get(at..at + 8)
    });
    rows.any(|group| group == [0; 8])
}
