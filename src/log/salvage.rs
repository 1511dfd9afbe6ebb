//! `corelog log salvage`: copies what is sound in a stopped node's files to plain Kafka segments.
//!
//! Nothing but a batch's own checksum is trusted, so that a lost map costs nothing: a segment is
//! walked batch by batch, and behind damage the next batch that is sound is looked for. What a
//! segment does not hold yet comes from its map's tail and from the journals.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use corelog_base::{Entry, EntryKind, GroupId, Offset, PartitionIndex, TopicId};
use corelog_record::{BatchHeader, verify};
use corelog_rt::{AlignedBuf, File, OpenMode, Runtime};

use crate::codec::{count, index, round_up};
use crate::group::{folder, map_path, segment_path};
use crate::leftovers::{generations, look_at_compacted};
use crate::map_codec::parse_map;
use crate::scan_segments::{list, numbers};
use crate::verify::journals;
use crate::{Error, RestoredGroup, scan};

/// Read at once.
const WINDOW_BYTES: u64 = 4 << 20;
/// Where a batch says its format, and which one counts.
const MAGIC_AT: usize = 16;
const MAGIC: u8 = 2;

/// What was saved of one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Salvaged {
    pub topic: TopicId,
    pub partition: PartitionIndex,
    pub batches: u64,
    pub bytes: u64,
    /// From the first batch to the end of the last one; both 0 if there is none.
    pub offsets: Range<Offset>,
    /// Offsets that no sound batch has.
    pub lost: Vec<Range<Offset>>,
    pub files: Vec<PathBuf>,
}

/// Copies every partition's sound batches to `out/TOPIC_ID-PARTITION/BASE_OFFSET.log`. `dir` is
/// only read. Records that were never committed may be among those of the journals.
///
/// # Errors
/// `Io` if a file cannot be read or written at all. Damage is no error.
pub async fn salvage<R: Runtime>(rt: &R, dir: &Path, out: &Path) -> Result<Vec<Salvaged>, Error> {
    let ids = journals(rt, dir).await?;
    let restored = scan(rt, dir, &ids).await?;
    let mut all = Vec::new();
    for group in restored.groups() {
        if group.group != GroupId::METADATA {
            all.push(salvage_group(rt, dir, out, group).await?);
        }
    }
    all.sort_by_key(|s| (s.topic, s.partition));
    Ok(all)
}

async fn salvage_group<R: Runtime>(
    rt: &R,
    dir: &Path,
    out: &Path,
    group: &RestoredGroup,
) -> Result<Salvaged, Error> {
    let from = folder(dir, group.topic, group.partition);
    let to = out.join(format!("{}-{}", group.topic, group.partition));
    let mut saved = Saved::new(group.start.offset);
    let mut files = Vec::new();
    let entries = list(rt, &from).await?;
    let gone = look_at_compacted(rt, &from, &entries).await?.gone;
    let plain = numbers(&entries, ".log").map(|(base, _)| (base, 0));
    let maps = numbers(&entries, ".map").map(|(base, _)| base);
    let maps: BTreeSet<Offset> = maps
        .filter(|b| !gone.contains(&map_path(&from, *b)))
        .collect();
    // Of each segment the file that counts, or the newest if nobody says which one that is.
    let files_of = plain.chain(generations(&entries));
    let mut bases: BTreeMap<Offset, u32> = maps.iter().map(|base| (*base, 0)).collect();
    for (base, generation) in files_of {
        if !gone.contains(&segment_path(&from, base, generation)) {
            let newest = bases.entry(base).or_default();
            *newest = generation.max(*newest);
        }
    }
    for (base, generation) in bases {
        let (bytes, end) = read_segment(rt, &from, base, generation).await?;
        match generation {
            0 => saved.walk(&bytes),
            _ => saved.walk_compacted(&bytes, end),
        }
        files.extend(write(rt, &to, &mut saved).await?);
    }
    for entry in &group.entries {
        saved.entry(entry);
    }
    files.extend(write(rt, &to, &mut saved).await?);
    saved.end(group.settled.next_offset);
    Ok(Salvaged {
        topic: group.topic,
        partition: group.partition,
        batches: saved.batches,
        bytes: saved.bytes,
        offsets: saved.first.unwrap_or(Offset(0))..saved.next.unwrap_or(Offset(0)),
        lost: saved.lost,
        files,
    })
}

/// A segment's file as far as it can be read, and its map's tail; and where the map says that it
/// ends.
async fn read_segment<R: Runtime>(
    rt: &R,
    from: &Path,
    base: Offset,
    generation: u32,
) -> Result<(Vec<u8>, Option<Offset>), Error> {
    let path = segment_path(from, base, generation);
    let mut bytes = match rt.open(&path, OpenMode::Read).await {
        Ok(file) => read_file(&file)
            .await
            .map_err(|e| Error::io("read segment", &path, e))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Error::io("open segment", &path, error)),
    };
    let path = map_path(from, base);
    // Without it, the tail is all that is missing.
    let map = rt.read_small(&path).await.unwrap_or_default();
    let map = parse_map(&map).map;
    if let Some(map) = &map {
        bytes.truncate(index(map.bytes));
        bytes.extend_from_slice(&map.tail);
    }
    Ok((bytes, map.map(|map| map.settled.next_offset)))
}

async fn read_file<F: File>(file: &F) -> std::io::Result<Vec<u8>> {
    let length = file.bytes().await?;
    let block = u64::from(file.alignment());
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < length {
        let room = round_up(WINDOW_BYTES.min(length - at), block);
        let (result, buf) = file.read(AlignedBuf::uncleared(index(room)), at).await;
        match result {
            Ok(0) => break,
            Ok(_) => bytes.extend_from_slice(&buf),
            // A block that the disk does not give: what lies behind it still counts.
            Err(_) => bytes.resize(bytes.len() + index(room), 0),
        }
        at += room;
    }
    bytes.truncate(index(length));
    Ok(bytes)
}

/// Writes what was collected as one segment; None if there is nothing.
async fn write<R: Runtime>(rt: &R, to: &Path, saved: &mut Saved) -> Result<Option<PathBuf>, Error> {
    let (Some(base), bytes) = (saved.base.take(), std::mem::take(&mut saved.sound)) else {
        return Ok(None);
    };
    rt.create_dir_all(to)
        .await
        .map_err(|e| Error::io("create folder", to, e))?;
    let path = segment_path(to, base, 0);
    rt.write_small(&path, bytes)
        .await
        .map_err(|e| Error::io("write segment", &path, e))?;
    Ok(Some(path))
}

/// What is collected of one partition.
struct Saved {
    /// Records below were deleted.
    start: Offset,
    /// Sound batches for the next file, and the first one's offset.
    sound: Vec<u8>,
    base: Option<Offset>,
    first: Option<Offset>,
    next: Option<Offset>,
    batches: u64,
    bytes: u64,
    lost: Vec<Range<Offset>>,
}

impl Saved {
    fn new(start: Offset) -> Self {
        Self {
            start,
            sound: Vec::new(),
            base: None,
            first: None,
            next: None,
            batches: 0,
            bytes: 0,
            lost: Vec::new(),
        }
    }

    fn walk(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match sound_batch(rest) {
                Some((header, batch)) => {
                    rest = rest.get(batch.len()..).unwrap_or_default();
                    if self.is_in_place(&header, rest) {
                        self.batch(&header, batch);
                    }
                }
                None => rest = next_sound(rest),
            }
        }
    }

    /// Of a compacted segment, where offsets may jump: only around damage something is lost.
    fn walk_compacted(&mut self, bytes: &[u8], end: Option<Offset>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match sound_batch(rest) {
                Some((header, batch)) => {
                    let is_new = self.next.is_none_or(|known| header.base_offset >= known);
                    if is_new && header.next_offset() > self.start {
                        self.next = Some(header.base_offset);
                    }
                    rest = rest.get(batch.len()..).unwrap_or_default();
                    self.batch(&header, batch);
                }
                None => {
                    let behind = next_sound(rest);
                    let from = self.next.unwrap_or(self.start);
                    let upto = sound_batch(behind).map(|(header, _)| header.base_offset);
                    if let Some(upto) = upto.or(end).filter(|upto| *upto > from) {
                        self.lost.push(from..upto);
                    }
                    rest = behind;
                }
            }
        }
        self.next = self.next.max(end);
    }

    /// The checksum doesn't cover the base offset: where offsets jump, the next batch has to agree.
    fn is_in_place(&self, header: &BatchHeader, behind: &[u8]) -> bool {
        let jumps = self.next.is_some_and(|next| header.base_offset > next);
        !jumps || sound_batch(behind).is_none_or(|(h, _)| h.base_offset == header.next_offset())
    }

    /// What the log says it had.
    fn end(&mut self, end: Offset) {
        let next = self.next.unwrap_or(self.start);
        if end > next {
            self.lost.push(next..end);
        }
    }

    fn entry(&mut self, entry: &Entry) {
        if entry.kind == EntryKind::Batch
            && let Some((header, batch)) = sound_batch(&entry.data)
        {
            self.batch(&header, batch);
        }
    }

    fn batch(&mut self, header: &BatchHeader, batch: &[u8]) {
        let (base, next) = (header.base_offset, header.next_offset());
        // Deleted, or the journal has it too.
        if next <= self.start || self.next.is_some_and(|known| base < known) {
            return;
        }
        let expected = self.next.unwrap_or(self.start);
        if base > expected {
            self.lost.push(expected..base);
        }
        self.first.get_or_insert(base);
        self.base.get_or_insert(base);
        self.next = Some(next);
        self.batches += 1;
        self.bytes += count(batch.len());
        self.sound.extend_from_slice(batch);
    }
}

/// The batch at the front, if every bit of it that its checksum covers is right.
fn sound_batch(bytes: &[u8]) -> Option<(BatchHeader, &[u8])> {
    let header = BatchHeader::parse(bytes).ok()?;
    let batch = bytes.get(..header.batch_bytes as usize)?;
    verify(batch).ok()?;
    Some((header, batch))
}

/// The bytes from the next sound batch on, behind the front; empty if there is none.
fn next_sound(bytes: &[u8]) -> &[u8] {
    for at in 1..bytes.len() {
        if bytes.get(at + MAGIC_AT) != Some(&MAGIC) {
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        if sound_batch(rest).is_some() {
            return rest;
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use corelog_base::TimestampMs;
    use corelog_record::{BatchBuilder, Codec, stamp};

    use super::*;

    fn batch(base: i64, records: i64) -> Vec<u8> {
        let mut batch = BatchBuilder::new(Codec::None);
        for _ in 0..records {
            let value = [base as u8; 40];
            batch
                .push(TimestampMs(0), None, Some(&value), &[])
                .expect("it fits");
        }
        let mut bytes = batch.finish();
        stamp(&mut bytes, Offset(base), corelog_base::LeaderEpoch(1));
        bytes.to_vec()
    }

    #[test]
    fn damage_costs_its_own_batch_only() {
        let parts = [batch(0, 2), batch(2, 3), batch(5, 1), batch(6, 4)];
        let sound = parts.concat();
        // A bit in every byte of the second and the third batch.
        let from = parts[0].len();
        for at in from..from + parts[1].len() + parts[2].len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x10;
            let mut saved = Saved::new(Offset(0));
            saved.walk(&bytes);
            let is_second = at < from + parts[1].len();
            let inside = at - from - if is_second { 0 } else { parts[1].len() };
            // The checksum doesn't cover the leader epoch.
            if (12..16).contains(&inside) {
                continue;
            }
            let gone = if is_second { 2..5 } else { 5..6 };
            assert_eq!(
                saved.lost,
                [Offset(gone.start)..Offset(gone.end)],
                "byte {at}"
            );
            assert_eq!((saved.batches, saved.next), (3, Some(Offset(10))));
        }
    }

    #[test]
    fn what_the_journal_holds_too_is_taken_once() {
        let mut saved = Saved::new(Offset(2));
        saved.walk(&[batch(0, 2), batch(2, 3)].concat());
        saved.walk(&batch(2, 3));
        saved.walk(&batch(5, 2));
        assert_eq!((saved.batches, saved.first), (2, Some(Offset(2))));
        assert!(
            saved.lost.is_empty(),
            "what lies below the start was deleted"
        );
    }
}
