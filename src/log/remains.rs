//! What is left of a damaged frame.

use crate::codec::count;
use crate::frame::{
    ALIGN, FrameHeader, Parsed, Row, parse_directory, parse_entry, parse_header, seed,
};

/// What can still be read of a frame that is not good.
#[derive(Default, Debug)]
pub(crate) struct Remains<'a> {
    pub header: Option<FrameHeader>,
    pub rows: Option<Vec<Row>>,
    pub entries: Vec<Parsed<'a>>,
}

/// Looks for the parts of frame `sequence` anywhere in `bytes`, which begin at a block. The
/// seeds make a false find as likely as a CRC collision.
pub(crate) fn find_remains<'a>(
    bytes: &'a [u8],
    generation: u64,
    sequence: u64,
    block: usize,
) -> Remains<'a> {
    let seed = seed(generation, sequence);
    let mut remains = Remains::default();
    let mut at = 0;
    while at < bytes.len() {
        let here = &bytes[at..];
        if at.is_multiple_of(block)
            && let Some(header) = parse_header(here)
            && header.sequence == sequence
            && header.generation == generation
        {
            remains.header = Some(header);
        }
        if let Some(entry) = parse_entry(here, seed, sequence) {
            at += entry.stride;
            remains.entries.push(entry);
            continue;
        }
        if let Some(rows) = parse_directory(here, seed, sequence) {
            remains.rows = Some(rows);
        }
        at += ALIGN;
    }
    remains
}

impl Remains<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.header.is_none() && self.rows.is_none() && self.entries.is_empty()
    }

    /// Whether nothing but the frame's own dress is lost.
    pub(crate) fn is_complete(&self) -> bool {
        let found = count(self.entries.len());
        let by_rows = self
            .rows
            .as_ref()
            .is_some_and(|rows| rows.iter().map(|r| u64::from(r.entries)).sum::<u64>() == found);
        by_rows || self.header.is_some_and(|h| u64::from(h.entries) == found)
    }
}
