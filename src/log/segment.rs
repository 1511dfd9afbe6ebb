//! Reading a segment: its map, its checked bytes, a walk over its entries.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use corelog_base::{Entry, EntryKind, GroupId, LogIndex, Offset};
use corelog_rt::{AlignedBuf, File, OpenMode, Runtime};

use crate::ahead::FLIGHT_BYTES_MAX;
use crate::cache::{Block, SegmentId};
use crate::codec::{count, index, round_up};
use crate::group::{SegmentMeta, folder, map_path, segment_path};
use crate::map::{CHUNK_BYTES, Mark, SegmentMap};
use crate::scan_segments::read_map;
use crate::unit::{Framing, Unit};
use crate::{Error, Event, Kind, Log};

/// One segment, opened for reading.
pub(crate) struct Segment<R: Runtime> {
    pub log: Log<R>,
    pub map: Arc<SegmentMap>,
    /// None if everything settled is still in the map's tail.
    file: Option<R::File>,
}

impl<R: Runtime> Clone for Segment<R> {
    fn clone(&self) -> Self {
        Self {
            log: self.log.clone(),
            map: self.map.clone(),
            file: self.file.clone(),
        }
    }
}

/// Where a walk stands: the next entry's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    pub position: u64,
    pub index: LogIndex,
}

impl From<Mark> for Cursor {
    fn from(mark: Mark) -> Self {
        Self {
            position: mark.position,
            index: mark.index,
        }
    }
}

/// Bytes of a segment from a position on, checked; fewer than asked for at damage or the end.
pub(crate) struct Stretch {
    pub position: u64,
    pub bytes: Bytes,
    /// Whether what follows is damaged.
    pub cut: bool,
}

impl Stretch {
    /// The bytes `from..to` of the segment.
    pub(crate) fn slice(&self, from: u64, to: u64) -> Option<Bytes> {
        let start = from.checked_sub(self.position)?;
        let end = to.checked_sub(self.position)?;
        if end > count(self.bytes.len()) || start > end {
            return None;
        }
        Some(self.bytes.slice(index(start)..index(end)))
    }

    /// The unit that begins at `position`, if its header is here.
    fn unit(&self, framing: Framing, position: u64) -> Option<Unit> {
        let at = index(position.checked_sub(self.position)?);
        let end = at.checked_add(framing.header_bytes())?;
        framing.parse(self.bytes.get(at..end)?)
    }

    /// Where the unit lies that begins at `position`, as far as is known, if not all of it is here.
    pub(crate) fn missing(&self, framing: Framing, position: u64) -> Option<Range<u64>> {
        let unit = self.unit(framing, position);
        let bytes = unit.map_or(count(framing.header_bytes()), |unit| unit.bytes);
        let place = position..position + bytes;
        match self.slice(place.start, place.end) {
            Some(_) => None,
            None => Some(place),
        }
    }
}

impl<R: Runtime> Log<R> {
    /// The segment that begins at `base_offset`.
    pub(crate) async fn segment(
        &self,
        group: GroupId,
        base_offset: Offset,
    ) -> Result<Segment<R>, Error> {
        let map = self.segment_map(group, base_offset).await?;
        let mut file = None;
        if map.bytes > 0 {
            file = Some(self.segment_file(map.id()).await?);
        }
        Ok(Segment {
            log: self.clone(),
            map,
            file,
        })
    }

    async fn segment_map(
        &self,
        group: GroupId,
        base_offset: Offset,
    ) -> Result<Arc<SegmentMap>, Error> {
        let (known, folder) = self.with(|c| {
            let state = c.group(group)?;
            let newest = state.segments.newest.as_ref();
            let newest = newest.filter(|map| map.base_offset == base_offset).cloned();
            let folder = folder(&c.options.dir, state.topic, state.partition);
            let meta = state.segments.find(base_offset);
            let id = meta
                .map(|meta| meta.id(group))
                .ok_or_else(|| Error::new(Kind::OutOfRange, "find segment").group(group))?;
            Ok((newest.or_else(|| c.cache.map(id)), folder))
        })?;
        if let Some(map) = known {
            return Ok(map);
        }
        self.with(|c| c.stats.disk_reads += 1);
        let Some(map) = read_map(&self.rt, &folder, base_offset).await? else {
            let next = self.with(|c| c.groups.get(&group)?.segment_after(base_offset));
            let range = base_offset..next.unwrap_or(Offset(i64::MAX));
            let path = map_path(&folder, base_offset);
            return Err(Error::damaged("read segment map", group, range).at(&path));
        };
        let map = Arc::new(map);
        self.with(|c| {
            let Some(state) = c.groups.get_mut(&group) else {
                return;
            };
            // Not if it was replaced or trimmed while it was read.
            let meta = state.segments.find_mut(base_offset);
            if let Some(meta) = meta.filter(|meta| meta.generation == map.generation) {
                *meta = SegmentMeta::of(&map);
                c.cache.put_map(map.id(), map.clone());
            }
        });
        Ok(map)
    }

    async fn segment_file(&self, id: SegmentId) -> Result<R::File, Error> {
        let group = id.group;
        let (known, path) = self.with(|c| {
            let state = c.group(group)?;
            let folder = folder(&c.options.dir, state.topic, state.partition);
            let path = segment_path(&folder, id.base_offset, id.generation);
            Ok((c.cache.file(id), path))
        })?;
        if let Some(file) = known {
            return Ok(file);
        }
        let file = self
            .rt
            .open(&path, OpenMode::Read)
            .await
            .map_err(|e| Error::io("open segment", &path, e).group(group))?;
        self.with(|c| {
            let state = c.groups.get(&group);
            let meta = state.and_then(|s| s.segments.find(id.base_offset));
            // One that was replaced meanwhile is closed with this reader.
            if meta.is_some_and(|meta| meta.generation == id.generation) {
                c.cache.put_file(id, file.clone());
            }
        });
        Ok(file)
    }

    /// Reads the maps of segments whose end is not known.
    pub(crate) async fn load_ends(&self, group: GroupId) -> Result<(), Error> {
        let unknown = self.with(|c| {
            let state = c.group(group)?;
            let list = state.segments.list.iter().filter(|s| s.end.is_none());
            Ok(list.map(|s| s.base_offset).collect::<Vec<_>>())
        })?;
        for base_offset in unknown {
            let loaded = self.segment_map(group, base_offset).await;
            if self.has_segment(group, base_offset) {
                loaded?;
            }
        }
        Ok(())
    }

    /// Reads them in the background, unless that is under way: whoever asks, asks again later.
    pub(crate) fn learn_ends(&self, group: GroupId) {
        let begins = self.with(|c| {
            let state = c.groups.get_mut(&group);
            state.is_some_and(|g| !std::mem::replace(&mut g.segments.learns_ends, true))
        });
        if !begins {
            return;
        }
        let log = self.clone();
        self.start(async move {
            if let Err(error) = log.load_ends(group).await {
                tracing::warn!("look at old segments of group {group}: {error}");
            }
            log.with(|c| {
                if let Some(state) = c.groups.get_mut(&group) {
                    state.segments.learns_ends = false;
                }
            });
        });
    }

    /// What `read` gives if no file of the group was replaced by a compacted one meanwhile; what it
    /// says otherwise does not count, and it runs again. A replacement is seldom, and each repeats
    /// a read once.
    pub(crate) async fn settled_read<T>(
        &self,
        group: GroupId,
        read: impl AsyncFn() -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let replaced = self.with(|c| c.group(group).map(|g| g.segments.replaced))?;
            let found = read().await;
            if self.with(|c| c.group(group).map(|g| g.segments.replaced))? == replaced {
                return found;
            }
        }
    }

    /// False once it was trimmed away: what a read of it says does not count.
    pub(crate) fn has_segment(&self, group: GroupId, base_offset: Offset) -> bool {
        self.with(|c| {
            let list = c.groups.get(&group).map(|g| &g.segments.list);
            list.is_some_and(|l| l.iter().any(|s| s.base_offset == base_offset))
        })
    }

    /// Tells the broker of damage that a read has found.
    pub(crate) fn report_damage(&self, error: &Error) {
        if let (Kind::Damaged, Some(group), Some(range)) = (error.kind, error.group, &error.range) {
            let range = range.clone();
            self.with(|c| c.events.push(Event::Damaged { group, range }));
            self.wake.events.notify();
        }
    }
}

impl<R: Runtime> Segment<R> {
    /// The bytes at `position`: at least `least` and about `length`, if there are so many. With
    /// `ahead`, what follows is read meanwhile, for the next read.
    ///
    /// # Errors
    /// `Damaged` if the bytes at `position` are; `Io`.
    async fn read(
        &self,
        position: u64,
        (least, length): (u64, u64),
        ahead: bool,
    ) -> Result<Stretch, Error> {
        let map = &self.map;
        let end = position.saturating_add(length).min(map.whole);
        let least = position.saturating_add(least).min(map.bytes);
        if position >= map.bytes {
            return Ok(Stretch {
                position: map.bytes,
                bytes: map.tail.clone(),
                cut: false,
            });
        }
        let first = position / CHUNK_BYTES;
        let disk_end = end.min(map.bytes);
        let mut stretch = self.blocks(first, (least, disk_end), ahead).await?;
        let read_end = stretch.position + count(stretch.bytes.len());
        if end > map.bytes && !stretch.cut && read_end == map.bytes && !map.tail.is_empty() {
            let mut both = BytesMut::with_capacity(stretch.bytes.len() + map.tail.len());
            both.extend_from_slice(&stretch.bytes);
            both.extend_from_slice(&map.tail);
            stretch.bytes = both.freeze();
        }
        Ok(stretch)
    }

    /// Checked bytes from chunk `first` on: up to `least`, and about up to `end`.
    async fn blocks(
        &self,
        first: u64,
        (least, end): (u64, u64),
        ahead: bool,
    ) -> Result<Stretch, Error> {
        let position = first * CHUNK_BYTES;
        if ahead {
            self.read_ahead(position, end);
        }
        if let Some(bytes) = self.at_hand(position, least).await {
            return Ok(Stretch {
                position,
                bytes,
                cut: false,
            });
        }
        let end = end.min(least.max(position + FLIGHT_BYTES_MAX));
        let to = round_up(end, CHUNK_BYTES).min(self.map.bytes);
        let bytes = self.read_file(position, to - position).await?;
        let sound = self.sound(first, &bytes)?;
        let cut = position + count(sound.len()) < to;
        let block = Block::new(position, sound.clone());
        self.log.with(|c| c.cache.put_block(self.map.id(), block));
        Ok(Stretch {
            position,
            bytes: sound,
            cut,
        })
    }

    pub(crate) async fn read_file(&self, position: u64, length: u64) -> Result<Bytes, Error> {
        let Some(file) = &self.file else {
            return Err(self.damaged(position));
        };
        self.log.with(|c| c.stats.disk_reads += 1);
        let block = u64::from(file.alignment());
        let buf = AlignedBuf::uncleared(index(round_up(length, block)));
        let (result, buf) = file.read(buf, position).await;
        if let Err(error) = result {
            let path = self.path();
            return Err(Error::io("read segment", &path, error).group(self.map.group));
        }
        let mut bytes = buf.into_bytes();
        bytes.truncate(index(length));
        Ok(bytes)
    }

    fn path(&self) -> std::path::PathBuf {
        let map = &self.map;
        self.log.with(|c| {
            let Ok(state) = c.group(map.group) else {
                return std::path::PathBuf::new();
            };
            let folder = folder(&c.options.dir, state.topic, state.partition);
            segment_path(&folder, map.base_offset, map.generation)
        })
    }

    /// The chunks from `first` on that are what was written; at least one.
    pub(crate) fn sound(&self, first: u64, bytes: &Bytes) -> Result<Bytes, Error> {
        let sound = self.sound_start(first, bytes);
        if sound.is_empty() {
            return Err(self.damaged(first * CHUNK_BYTES));
        }
        Ok(sound)
    }

    /// The chunks from `first` on up to the first that is not what was written.
    pub(crate) fn sound_start(&self, first: u64, bytes: &Bytes) -> Bytes {
        let mut end = 0;
        for (number, chunk) in (first..).zip(bytes.chunks(index(CHUNK_BYTES))) {
            if !self.map.is_sound(number, chunk) {
                break;
            }
            end += chunk.len();
        }
        bytes.slice(..end)
    }

    /// Names the offsets of the chunk at `position`.
    pub(crate) fn damaged(&self, position: u64) -> Error {
        let from = position / CHUNK_BYTES * CHUNK_BYTES;
        let range = self.map.offsets_in(from, from + CHUNK_BYTES);
        let error = Error::damaged("read segment", self.map.group, range);
        self.log.report_damage(&error);
        error
    }

    /// The unit at a position, with a stretch that begins at or before it and holds all of it.
    /// None at the end. `held` is used if it has it; otherwise at least `bytes_min` are read.
    pub(crate) async fn unit_at(
        &self,
        position: u64,
        held: &mut Stretch,
        bytes_min: u64,
        ahead: bool,
    ) -> Result<Option<Unit>, Error> {
        let framing = self.map.framing;
        if position >= self.map.whole {
            return Ok(None);
        }
        let header = count(framing.header_bytes());
        if held.unit(framing, position).is_none() {
            let length = bytes_min.max(header);
            *held = self.read(position, (header, length), ahead).await?;
        }
        let Some(unit) = held.unit(framing, position) else {
            return Err(self.broken(position, held));
        };
        let end = position + unit.bytes;
        if held.slice(position, end).is_none() && end <= self.map.whole && !held.cut {
            let length = bytes_min.max(unit.bytes);
            *held = self.read(position, (unit.bytes, length), ahead).await?;
        }
        if held.slice(position, end).is_none() {
            return Err(self.broken(position, held));
        }
        Ok(Some(unit))
    }

    /// What stands at `position` ends behind what is sound.
    fn broken(&self, position: u64, held: &Stretch) -> Error {
        let end = held.position + count(held.bytes.len());
        self.damaged(if held.cut { end } else { position })
    }

    /// The entry under the cursor, which moves on; None behind the last.
    pub(crate) async fn next_entry(
        &self,
        cursor: &mut Cursor,
        held: &mut Stretch,
        bytes_min: u64,
        ahead: bool,
    ) -> Result<Option<Entry>, Error> {
        let at = cursor.index;
        if at > self.map.settled.index {
            return Ok(None);
        }
        cursor.index = at.next();
        if let Some(entry) = self.map.bare_at(at) {
            return Ok(Some(entry.clone()));
        }
        let position = cursor.position;
        let Some(unit) = self.unit_at(position, held, bytes_min, ahead).await? else {
            return Err(self.damaged(position));
        };
        cursor.position += unit.bytes;
        let data_at = position + count(unit.data_at);
        let data = held.slice(data_at, cursor.position);
        let term = self.map.term_at(at);
        let (Some(data), Some(term)) = (data, term) else {
            return Err(self.damaged(position));
        };
        Ok(Some(Entry {
            index: at,
            term,
            kind: match self.map.framing {
                Framing::Kafka => EntryKind::Batch,
                Framing::Metadata => EntryKind::Metadata,
            },
            base_offset: unit.base_offset,
            next_offset: unit.next_offset,
            data,
        }))
    }
}

/// Holds nothing yet.
pub(crate) fn nothing() -> Stretch {
    Stretch {
        position: 0,
        bytes: Bytes::new(),
        cut: false,
    }
}
