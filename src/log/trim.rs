//! The log start: where it may move, and what is unlinked below it.

use std::path::{Path, PathBuf};

use corelog_base::{GroupId, LogStart, PartitionIndex, TimestampMs, TopicId};
use corelog_rt::Runtime;

use crate::core::Core;
use crate::group::{Group, SegmentMeta, folder, map_path, segment_path};
use crate::journal::Item;
use crate::replay::prune_terms;
use crate::rewrite::make_sure;
use crate::settler::Hold;
use crate::unit::{Framing, max_timestamp};
use crate::{Error, Kind, Log, Position};

impl Group {
    /// See [`Log::retention`].
    fn retention(&self, id: GroupId, now: TimestampMs) -> Option<LogStart> {
        let by_size = self.retention_by_size();
        let by_age = self.retention_by_age(id, now);
        let position = match (by_size, by_age) {
            (Some(a), Some(b)) if a.index < b.index => b,
            (a, b) => a.or(b)?,
        };
        (position.next_offset > self.start.offset).then_some(LogStart {
            index: position.index.next(),
            term_before: position.term,
            offset: position.next_offset,
        })
    }

    /// Whole segments go while what is left is still enough; the newest stays.
    fn retention_by_size(&self) -> Option<Position> {
        let keep = self.config.retention_bytes?;
        let mut left = self.segment_bytes() + self.settleable_bytes;
        let mut found = None;
        let older = self.segments.list.len().saturating_sub(1);
        for segment in self.segments.list.iter().take(older) {
            left -= segment.bytes;
            if left < keep {
                break;
            }
            found = Some(segment.end?.last);
        }
        found
    }

    /// Whole segments go when their youngest record is too old; the newest too, together with
    /// what is committed behind it.
    fn retention_by_age(&self, id: GroupId, now: TimestampMs) -> Option<Position> {
        let age = i64::try_from(self.config.retention_age?.as_millis()).unwrap_or(i64::MAX);
        let before = TimestampMs(now.0.saturating_sub(age));
        let mut found = None;
        for segment in &self.segments.list {
            let end = segment.end?;
            // Without a timestamp nobody knows its age, unless nothing was left of its records.
            let unknown = end.max_timestamp == TimestampMs::NONE && segment.generation == 0;
            if end.max_timestamp >= before || unknown {
                return found;
            }
            found = Some(end.last);
        }
        let framing = Framing::of(id);
        let from = self.place(self.settled.index.next());
        let to = self.place(self.committed.next());
        let mut batches = false;
        for t in self.tail.range(from..to) {
            let timestamp = max_timestamp(framing, &t.entry);
            if timestamp >= before {
                return found;
            }
            batches |= timestamp != TimestampMs::NONE;
        }
        if !batches {
            return found;
        }
        let last = to.checked_sub(1).and_then(|at| self.tail.get(at))?;
        Some(Position {
            index: last.entry.index,
            term: last.entry.term,
            next_offset: last.entry.next_offset,
        })
    }

    fn has_unknown_ends(&self) -> bool {
        self.segments.list.iter().any(|s| s.end.is_none())
    }

    pub(crate) fn is_below_start(&self, last: Position) -> bool {
        let start = self.flushed_start;
        last.index < start.index && last.next_offset <= start.offset
    }

    /// Segments that lie wholly below the start, but for the newest.
    fn below_start(&self) -> Vec<SegmentMeta> {
        let older = self.segments.list.len().saturating_sub(1);
        let list = self.segments.list.iter().take(older);
        list.take_while(|s| s.end.is_some_and(|e| self.is_below_start(e.last)))
            .copied()
            .collect()
    }
}

impl<F: Clone> Core<F> {
    /// Moves the start of a group in memory.
    fn move_start(&mut self, group: GroupId, start: LogStart) -> bool {
        let Some(state) = self.groups.get_mut(&group) else {
            return false;
        };
        if start.offset < state.start.offset || start.index < state.start.index {
            return false;
        }
        state.start = start;
        self.journal.backlog.push_back(Item::Record {
            group,
            answer: false,
        });
        true
    }
}

impl<R: Runtime> Log<R> {
    /// After the LogStart entry committed: reads below are refused at once; whole segments below
    /// are deleted once the new start is flushed. A start that goes back is ignored.
    pub fn set_start(&self, group: GroupId, start: LogStart) {
        let flushed = self.with(|c| {
            if !c.move_start(group, start) {
                return None;
            }
            c.barrier()
        });
        let Some(receiver) = flushed else {
            return;
        };
        self.wake.write.notify();
        let log = self.clone();
        self.start(async move {
            if receiver.await.is_some() {
                log.with(|c| {
                    if let Some(state) = c.groups.get_mut(&group) {
                        state.flushed_start = start;
                        state.segments.trim_due = true;
                        prune_terms(&mut state.terms, start);
                    }
                    c.ask(group);
                });
                log.wake.settle.notify();
            }
        });
    }

    /// The start that retention asks for, if it differs from the present one: the leader proposes
    /// it. `now` is the smaller of the wall clock and boot time plus monotonic.
    pub fn retention(&self, group: GroupId, now: TimestampMs) -> Option<LogStart> {
        let (found, loads) = self.with(|c| match c.groups.get(&group) {
            Some(state) => (state.retention(group, now), state.has_unknown_ends()),
            None => (None, false),
        });
        if loads {
            // Known when retention asks again.
            self.learn_ends(group);
        }
        found
    }

    /// Unlinks segments below the flushed start. A failure leaves them to the next time.
    pub(crate) async fn trim_files(&self, hold: &Hold) {
        let id = hold.group();
        let due = self.with(|c| {
            let state = c.groups.get_mut(&id);
            state.is_some_and(|g| std::mem::take(&mut g.segments.trim_due))
        });
        if !due || !self.replace_newest(hold).await {
            return;
        }
        if let Err(error) = self.load_ends(id).await {
            tracing::warn!("look at old segments of group {id}: {error}");
        }
        let Some((folder, below)) = self.with(|c| {
            let state = c.groups.get(&id)?;
            let folder = folder(&c.options.dir, state.topic, state.partition);
            Some((folder, state.below_start()))
        }) else {
            return;
        };
        for segment in below {
            self.with(|c| {
                c.cache.forget(segment.id(id));
                if let Some(state) = c.groups.get_mut(&id) {
                    let gone = |s: &SegmentMeta| s.base_offset == segment.base_offset;
                    state.segments.list.retain(|s| !gone(s));
                }
            });
            let base_offset = segment.base_offset;
            self.unlink(&map_path(&folder, base_offset)).await;
            self.unlink(&segment_path(&folder, base_offset, segment.generation))
                .await;
        }
    }

    /// Removes a file that nothing names any more. The next start does it if this cannot.
    pub(crate) async fn unlink(&self, path: &Path) {
        if let Err(error) = self.rt.remove_file(path).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("remove {}: {error}", path.display());
        }
    }

    /// If everything in the newest segment lies below the start, seals it and begins an empty one.
    async fn replace_newest(&self, hold: &Hold) -> bool {
        let id = hold.group();
        let seals = self.with(|c| {
            let Some(state) = c.groups.get_mut(&id) else {
                return false;
            };
            let below = state.segments.newest.as_ref().is_some_and(|map| {
                !map.sealed && map.whole > 0 && state.is_below_start(map.settled)
            });
            state.segments.seal_due |= below;
            below
        });
        if let Err(error) = make_sure(self, hold).await {
            self.failed("trim", &error);
            return false;
        }
        let now = self.rt.wall();
        if seals
            && let Some(cycle) = self.with(|c| c.plan(id, now))
            && !self.run_cycle(cycle).await
        {
            return false;
        }
        match self.with(|c| c.plan_successor(id, now)) {
            Some(cycle) => self.run_cycle(cycle).await,
            None => true,
        }
    }

    /// After the deletion committed: drops the entries and unlinks the folder. Fine if the group is
    /// unknown. Idempotent, and called again at boot for deletions that were cut short.
    ///
    /// # Errors
    /// `Io` if the folder cannot be removed.
    pub async fn remove_group(
        &self,
        group: GroupId,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Result<(), Error> {
        let hold = self.hold(group).await;
        let removed = self.remove_held(group, topic, partition).await;
        if removed.is_ok() {
            self.with(|c| c.remove(group));
        }
        self.release_hold(hold);
        self.wake.release.notify();
        removed
    }

    /// The last record stays live until the folder is gone for good.
    async fn remove_held(
        &self,
        group: GroupId,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Result<(), Error> {
        if !self.bury(group).await {
            return Err(Error::new(Kind::Fenced, "remove group").group(group));
        }
        let path: PathBuf = self.with(|c| {
            c.cache.forget_group(group);
            folder(&c.options.dir, topic, partition)
        });
        remove_folder(&self.rt, &path).await
    }

    /// Writes the last record of a group: from now on nothing of it counts. Fine if it is unknown.
    async fn bury(&self, group: GroupId) -> bool {
        let flushed = self.with(|c| {
            let Some(state) = c.groups.get_mut(&group) else {
                return Some(None);
            };
            state.removed = true;
            // Ahead of what waits for room: a release may wait for this group.
            c.queue_record(group);
            c.carry_barrier().map(Some)
        });
        self.wake.write.notify();
        match flushed {
            None => false,
            Some(None) => true,
            Some(Some(receiver)) => receiver.await.is_some(),
        }
    }
}

/// Removes a partition's folder for good.
pub(crate) async fn remove_folder<R: Runtime>(rt: &R, path: &Path) -> Result<(), Error> {
    rt.remove_dir_all(path)
        .await
        .map_err(|e| Error::io("remove partition folder", path, e))?;
    let Some(topic) = path.parent() else {
        return Ok(());
    };
    match rt.sync_dir(topic).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("flush topic folder", topic, error))
        }
        _ => Ok(()),
    }
}
