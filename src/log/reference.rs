//! A journal entry that says where its data lie in a segment. See *Reference* in the formats.
//!
//! What it names is durable before it is framed, so a reference in a good frame whose data are not
//! what it says is damage, unless a later entry cut it off.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use corelog_base::{Offset, PartitionIndex, TopicId, crc32c};
use corelog_rt::{AlignedBuf, File, OpenMode, Runtime};

use crate::Error;
use crate::codec::{
    count, count_u32, get, get_i32, get_i64, get_u32, get_u64, index, put, round_down, round_up,
};
use crate::frame::{EntryHead, Payload};
use crate::group::{folder, segment_path};
use crate::replay::{Content, Data};

/// Before the bytes that are not in the segment's whole blocks.
const FIXED_BYTES: usize = 48;

/// Where an entry's data lie in its group's newest segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub base_offset: Offset,
    pub position: u64,
    /// Whole blocks were written up to here; what lies behind is in the reference.
    pub written: u64,
    /// CRC32C of the data.
    pub crc: u32,
}

impl Place {
    /// How much of the data's end is in no whole block.
    fn inline_bytes(&self, data: u64) -> u64 {
        (self.position + data)
            .saturating_sub(self.written)
            .min(data)
    }

    /// How long the reference is.
    pub(crate) fn bytes(&self, data: &[u8]) -> usize {
        FIXED_BYTES + index(self.inline_bytes(count(data.len())))
    }

    pub(crate) fn encode(&self, topic: TopicId, partition: PartitionIndex, data: &[u8]) -> Vec<u8> {
        let inline = index(self.inline_bytes(count(data.len())));
        let mut bytes = vec![0u8; FIXED_BYTES];
        put(&mut bytes, 0, count_u32(data.len()).to_le_bytes());
        put(&mut bytes, 4, self.crc.to_le_bytes());
        put(&mut bytes, 8, topic.0);
        put(&mut bytes, 24, partition.0.to_le_bytes());
        put(&mut bytes, 28, count_u32(inline).to_le_bytes());
        put(&mut bytes, 32, self.base_offset.0.to_le_bytes());
        put(&mut bytes, 40, self.position.to_le_bytes());
        bytes.extend_from_slice(&data[data.len() - inline..]);
        bytes
    }
}

/// A reference as it was journaled.
struct Reference {
    topic: TopicId,
    partition: PartitionIndex,
    base_offset: Offset,
    position: u64,
    data_bytes: u64,
    crc: u32,
    inline: Bytes,
}

impl Reference {
    fn decode(bytes: &Bytes) -> Option<Self> {
        let reference = Self {
            data_bytes: u64::from(get_u32(bytes, 0)?),
            crc: get_u32(bytes, 4)?,
            topic: TopicId(get(bytes, 8)?),
            partition: PartitionIndex(get_i32(bytes, 24)?),
            base_offset: Offset(get_i64(bytes, 32)?),
            position: get_u64(bytes, 40)?,
            inline: bytes.slice(FIXED_BYTES..),
        };
        let inline = count(reference.inline.len());
        let is_whole = u64::from(get_u32(bytes, 28)?) == inline
            && inline <= reference.data_bytes
            && reference
                .position
                .checked_add(reference.data_bytes)
                .is_some();
        is_whole.then_some(reference)
    }

    /// The end of what is in the segment.
    fn file_end(&self) -> u64 {
        self.position + self.data_bytes - count(self.inline.len())
    }

    fn place(&self) -> Place {
        Place {
            base_offset: self.base_offset,
            position: self.position,
            written: self.file_end(),
            crc: self.crc,
        }
    }
}

/// Segments that were opened for references, the last one each partition needed.
type Open<F> = BTreeMap<PathBuf, Option<F>>;

/// Reads what the references of a journal name, wherever `keep` is interested.
///
/// # Errors
/// `Io` if a segment cannot be read at all. Data that are not there are no error.
pub(crate) async fn resolve<R: Runtime>(
    rt: &R,
    dir: &Path,
    contents: &mut BTreeMap<u64, Content>,
    keep: &dyn Fn(&EntryHead) -> bool,
) -> Result<(), Error> {
    let mut open = Open::new();
    for content in contents.values_mut() {
        let entries = match content {
            Content::Good(entries) | Content::Partial { entries, .. } => entries,
        };
        for entry in entries {
            if entry.head.payload != Payload::Reference || !keep(&entry.head) {
                continue;
            }
            let Data::Own(bytes) = &entry.data else {
                continue;
            };
            entry.data = match Reference::decode(bytes) {
                Some(reference) => read(rt, dir, &reference, &mut open).await?,
                None => Data::Lost,
            };
        }
    }
    Ok(())
}

async fn read<R: Runtime>(
    rt: &R,
    dir: &Path,
    reference: &Reference,
    open: &mut Open<R::File>,
) -> Result<Data, Error> {
    let folder = folder(dir, reference.topic, reference.partition);
    let path = segment_path(&folder, reference.base_offset, 0);
    if !open.contains_key(&path) {
        // Few are written at a time; descriptors are not for many.
        open.clear();
        let file = match rt.open(&path, OpenMode::Read).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other.map_err(|e| Error::io("open segment", &path, e))?),
        };
        open.insert(path.clone(), file);
    }
    let Some(Some(file)) = open.get(&path) else {
        return Ok(Data::Lost);
    };
    let data = read_data(file, reference).await;
    let data = data.map_err(|e| Error::io("read segment", &path, e))?;
    Ok(match data {
        Some(data) => Data::Placed(data, reference.place()),
        None => Data::Lost,
    })
}

/// None if it is not what was written.
async fn read_data<F: File>(file: &F, reference: &Reference) -> io::Result<Option<Bytes>> {
    let block = u64::from(file.alignment());
    let (from, end) = (reference.position, reference.file_end());
    let start = round_down(from, block);
    // Nothing is allocated for what the file does not have.
    if from < end && file.bytes().await? < end {
        return Ok(None);
    }
    let mut data = Vec::with_capacity(index(reference.data_bytes));
    if from < end {
        let buf = AlignedBuf::uncleared(index(round_up(end - start, block)));
        let (result, buf) = file.read(buf, start).await;
        result?;
        let Some(found) = buf.get(index(from - start)..index(end - start)) else {
            return Ok(None);
        };
        data.extend_from_slice(found);
    }
    data.extend_from_slice(&reference.inline);
    let is_sound = crc32c(&data) == reference.crc;
    Ok(is_sound.then(|| Bytes::from(data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(position: u64, written: u64, inline: usize) {
        let data = Bytes::from_static(b"0123456789");
        let place = Place {
            base_offset: Offset(7),
            position,
            written,
            crc: crc32c(&data),
        };
        let bytes = Bytes::from(place.encode(TopicId([3; 16]), PartitionIndex(5), &data));
        assert_eq!(bytes.len(), place.bytes(&data));
        let read = Reference::decode(&bytes).unwrap();
        assert_eq!(read.inline, data.slice(10 - inline..));
        assert_eq!(read.file_end(), position + 10 - inline as u64);
        assert_eq!(
            (read.topic, read.partition),
            (TopicId([3; 16]), PartitionIndex(5))
        );
        for cut in 0..bytes.len() {
            assert!(
                Reference::decode(&bytes.slice(..cut)).is_none(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn what_is_in_no_whole_block_is_inline() {
        check(100, 4096, 0);
        check(4090, 4096, 4);
        check(4096, 4096, 10);
        check(5000, 4096, 10);
    }
}
