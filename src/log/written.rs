//! The segments that settling writes, kept open between cycles: opening, locking and closing two
//! files costs more than a small cycle's writes.

use std::collections::VecDeque;

use corelog_base::IdMap;

use crate::cache::SegmentId;
use crate::codec::index;

/// A segment's files, open for writing.
pub(crate) struct WriteFiles<F> {
    pub segment: F,
    pub map: F,
}

struct Kept<F> {
    files: WriteFiles<F>,
    stamp: u64,
}

/// Those whose last cycle went well and that are not sealed; the least recently used go first.
/// Never those of a group with `unsure` files: nobody else may have them open for writing.
pub(crate) struct Written<F> {
    kept: IdMap<SegmentId, Kept<F>>,
    /// Oldest first. One whose stamp is not the kept one's was used again or forgotten.
    order: VecDeque<(SegmentId, u64)>,
    stamp: u64,
    segments_max: usize,
}

impl<F> Written<F> {
    pub(crate) fn new(segments_max: u64) -> Self {
        Self {
            kept: IdMap::default(),
            order: VecDeque::new(),
            stamp: 0,
            segments_max: index(segments_max),
        }
    }

    /// The caller gives them back when all went well.
    pub(crate) fn take(&mut self, id: SegmentId) -> Option<WriteFiles<F>> {
        self.kept.remove(&id).map(|kept| kept.files)
    }

    /// The segment's file, which stays open as long as a clone of it lives.
    pub(crate) fn segment(&self, id: SegmentId) -> Option<F>
    where
        F: Clone,
    {
        self.kept.get(&id).map(|kept| kept.files.segment.clone())
    }

    pub(crate) fn put(&mut self, id: SegmentId, files: WriteFiles<F>) {
        self.stamp += 1;
        let stamp = self.stamp;
        self.kept.insert(id, Kept { files, stamp });
        self.order.push_back((id, stamp));
        while self.kept.len() > self.segments_max
            && let Some((oldest, stamp)) = self.order.pop_front()
        {
            if self.is_kept(oldest, stamp) {
                self.kept.remove(&oldest);
            }
        }
        if self.order.len() > 2 * self.kept.len() + 16 {
            let kept = &self.kept;
            self.order
                .retain(|(id, stamp)| kept.get(id).is_some_and(|k| k.stamp == *stamp));
        }
    }

    pub(crate) fn forget(&mut self, gone: impl Fn(SegmentId) -> bool) {
        self.kept.retain(|id, _| !gone(*id));
    }

    fn is_kept(&self, id: SegmentId, stamp: u64) -> bool {
        self.kept.get(&id).is_some_and(|k| k.stamp == stamp)
    }
}

#[cfg(test)]
mod tests {
    use corelog_base::{GroupId, Offset};

    use super::*;

    fn id(n: u64) -> SegmentId {
        SegmentId {
            group: GroupId(n),
            base_offset: Offset(0),
            generation: 0,
        }
    }

    fn files(n: u32) -> WriteFiles<u32> {
        WriteFiles { segment: n, map: n }
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let mut written = Written::new(2);
        written.put(id(1), files(1));
        written.put(id(2), files(2));
        let used = written.take(id(1)).expect("kept");
        assert!(written.take(id(1)).is_none(), "taken");
        written.put(id(1), used);
        written.put(id(3), files(3));
        assert!(written.take(id(2)).is_none(), "the oldest went");
        assert_eq!(written.take(id(1)).map(|f| f.segment), Some(1));
        written.forget(|other| other.group == GroupId(3));
        assert!(written.take(id(3)).is_none(), "forgotten");
    }

    #[test]
    fn use_after_use_keeps_the_order_short() {
        let mut written = Written::new(4);
        let id = id(1);
        for n in 0..1000 {
            written.put(id, files(n));
            assert!(written.order.len() < 32);
        }
        assert_eq!(written.take(id).map(|f| f.map), Some(999));
    }
}
