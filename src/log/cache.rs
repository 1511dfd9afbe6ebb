//! What a core keeps of its segments between reads: maps, open files, blocks.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use corelog_base::{GroupId, Offset};

use crate::ahead::{FLIGHT_BYTES_MAX, Flights};
use crate::codec::{count, index};
use crate::map::{CHUNK_BYTES, SegmentMap};
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

    fn find(&mut self, id: SegmentId, fits: impl Fn(&V) -> bool) -> Option<&mut V> {
        let at = self
            .items
            .iter()
            .rposition(|item| item.id == id && fits(&item.value))?;
        let item = self.items.remove(at)?;
        self.items.push_back(item);
        self.items.back_mut().map(|item| &mut item.value)
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
    /// Read ahead of a reader who has not come yet.
    is_ahead: bool,
}

impl Block {
    /// That was asked for.
    pub(crate) fn new(position: u64, bytes: Bytes) -> Self {
        Self {
            position,
            bytes,
            is_ahead: false,
        }
    }

    pub(crate) fn ahead(position: u64, bytes: Bytes) -> Self {
        Self {
            is_ahead: true,
            ..Self::new(position, bytes)
        }
    }

    /// The bytes from a position inside on.
    pub(crate) fn from(&self, position: u64) -> Bytes {
        self.bytes.slice(index(position - self.position)..)
    }

    fn end(&self) -> u64 {
        self.position + count(self.bytes.len())
    }

    fn covers(&self, position: u64) -> bool {
        (self.position..self.end()).contains(&position)
    }
}

pub(crate) struct Cache<F> {
    maps: Recent<Arc<SegmentMap>>,
    /// For reads.
    files: Recent<F>,
    pub written: Written<F>,
    blocks: Recent<Block>,
    /// What will be blocks.
    pub flights: Flights,
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
            flights: Flights::default(),
        }
    }

    pub(crate) fn map(&mut self, id: SegmentId) -> Option<Arc<SegmentMap>> {
        self.maps.find(id, |_| true).cloned()
    }

    pub(crate) fn put_map(&mut self, id: SegmentId, map: Arc<SegmentMap>) {
        let bytes = map.memory_bytes();
        self.maps.forget(|other| other == id);
        self.maps.put(id, map, bytes);
    }

    pub(crate) fn file(&mut self, id: SegmentId) -> Option<F> {
        self.files.find(id, |_| true).cloned()
    }

    pub(crate) fn put_file(&mut self, id: SegmentId, file: F) {
        self.files.forget(|other| other == id);
        self.files.put(id, file, 1);
    }

    /// A block with the byte at `position`, for a reader.
    pub(crate) fn block(&mut self, id: SegmentId, position: u64) -> Option<Block> {
        let block = self.blocks.find(id, |block| block.covers(position))?;
        block.is_ahead = false;
        Some(block.clone())
    }

    /// Where the bytes end that are in memory, or on their way to it, from `position` on.
    pub(crate) fn held_to(&self, id: SegmentId, position: u64) -> u64 {
        let mut end = position;
        loop {
            let mut blocks = self.blocks.items.iter().filter(|item| item.id == id);
            let block = blocks.find(|item| item.value.covers(end));
            let block = block.map(|item| item.value.end());
            match block.or_else(|| self.flights.end_of(id, end)) {
                Some(next) => end = next,
                None => return end,
            }
        }
    }

    /// What is to be read next for one who reads on at `position`, of a segment of `end` bytes, so
    /// that what is in memory reaches to `upto`: it counts as on its way from now on. None if it
    /// does, or if memory is short: half is for what was not asked for yet.
    pub(crate) fn begin_flight(
        &mut self,
        id: SegmentId,
        (position, upto, end): (u64, u64, u64),
    ) -> Option<Range<u64>> {
        let from = self.held_to(id, position);
        if from >= upto.min(end) {
            return None;
        }
        let from = from / CHUNK_BYTES * CHUNK_BYTES;
        let unread = self.blocks.items.iter().filter(|item| item.value.is_ahead);
        let unread: u64 = unread.map(|item| item.bytes).sum();
        let budget = self.blocks.bytes_max / 2;
        let bytes = (budget / 4).clamp(CHUNK_BYTES, FLIGHT_BYTES_MAX);
        let bytes = bytes / CHUNK_BYTES * CHUNK_BYTES;
        if unread + self.flights.bytes() + bytes > budget {
            return None;
        }
        Some(self.flights.begin(id, from..end.min(from + bytes)))
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

    const ID: SegmentId = SegmentId {
        group: GroupId(1),
        base_offset: Offset(0),
        generation: 0,
    };
    const KIB: u64 = 1 << 10;

    fn bytes(kib: u64) -> Bytes {
        Bytes::from(vec![0; index(kib * KIB)])
    }

    #[test]
    fn the_oldest_blocks_go_first_and_use_keeps() {
        let mut cache: Cache<()> = Cache::new(512 * KIB, 8);
        for kib in [0, 128, 256] {
            cache.put_block(ID, Block::new(kib * KIB, bytes(128)));
        }
        assert!(cache.block(ID, 0).is_some());
        cache.put_block(ID, Block::new(384 * KIB, bytes(128)));
        assert!(cache.block(ID, 0).is_some(), "used last");
        assert!(cache.block(ID, 128 * KIB).is_none(), "the oldest");
        assert!(cache.block(ID, 512 * KIB).is_none(), "behind the last");
        cache.forget(ID);
        assert_eq!(cache.block_bytes(), 0);
    }

    #[test]
    fn what_is_read_ahead_follows_what_is_held_and_is_bounded() {
        // 768 KiB for blocks, half of it for those that nobody has read.
        let mut cache: Cache<()> = Cache::new(1024 * KIB, 8);
        // Ends inside a chunk, which is read again.
        cache.put_block(ID, Block::new(0, bytes(100)));
        let mut begin = |kib| cache.begin_flight(ID, (0, kib * KIB, 900 * KIB));
        assert_eq!(begin(100), None);
        for from in [64, 128, 192, 256, 320, 384] {
            let flight = from * KIB..(from + 64) * KIB;
            assert_eq!(begin(from + 50), Some(flight));
            assert_eq!(begin(from + 64), None, "it is on its way");
        }
        assert_eq!(begin(900), None, "nobody has read these six");
        cache.flights.land(ID, 64 * KIB);
        cache.put_block(ID, Block::ahead(64 * KIB, bytes(64)));
        let begin = |cache: &mut Cache<()>| cache.begin_flight(ID, (0, 900 * KIB, 500 * KIB));
        assert_eq!(begin(&mut cache), None, "nor now that one has landed");
        assert!(cache.block(ID, 120 * KIB).is_some());
        assert_eq!(begin(&mut cache), Some(448 * KIB..500 * KIB));
        assert!(cache.block(ID, 500 * KIB).is_none());
        assert_eq!(begin(&mut cache), None, "the end");
    }
}
