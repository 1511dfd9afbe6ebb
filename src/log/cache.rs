//! What a core keeps of its segments between reads: maps, open files, blocks.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use corelog_base::{GroupId, Offset};

use crate::codec::count;
use crate::map::SegmentMap;
use crate::written::Written;

/// The smallest share of the budget that a block takes, so that their number is bounded.
const BLOCK_BYTES_MIN: u64 = 64 << 10;

/// A segment of a group, as it is in one file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SegmentId {
    pub group: GroupId,
    pub base_offset: Offset,
    pub generation: u32,
}

struct Item<V> {
    id: SegmentId,
    value: V,
    bytes: u64,
}

/// The most recently used last. Searched one by one: its budget keeps it short.
struct Recent<V> {
    items: VecDeque<Item<V>>,
    bytes: u64,
    bytes_max: u64,
}

impl<V: Clone> Recent<V> {
    fn new(bytes_max: u64) -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    fn find(&mut self, id: SegmentId, fits: impl Fn(&V) -> bool) -> Option<V> {
        let at = self
            .items
            .iter()
            .rposition(|item| item.id == id && fits(&item.value))?;
        let item = self.items.remove(at)?;
        let value = item.value.clone();
        self.items.push_back(item);
        Some(value)
    }

    fn put(&mut self, id: SegmentId, value: V, bytes: u64) {
        self.bytes += bytes;
        self.items.push_back(Item { id, value, bytes });
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.items.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }

    fn forget(&mut self, gone: impl Fn(SegmentId) -> bool) {
        let bytes = &mut self.bytes;
        self.items.retain(|item| {
            let goes = gone(item.id);
            if goes {
                *bytes -= item.bytes;
            }
            !goes
        });
    }
}

/// Sound bytes of a segment, from the start of a chunk on.
#[derive(Clone)]
pub(crate) struct Block {
    pub position: u64,
    pub bytes: Bytes,
}

pub(crate) struct Cache<F> {
    maps: Recent<Arc<SegmentMap>>,
    /// For reads.
    files: Recent<F>,
    pub written: Written<F>,
    blocks: Recent<Block>,
}

impl<F: Clone> Cache<F> {
    /// A quarter of the bytes is for maps, the rest for blocks; a quarter of the files for reads,
    /// the rest for writes.
    pub(crate) fn new(bytes_max: u64, files_max: u32) -> Self {
        let files_max = u64::from(files_max);
        Self {
            maps: Recent::new(bytes_max / 4),
            files: Recent::new(files_max / 4),
            written: Written::new(files_max / 8 * 3),
            blocks: Recent::new(bytes_max / 4 * 3),
        }
    }

    pub(crate) fn map(&mut self, id: SegmentId) -> Option<Arc<SegmentMap>> {
        self.maps.find(id, |_| true)
    }

    pub(crate) fn put_map(&mut self, id: SegmentId, map: Arc<SegmentMap>) {
        let bytes = map.memory_bytes();
        self.maps.forget(|other| other == id);
        self.maps.put(id, map, bytes);
    }

    pub(crate) fn file(&mut self, id: SegmentId) -> Option<F> {
        self.files.find(id, |_| true)
    }

    pub(crate) fn put_file(&mut self, id: SegmentId, file: F) {
        self.files.forget(|other| other == id);
        self.files.put(id, file, 1);
    }

    /// A block with the whole chunk, or all of it that there is, at `position`.
    pub(crate) fn block(&mut self, id: SegmentId, position: u64, length: u64) -> Option<Block> {
        self.blocks.find(id, |block| {
            block.position <= position
                && position + length <= block.position + count(block.bytes.len())
        })
    }

    pub(crate) fn put_block(&mut self, id: SegmentId, block: Block) {
        let bytes = count(block.bytes.len()).max(BLOCK_BYTES_MIN);
        self.blocks.put(id, block, bytes);
    }

    pub(crate) fn block_bytes(&self) -> u64 {
        self.blocks.bytes
    }

    /// A segment was unlinked.
    pub(crate) fn forget(&mut self, id: SegmentId) {
        self.forget_all(|other| other == id);
    }

    pub(crate) fn forget_group(&mut self, group: GroupId) {
        self.forget_all(|other| other.group == group);
    }

    fn forget_all(&mut self, gone: impl Fn(SegmentId) -> bool) {
        self.maps.forget(&gone);
        self.files.forget(&gone);
        self.written.forget(&gone);
        self.blocks.forget(&gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_blocks_go_first_and_use_keeps() {
        let mut cache: Cache<()> = Cache::new(512 << 10, 8);
        let id = SegmentId {
            group: GroupId(1),
            base_offset: Offset(0),
            generation: 0,
        };
        let block = |position| Block {
            position,
            bytes: Bytes::from(vec![0; 128 << 10]),
        };
        for position in [0, 128 << 10, 256 << 10] {
            cache.put_block(id, block(position));
        }
        assert!(cache.block(id, 0, 64 << 10).is_some());
        cache.put_block(id, block(384 << 10));
        assert!(cache.block(id, 0, 64 << 10).is_some(), "used last");
        assert!(cache.block(id, 128 << 10, 1).is_none(), "the oldest");
        assert!(cache.block(id, 64 << 10, 128 << 10).is_none(), "too short");
        cache.forget(id);
        assert_eq!(cache.block_bytes(), 0);
    }
}
