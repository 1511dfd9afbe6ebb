//! A map's records on disk: each written twice, the newest on top of those before.

use bytes::Bytes;
use corelog_base::{
    EntryKind, GroupId, LogIndex, Offset, Term, TimestampMs, crc32c, crc32c_append,
};
use corelog_rt::AlignedBuf;

use crate::codec::{count, count_u32, get, get_i64, get_u16, get_u32, get_u64, index, put};
use crate::map::{Mark, Run, SegmentMap, bare_entry};
use crate::unit::Framing;
use crate::{Checkpoint, Position, TermStart};

const MAGIC: &[u8; 8] = b"CLGSGMAP";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 160;
const RUN_BYTES: usize = 32;
const MARK_BYTES: usize = 32;
const TERM_BYTES: usize = 24;
const BARE_BYTES: usize = 40;
const FLAG_SEALED: u8 = 1;
const FLAG_COMPACTED: u8 = 2;
const NO_CHECKPOINT: u32 = u32::MAX;
/// Records are found at multiples of this, whatever the file's alignment is.
const STEP: usize = 4096;

/// Both copies of one record, ready to be written.
pub(crate) struct Encoded {
    pub buf: AlignedBuf,
    /// Where it goes: the end of the file so far, or 0 for a whole map.
    pub position: u64,
}

impl SegmentMap {
    /// The record that brings the file up to date. `file` moves when it is durable.
    pub(crate) fn encode_delta(&self, block: u32) -> Encoded {
        self.encode(block, self.file.runs, self.file.marks, self.file.bare)
    }

    /// The whole map as record 0 of a new file.
    pub(crate) fn encode_whole(&self, block: u32) -> Encoded {
        let mut fresh = self.clone();
        fresh.file = Default::default();
        fresh.encode_delta(block)
    }

    /// The file's state once what `encode_delta` returned is durable.
    pub(crate) fn written(&mut self, encoded_bytes: u64, position: u64) {
        self.file.records = if position == 0 {
            1
        } else {
            self.file.records + 1
        };
        self.file.end = position + encoded_bytes;
        self.file.runs = self.runs.len();
        self.file.marks = self.marks.len();
        self.file.bare = self.bare.len();
        // The last chunk may grow; earlier ones never change.
        self.file.chunk = self.chunks.len().saturating_sub(1);
    }

    /// Whether the file holds so many outdated records that it should be written anew.
    pub(crate) fn is_bloated(&self) -> bool {
        let content = self.runs.len() * RUN_BYTES
            + self.marks.len() * MARK_BYTES
            + self.terms.len() * TERM_BYTES
            + self.chunks.len() * 4
            + self
                .bare
                .iter()
                .map(|b| BARE_BYTES + b.data.len())
                .sum::<usize>()
            + self.checkpoint.as_ref().map_or(0, |c| c.data.len());
        self.file.end > 8 * count(content) + (256 << 10)
    }

    fn encode(&self, block: u32, runs: usize, marks: usize, bare: usize) -> Encoded {
        let (runs, marks, bare) = (&self.runs[runs..], &self.marks[marks..], &self.bare[bare..]);
        let chunks = &self.chunks[self.file.chunk.min(self.chunks.len())..];
        let mut bytes = vec![0u8; HEADER_BYTES];
        for run in runs {
            bytes.extend_from_slice(&run.index.0.to_le_bytes());
            bytes.extend_from_slice(&run.term.0.to_le_bytes());
            bytes.extend_from_slice(&run.offset.0.to_le_bytes());
            bytes.extend_from_slice(&run.position.to_le_bytes());
        }
        for mark in marks {
            bytes.extend_from_slice(&mark.position.to_le_bytes());
            bytes.extend_from_slice(&mark.offset.0.to_le_bytes());
            bytes.extend_from_slice(&mark.index.0.to_le_bytes());
            bytes.extend_from_slice(&mark.max_timestamp_before.0.to_le_bytes());
        }
        for term in &self.terms {
            bytes.extend_from_slice(&term.term.0.to_le_bytes());
            bytes.extend_from_slice(&term.index.0.to_le_bytes());
            bytes.extend_from_slice(&term.offset.0.to_le_bytes());
        }
        for sum in chunks {
            bytes.extend_from_slice(&sum.to_le_bytes());
        }
        for entry in bare {
            let mut head = [0u8; BARE_BYTES];
            put(&mut head, 0, entry.index.0.to_le_bytes());
            put(&mut head, 8, entry.term.0.to_le_bytes());
            put(&mut head, 16, entry.base_offset.0.to_le_bytes());
            put(&mut head, 24, [entry.kind as u8]);
            put(&mut head, 28, count_u32(entry.data.len()).to_le_bytes());
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(&entry.data);
            let padding = entry.data.len().next_multiple_of(8) - entry.data.len();
            bytes.resize(bytes.len() + padding, 0);
        }
        bytes.extend_from_slice(&self.tail);
        if let Some(checkpoint) = &self.checkpoint {
            bytes.extend_from_slice(&checkpoint.data);
        }
        let counts = [
            runs.len(),
            marks.len(),
            self.terms.len(),
            chunks.len(),
            bare.len(),
        ];
        let stride = bytes.len().next_multiple_of(block as usize);
        self.put_header(&mut bytes, counts);
        put(&mut bytes, 140, count_u32(stride).to_le_bytes());
        let sum = crc32c(&bytes);
        put(&mut bytes, 8, sum.to_le_bytes());
        let mut buf = AlignedBuf::with_capacity(2 * stride);
        for _ in 0..2 {
            buf.extend_from_slice(&bytes);
            buf.pad_to(block as usize);
        }
        Encoded {
            buf,
            position: self.file.end,
        }
    }

    fn put_header(&self, bytes: &mut [u8], counts: [usize; 5]) {
        let length = count_u32(bytes.len());
        put(bytes, 0, *MAGIC);
        put(bytes, 12, length.to_le_bytes());
        put(bytes, 16, VERSION.to_le_bytes());
        put(bytes, 18, [self.framing as u8]);
        let sealed = if self.sealed { FLAG_SEALED } else { 0 };
        let compacted = if self.generation > 0 {
            FLAG_COMPACTED
        } else {
            0
        };
        put(bytes, 19, [sealed | compacted]);
        put(bytes, 20, self.file.records.to_le_bytes());
        put(bytes, 24, self.group.0.to_le_bytes());
        put(bytes, 32, self.base_offset.0.to_le_bytes());
        put(bytes, 40, self.base_index.0.to_le_bytes());
        put(bytes, 48, self.bytes.to_le_bytes());
        put(bytes, 56, self.whole.to_le_bytes());
        put(bytes, 64, self.settled.index.0.to_le_bytes());
        put(bytes, 72, self.settled.term.0.to_le_bytes());
        put(bytes, 80, self.settled.next_offset.0.to_le_bytes());
        put(bytes, 88, self.max_timestamp.0.to_le_bytes());
        put(bytes, 96, self.begun.0.to_le_bytes());
        let chunk = self.file.chunk.min(self.chunks.len());
        put(bytes, 104, count_u32(chunk).to_le_bytes());
        for (n, at) in counts.into_iter().zip((108..).step_by(4)) {
            put(bytes, at, count_u32(n).to_le_bytes());
        }
        let (at, size) = match &self.checkpoint {
            Some(c) => (c.index.0, count_u32(c.data.len())),
            None => (0, NO_CHECKPOINT),
        };
        put(bytes, 128, at.to_le_bytes());
        put(bytes, 136, size.to_le_bytes());
        put(bytes, 144, count_u32(self.tail.len()).to_le_bytes());
        put(bytes, 148, self.generation.to_le_bytes());
        put(bytes, 152, self.clean.0.to_le_bytes());
    }
}

/// A map that was read, and what is wrong with its file.
pub(crate) struct MapRead {
    pub map: Option<SegmentMap>,
    /// Copies that did not pass, as positions in the file; the torn end is not among them.
    pub bad_copies: Vec<u64>,
}

/// Reads a map's file. Each record counts if one of its copies passes.
pub(crate) fn parse_map(file: &[u8]) -> MapRead {
    let mut out = MapRead {
        map: None,
        bad_copies: Vec::new(),
    };
    // Where the next record's first copy is expected.
    let mut end = 0;
    let mut number = 0;
    let mut at = 0;
    while at < file.len() {
        let Some((record, stride)) = parse_record(&file[at..]) else {
            at += STEP;
            continue;
        };
        let found = get_u32(record, 20).unwrap_or(u32::MAX);
        if found.checked_add(1) == Some(number) && at + stride == end {
            at += stride;
            continue;
        }
        if found != number {
            break;
        }
        let Some(map) = apply(out.map.take(), record) else {
            break;
        };
        if at == end {
            end = at + 2 * stride;
            if parse_record(file.get(at + stride..).unwrap_or_default()).map(|r| r.0)
                != Some(record)
            {
                out.bad_copies.push(count(at + stride));
            }
        } else {
            out.bad_copies.push(count(end));
            end = at + stride;
        }
        number += 1;
        at += stride;
        out.map = Some(map);
    }
    if let Some(map) = &mut out.map {
        map.written(count(end), 0);
        map.file.records = number;
    }
    out
}

/// The record at the start of `bytes`, exactly, and from its one copy to the next, if its sum is
/// right.
fn parse_record(bytes: &[u8]) -> Option<(&[u8], usize)> {
    if &get::<8>(bytes, 0)? != MAGIC {
        return None;
    }
    let length = index(u64::from(get_u32(bytes, 12)?));
    let record = bytes.get(..length)?;
    if length < HEADER_BYTES {
        return None;
    }
    let sum = get_u32(record, 8)?;
    let rest = record.get(12..)?;
    let mut head: [u8; 12] = get(record, 0)?;
    put(&mut head, 8, [0; 4]);
    let all = crc32c_append(crc32c(&head), rest);
    let stride = index(u64::from(get_u32(record, 140)?));
    let sound = all == sum
        && get_u16(record, 16)? == VERSION
        && stride >= length
        && stride.is_multiple_of(STEP);
    sound.then_some((record, stride))
}

fn apply(before: Option<SegmentMap>, record: &[u8]) -> Option<SegmentMap> {
    let group = GroupId(get_u64(record, 24)?);
    let settled = Position {
        index: LogIndex(get_u64(record, 64)?),
        term: Term(get_u64(record, 72)?),
        next_offset: Offset(get_i64(record, 80)?),
    };
    let mut map =
        before.unwrap_or_else(|| SegmentMap::begin(group, settled, Vec::new(), TimestampMs::NONE));
    map.group = group;
    map.framing = Framing::from_u8(*record.get(18)?)?;
    map.sealed = record.get(19)? & FLAG_SEALED != 0;
    map.base_offset = Offset(get_i64(record, 32)?);
    map.base_index = LogIndex(get_u64(record, 40)?);
    map.bytes = get_u64(record, 48)?;
    map.whole = get_u64(record, 56)?;
    map.settled = settled;
    map.max_timestamp = TimestampMs(get_i64(record, 88)?);
    map.begun = TimestampMs(get_i64(record, 96)?);
    map.generation = get_u32(record, 148)?;
    map.clean = Offset(get_i64(record, 152)?);
    let mut counts = [0usize; 5];
    for (n, at) in counts.iter_mut().zip((108..).step_by(4)) {
        *n = index(u64::from(get_u32(record, at)?));
    }
    let mut rest = record.get(HEADER_BYTES..)?;
    apply_places(&mut map, &mut rest, counts[0], counts[1])?;
    map.terms.clear();
    for bytes in take(&mut rest, counts[2], TERM_BYTES)?.chunks_exact(TERM_BYTES) {
        map.terms.push(TermStart {
            term: Term(get_u64(bytes, 0)?),
            index: LogIndex(get_u64(bytes, 8)?),
            offset: Offset(get_i64(bytes, 16)?),
        });
    }
    let first_chunk = index(u64::from(get_u32(record, 104)?));
    if first_chunk > map.chunks.len() {
        return None;
    }
    map.chunks.truncate(first_chunk);
    for bytes in take(&mut rest, counts[3], 4)?.chunks_exact(4) {
        map.chunks.push(get_u32(bytes, 0)?);
    }
    apply_bare(&mut map, &mut rest, counts[4])?;
    let tail = index(u64::from(get_u32(record, 144)?));
    map.tail = Bytes::copy_from_slice(take(&mut rest, 1, tail)?);
    if map.bytes.checked_add(count(tail))? != map.whole {
        return None;
    }
    map.checkpoint = match get_u32(record, 136)? {
        NO_CHECKPOINT => None,
        size => Some(Checkpoint {
            index: LogIndex(get_u64(record, 128)?),
            data: Bytes::copy_from_slice(rest.get(..size as usize)?),
        }),
    };
    Some(map)
}

fn apply_places(map: &mut SegmentMap, rest: &mut &[u8], runs: usize, marks: usize) -> Option<()> {
    for bytes in take(rest, runs, RUN_BYTES)?.chunks_exact(RUN_BYTES) {
        map.runs.push(Run {
            index: LogIndex(get_u64(bytes, 0)?),
            term: Term(get_u64(bytes, 8)?),
            offset: Offset(get_i64(bytes, 16)?),
            position: get_u64(bytes, 24)?,
        });
    }
    for bytes in take(rest, marks, MARK_BYTES)?.chunks_exact(MARK_BYTES) {
        map.marks.push(Mark {
            position: get_u64(bytes, 0)?,
            offset: Offset(get_i64(bytes, 8)?),
            index: LogIndex(get_u64(bytes, 16)?),
            max_timestamp_before: TimestampMs(get_i64(bytes, 24)?),
        });
    }
    Some(())
}

fn apply_bare(map: &mut SegmentMap, rest: &mut &[u8], entries: usize) -> Option<()> {
    for _ in 0..entries {
        let head = take(rest, 1, BARE_BYTES)?;
        let size = index(u64::from(get_u32(head, 28)?));
        let data = take(rest, 1, size.checked_next_multiple_of(8)?)?;
        map.bare.push(bare_entry(
            LogIndex(get_u64(head, 0)?),
            Term(get_u64(head, 8)?),
            Offset(get_i64(head, 16)?),
            EntryKind::from_u8(*head.get(24)?)?,
            Bytes::copy_from_slice(data.get(..size)?),
        ));
    }
    Some(())
}

/// Cuts `n` items of `size` bytes off the front.
fn take<'a>(rest: &mut &'a [u8], n: usize, size: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(n.checked_mul(size)?)?;
    *rest = behind;
    Some(taken)
}
