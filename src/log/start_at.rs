//! Where the log begins if an offset is the first to be kept.

use corelog_base::{GroupId, LogIndex, LogStart, Offset};
use corelog_rt::Runtime;

use crate::group::Group;
use crate::{Log, Position};

impl<R: Runtime> Log<R> {
    /// The start at which `offset` is the first that may be read. Its index is at or before the
    /// entry that holds the offset, as near as is known without reading from disk: exact in
    /// memory, a mark of the newest segment, or the begin of an older one. None for an unknown
    /// group or an offset outside of the log.
    pub fn start_at(&self, group: GroupId, offset: Offset) -> Option<LogStart> {
        self.with(|c| c.groups.get(&group)?.start_at(offset))
    }
}

impl Group {
    fn start_at(&self, offset: Offset) -> Option<LogStart> {
        let last = self.last();
        if offset < self.start.offset || offset > last.next_offset {
            return None;
        }
        let index = if offset == last.next_offset {
            last.index.next()
        } else {
            self.index_before(offset)
        };
        if index <= self.start.index {
            return Some(LogStart {
                offset,
                ..self.start
            });
        }
        let Some(term_before) = self.term_at(LogIndex(index.0 - 1)) else {
            return Some(LogStart {
                offset,
                ..self.start
            });
        };
        Some(LogStart {
            index,
            term_before,
            offset,
        })
    }

    /// An index at or before that of the entry with the record `offset`.
    fn index_before(&self, offset: Offset) -> LogIndex {
        let in_memory = self
            .tail
            .front()
            .is_some_and(|t| t.entry.base_offset <= offset);
        if in_memory {
            let at = self.tail.partition_point(|t| t.entry.next_offset <= offset);
            return self
                .tail
                .get(at)
                .map_or(self.start.index, |t| t.entry.index);
        }
        if let Some(map) = &self.segments.newest
            && map.base_offset <= offset
        {
            return map
                .mark_for_offset(offset)
                .map_or(map.base_index, |m| m.index);
        }
        let list = &self.segments.list;
        let older = list.partition_point(|s| s.base_offset <= offset);
        let ends = list.iter().take(older.saturating_sub(1));
        let mut ends = ends.filter_map(|s| s.end).map(|e| e.last);
        ends.next_back()
            .map_or(self.start.index, |last: Position| last.index.next())
    }

    /// The segment behind the one at `base_offset`.
    pub(crate) fn segment_after(&self, base_offset: Offset) -> Option<Offset> {
        let list = &self.segments.list;
        let at = list.partition_point(|s| s.base_offset <= base_offset);
        list.get(at).map(|s| s.base_offset)
    }
}
