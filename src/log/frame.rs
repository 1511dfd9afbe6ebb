//! A journal frame: built in place, and taken apart again. The layout is in `docs/formats.md`.

use corelog_base::{EntryKind, GroupId, LogIndex, Offset, Term, crc32c};
use corelog_rt::AlignedBuf;

use crate::JournalId;
use crate::codec::{count, count_u32, get, get_i64, get_u16, get_u32, get_u64, index, put};

pub(crate) const HEADER_BYTES: usize = 128;
pub(crate) const ENTRY_BYTES: usize = 64;
const DIRECTORY_BYTES: usize = 24;
const ROW_BYTES: usize = 56;
pub(crate) const ALIGN: usize = 8;
const MAGIC: &[u8; 8] = b"CLGFRAME";
const DIRECTORY_MAGIC: &[u8; 4] = b"CLGD";
const VERSION: u16 = 1;
pub(crate) const FLAG_SEAL: u16 = 1;
pub(crate) const FLAG_CLOSING: u16 = 2;
const ROW_RECORD: u32 = 1;
const ROW_CARRIED: u32 = 2;
const ENTRY_CARRIED: u8 = 1;
const KIND_RECORD: u8 = 16;
const KIND_REFERENCE: u8 = 17;

const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGN) && ENTRY_BYTES.is_multiple_of(ALIGN));

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameHeader {
    pub flags: u16,
    pub journal: JournalId,
    pub generation: u64,
    pub sequence: u64,
    pub flushed_through: u64,
    pub live_from: u64,
    pub generation_first: u64,
    pub continues_after: u64,
    pub bytes: u32,
    pub entries: u32,
    pub directory_at: u32,
    pub rows: u32,
    /// What is known of the frames before: see [`MetadataBefore`].
    pub metadata_before: MetadataBefore,
}

/// The last frame before this one that holds anything of the metadata group, so that a frame of
/// which nothing is left may be known to have held nothing of it. On disk: 0 if nobody knows, else
/// one more than that frame's sequence, which is 0 if there is none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct MetadataBefore(pub u64);

impl MetadataBefore {
    pub(crate) const NONE: Self = Self(1);

    pub(crate) fn at(sequence: u64) -> Self {
        Self(sequence + 1)
    }

    /// Whether none of the frames from `sequence` up to this one has any.
    pub(crate) fn is_before(self, sequence: u64) -> bool {
        self.0 > 0 && self.0 <= sequence
    }
}

/// What a journal entry carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Payload {
    Entry(EntryKind),
    GroupRecord,
    /// An entry of kind `Batch` whose data lie in a segment.
    Reference,
}

impl Payload {
    fn to_u8(self) -> u8 {
        match self {
            Self::Entry(kind) => kind as u8,
            Self::GroupRecord => KIND_RECORD,
            Self::Reference => KIND_REFERENCE,
        }
    }

    fn from_u8(byte: u8) -> Option<Self> {
        match byte {
            KIND_RECORD => Some(Self::GroupRecord),
            KIND_REFERENCE => Some(Self::Reference),
            _ => EntryKind::from_u8(byte).map(Self::Entry),
        }
    }
}

/// A journal entry's header, without what only the frame knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryHead {
    pub group: GroupId,
    pub index: LogIndex,
    pub term: Term,
    pub base_offset: Offset,
    pub next_offset: Offset,
    pub placement_epoch: u32,
    pub payload: Payload,
    pub carried: bool,
}

/// A directory row: what one group has in a frame. Carried entries have their own row, because
/// their indexes lie apart from the new ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub group: GroupId,
    /// 0 if the row has only a group record.
    pub first: LogIndex,
    /// Inclusive.
    pub last: LogIndex,
    pub base_offset: Offset,
    pub next_offset: Offset,
    /// Journal entries, group records included.
    pub entries: u32,
    pub has_record: bool,
    pub carried: bool,
    pub placement_epoch: u32,
    /// Of the entry at `last`. In memory only.
    pub last_term: Term,
}

/// Differs for every frame ever written to a file: see *Frame* in the formats.
pub(crate) fn seed(generation: u64, sequence: u64) -> u32 {
    let mut bytes = [0u8; 16];
    put(&mut bytes, 0, generation.to_le_bytes());
    put(&mut bytes, 8, sequence.to_le_bytes());
    crc32c(&bytes)
}

/// What is known only when the frame is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub flags: u16,
    pub journal: JournalId,
    pub flushed_through: u64,
    pub live_from: u64,
    pub generation_first: u64,
    pub continues_after: u64,
    pub metadata_before: MetadataBefore,
    /// The alignment of the file.
    pub block: u32,
}

/// A frame that is being filled.
pub(crate) struct Builder {
    buf: AlignedBuf,
    generation: u64,
    sequence: u64,
    seed: u32,
    rows: Vec<Row>,
    entries: u32,
}

/// Where a group's rows are in the frame that is being filled; kept with the group.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct RowHint {
    sequence: u64,
    own: Option<u32>,
    carried: Option<u32>,
}

impl Builder {
    pub(crate) fn new(mut buf: AlignedBuf, generation: u64, sequence: u64) -> Self {
        buf.set_len(0);
        buf.extend_zeros(HEADER_BYTES);
        Self {
            buf,
            generation,
            sequence,
            seed: seed(generation, sequence),
            rows: Vec::new(),
            entries: 0,
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The frame's bytes, before padding, if one more entry with this much data went in.
    pub(crate) fn bytes_with(&self, data: usize) -> usize {
        let entries = self.buf.len() + ENTRY_BYTES + data.next_multiple_of(ALIGN);
        entries + DIRECTORY_BYTES + (self.rows.len() + 1) * ROW_BYTES
    }

    /// Copies an entry into the frame: the one copy that is made of it.
    pub(crate) fn put(&mut self, head: &EntryHead, data: &[u8], hint: &mut RowHint) {
        self.reserve(self.bytes_with(data.len()));
        let at = self.buf.len();
        let end = at + ENTRY_BYTES + data.len();
        self.buf.extend_zeros(ENTRY_BYTES);
        self.buf.extend_from_slice(data);
        let bytes = &mut self.buf[at..end];
        put(bytes, 4, count_u32(data.len()).to_le_bytes());
        put(bytes, 8, head.group.0.to_le_bytes());
        put(bytes, 16, head.index.0.to_le_bytes());
        put(bytes, 24, head.term.0.to_le_bytes());
        put(bytes, 32, head.base_offset.0.to_le_bytes());
        put(bytes, 40, head.next_offset.0.to_le_bytes());
        put(bytes, 48, head.placement_epoch.to_le_bytes());
        put(bytes, 52, [head.payload.to_u8()]);
        put(bytes, 53, [if head.carried { ENTRY_CARRIED } else { 0 }]);
        put(bytes, 56, self.sequence.to_le_bytes());
        let sum = crc32c(&bytes[4..]) ^ self.seed;
        put(bytes, 0, sum.to_le_bytes());
        self.buf.pad_to(ALIGN);
        self.entries += 1;
        self.note(head, hint);
    }

    fn note(&mut self, head: &EntryHead, hint: &mut RowHint) {
        if hint.sequence != self.sequence {
            *hint = RowHint {
                sequence: self.sequence,
                own: None,
                carried: None,
            };
        }
        let slot = if head.carried {
            &mut hint.carried
        } else {
            &mut hint.own
        };
        let place = *slot.get_or_insert_with(|| {
            self.rows.push(Row {
                group: head.group,
                first: LogIndex(0),
                last: LogIndex(0),
                base_offset: Offset(0),
                next_offset: Offset(0),
                entries: 0,
                has_record: false,
                carried: head.carried,
                placement_epoch: head.placement_epoch,
                last_term: Term(0),
            });
            count_u32(self.rows.len() - 1)
        });
        let row = &mut self.rows[place as usize];
        assert_eq!(row.group, head.group);
        row.entries += 1;
        if head.payload == Payload::GroupRecord {
            row.has_record = true;
            return;
        }
        if row.first == LogIndex(0) || head.index < row.first {
            row.first = head.index;
            row.base_offset = head.base_offset;
        }
        row.last = head.index;
        row.last_term = head.term;
        row.next_offset = head.next_offset;
    }

    /// Grows by doubling, so that a buffer that is used again soon fits every frame.
    fn reserve(&mut self, bytes: usize) {
        if bytes <= self.buf.capacity() {
            return;
        }
        let mut larger = AlignedBuf::uncleared(bytes.next_power_of_two());
        larger.extend_from_slice(&self.buf);
        self.buf = larger;
    }

    /// Adds directory, header and padding.
    pub(crate) fn finish(mut self, stamp: &Stamp) -> (AlignedBuf, Vec<Row>) {
        let directory_at = self.buf.len();
        let directory_bytes = DIRECTORY_BYTES + self.rows.len() * ROW_BYTES;
        let block = stamp.block as usize;
        self.reserve((directory_at + directory_bytes).next_multiple_of(block));
        self.buf.extend_zeros(directory_bytes);
        let directory = &mut self.buf[directory_at..];
        put(directory, 0, *DIRECTORY_MAGIC);
        put(directory, 4, count_u32(self.rows.len()).to_le_bytes());
        put(directory, 16, self.sequence.to_le_bytes());
        for (row, bytes) in self
            .rows
            .iter()
            .zip(directory[DIRECTORY_BYTES..].chunks_exact_mut(ROW_BYTES))
        {
            put_row(row, bytes);
        }
        let sum = crc32c(&directory[16..]) ^ self.seed;
        put(directory, 8, sum.to_le_bytes());
        self.buf.pad_to(block);
        let header = FrameHeader {
            flags: stamp.flags,
            journal: stamp.journal,
            generation: self.generation,
            sequence: self.sequence,
            flushed_through: stamp.flushed_through,
            live_from: stamp.live_from,
            generation_first: stamp.generation_first,
            continues_after: stamp.continues_after,
            bytes: count_u32(self.buf.len()),
            entries: self.entries,
            directory_at: count_u32(directory_at),
            rows: count_u32(self.rows.len()),
            metadata_before: stamp.metadata_before,
        };
        put_header(&header, &mut self.buf[..HEADER_BYTES]);
        debug_assert!(parse_header(&self.buf).is_some());
        (self.buf, self.rows)
    }
}

fn put_row(row: &Row, bytes: &mut [u8]) {
    let mut flags = 0;
    if row.has_record {
        flags |= ROW_RECORD;
    }
    if row.carried {
        flags |= ROW_CARRIED;
    }
    put(bytes, 0, row.group.0.to_le_bytes());
    put(bytes, 8, row.first.0.to_le_bytes());
    put(bytes, 16, row.last.0.to_le_bytes());
    put(bytes, 24, row.base_offset.0.to_le_bytes());
    put(bytes, 32, row.next_offset.0.to_le_bytes());
    put(bytes, 40, row.entries.to_le_bytes());
    put(bytes, 44, flags.to_le_bytes());
    put(bytes, 48, row.placement_epoch.to_le_bytes());
}

fn put_header(header: &FrameHeader, bytes: &mut [u8]) {
    bytes.fill(0);
    put(bytes, 0, *MAGIC);
    put(bytes, 8, VERSION.to_le_bytes());
    put(bytes, 10, header.flags.to_le_bytes());
    put(bytes, 16, header.journal.0.to_le_bytes());
    put(bytes, 24, header.generation.to_le_bytes());
    put(bytes, 32, header.sequence.to_le_bytes());
    put(bytes, 40, header.flushed_through.to_le_bytes());
    put(bytes, 48, header.live_from.to_le_bytes());
    put(bytes, 56, header.generation_first.to_le_bytes());
    put(bytes, 64, header.continues_after.to_le_bytes());
    put(bytes, 72, header.bytes.to_le_bytes());
    put(bytes, 76, header.entries.to_le_bytes());
    put(bytes, 80, header.directory_at.to_le_bytes());
    put(bytes, 84, header.rows.to_le_bytes());
    put(bytes, 88, header.metadata_before.0.to_le_bytes());
    let sum = crc32c(bytes);
    put(bytes, 12, sum.to_le_bytes());
}

/// A frame's header, if these bytes begin with one that is sound.
pub(crate) fn parse_header(bytes: &[u8]) -> Option<FrameHeader> {
    let mut copy: [u8; HEADER_BYTES] = get(bytes, 0)?;
    if &copy[..8] != MAGIC {
        return None;
    }
    let sum = get_u32(&copy, 12)?;
    put(&mut copy, 12, [0; 4]);
    if crc32c(&copy) != sum || get_u16(&copy, 8)? != VERSION {
        return None;
    }
    let header = FrameHeader {
        flags: get_u16(&copy, 10)?,
        journal: JournalId(get_u64(&copy, 16)?),
        generation: get_u64(&copy, 24)?,
        sequence: get_u64(&copy, 32)?,
        flushed_through: get_u64(&copy, 40)?,
        live_from: get_u64(&copy, 48)?,
        generation_first: get_u64(&copy, 56)?,
        continues_after: get_u64(&copy, 64)?,
        bytes: get_u32(&copy, 72)?,
        entries: get_u32(&copy, 76)?,
        directory_at: get_u32(&copy, 80)?,
        rows: get_u32(&copy, 84)?,
        metadata_before: MetadataBefore(get_u64(&copy, 88)?),
    };
    let sound = header.bytes as usize >= HEADER_BYTES + DIRECTORY_BYTES
        && header.directory_at as usize >= HEADER_BYTES
        && header.directory_at < header.bytes
        && header.flushed_through < header.sequence;
    sound.then_some(header)
}

/// An entry in a frame that is in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parsed<'a> {
    pub head: EntryHead,
    pub data: &'a [u8],
    /// From one entry to the next.
    pub stride: usize,
}

fn is_sum_of(bytes: &[u8], sum: u32) -> bool {
    #[cfg(feature = "planted")]
    if crate::planted::is_awake(crate::planted::Bug::IgnoresChecksums) {
        return true;
    }
    crc32c(bytes) == sum
}

/// The entry at the start of `bytes`, if it belongs to this frame and is sound.
pub(crate) fn parse_entry(bytes: &[u8], seed: u32, sequence: u64) -> Option<Parsed<'_>> {
    if get_u64(bytes, 56)? != sequence {
        return None;
    }
    let data_bytes = get_u32(bytes, 4)? as usize;
    let end = ENTRY_BYTES.checked_add(data_bytes)?;
    let summed = bytes.get(4..end)?;
    if !is_sum_of(summed, get_u32(bytes, 0)? ^ seed) {
        return None;
    }
    let [kind, flags] = get(bytes, 52)?;
    let head = EntryHead {
        group: GroupId(get_u64(bytes, 8)?),
        index: LogIndex(get_u64(bytes, 16)?),
        term: Term(get_u64(bytes, 24)?),
        base_offset: Offset(get_i64(bytes, 32)?),
        next_offset: Offset(get_i64(bytes, 40)?),
        placement_epoch: get_u32(bytes, 48)?,
        payload: Payload::from_u8(kind)?,
        carried: flags & ENTRY_CARRIED != 0,
    };
    Some(Parsed {
        head,
        data: bytes.get(ENTRY_BYTES..end)?,
        stride: end.next_multiple_of(ALIGN),
    })
}

/// The directory at the start of `bytes`, if it belongs to this frame and is sound.
pub(crate) fn parse_directory(bytes: &[u8], seed: u32, sequence: u64) -> Option<Vec<Row>> {
    if get::<4>(bytes, 0)? != *DIRECTORY_MAGIC || get_u64(bytes, 16)? != sequence {
        return None;
    }
    let rows = get_u32(bytes, 4)? as usize;
    let end = rows.checked_mul(ROW_BYTES)?.checked_add(DIRECTORY_BYTES)?;
    let summed = bytes.get(16..end)?;
    if crc32c(summed) ^ seed != get_u32(bytes, 8)? {
        return None;
    }
    bytes
        .get(DIRECTORY_BYTES..end)?
        .chunks_exact(ROW_BYTES)
        .map(parse_row)
        .collect()
}

fn parse_row(bytes: &[u8]) -> Option<Row> {
    let flags = get_u32(bytes, 44)?;
    Some(Row {
        group: GroupId(get_u64(bytes, 0)?),
        first: LogIndex(get_u64(bytes, 8)?),
        last: LogIndex(get_u64(bytes, 16)?),
        base_offset: Offset(get_i64(bytes, 24)?),
        next_offset: Offset(get_i64(bytes, 32)?),
        entries: get_u32(bytes, 40)?,
        has_record: flags & ROW_RECORD != 0,
        carried: flags & ROW_CARRIED != 0,
        placement_epoch: get_u32(bytes, 48)?,
        last_term: Term(0),
    })
}

/// Whether a whole frame is good: `bytes` are exactly the frame's.
pub(crate) fn parse_frame<'a>(bytes: &'a [u8], header: &FrameHeader) -> Option<Vec<Parsed<'a>>> {
    assert_eq!(count(bytes.len()), u64::from(header.bytes));
    let seed = seed(header.generation, header.sequence);
    let directory_at = index(u64::from(header.directory_at));
    let rows = parse_directory(bytes.get(directory_at..)?, seed, header.sequence)?;
    let in_rows: u64 = rows.iter().map(|row| u64::from(row.entries)).sum();
    if count(rows.len()) != u64::from(header.rows) || in_rows != u64::from(header.entries) {
        return None;
    }
    let mut entries = Vec::new();
    let mut at = HEADER_BYTES;
    while at < directory_at {
        let entry = parse_entry(bytes.get(at..directory_at)?, seed, header.sequence)?;
        at += entry.stride;
        entries.push(entry);
    }
    (at == directory_at && count(entries.len()) == in_rows).then_some(entries)
}

#[cfg(test)]
#[path = "frame_test.rs"]
mod frame_test;
