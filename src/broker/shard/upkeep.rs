//! What a shard does by the clock and on events of its log.

use std::collections::VecDeque;
use std::ops::Range;

use corelog_base::{GroupId, Monotonic, Offset, ProducerId, TimestampMs};
use corelog_cluster::is_internal;
use corelog_log::{AbortedRange, Checkpoint, Event, LastOf};
use corelog_partition::Aborted;
use corelog_replica::In;
use corelog_rt::Runtime;

use super::Shard;
use super::group::{Appender, Group};
use crate::Error;
use crate::effects::Effects;

/// How many groups one upkeep step looks at, so that it stays short.
const UPKEEP_GROUPS_MAX: usize = 1_000;

/// Damaged places of one partition that are logged.
const DAMAGE_TOLD_MAX: usize = 64;

/// When the shard started, and where its round of the groups stands.
pub(super) struct Clock {
    started: Monotonic,
    started_wall: TimestampMs,
    /// Groups that this round of upkeep has not come to.
    left: Vec<GroupId>,
    /// Groups with batches that wait for room in the log, in the order in which they get it.
    pub(super) blocked: VecDeque<GroupId>,
}

impl Clock {
    pub(super) fn new<R: Runtime>(rt: &R) -> Self {
        Self {
            started: rt.now(),
            started_wall: rt.wall(),
            left: Vec::new(),
            blocked: VecDeque::new(),
        }
    }
}

impl<R: Runtime> Shard<R> {
    pub(crate) fn log_events(&mut self, events: Vec<Event>, fx: &mut Effects) {
        for event in events {
            match event {
                Event::Persisted { group, index, term } => {
                    self.step(In::Persisted { group, index, term }, fx);
                }
                Event::HardStatePersisted { group, hard_state } => {
                    self.step(In::HardStatePersisted { group, hard_state }, fx);
                }
                Event::Fenced { why } => self.fail_all(&why, fx),
                Event::Pressure(true) => {}
                Event::Pressure(false) => self.release_blocked(fx),
                Event::Settled { .. } => {}
                Event::Damaged { group, range } => self.damaged(group, range, fx),
            }
        }
        // The commit of what became durable is this turn's work, not the next one's.
        self.flush(fx);
    }

    /// A read has found damage in a segment. Whoever asks for these offsets is refused; everything
    /// else of the partition goes on, as it does after a start, which does not read its segments.
    /// What the broker itself lives on ends: it cannot know what the damage has taken.
    fn damaged(&mut self, id: GroupId, range: Range<Offset>, fx: &mut Effects) {
        let why = format!(
            "offsets {} to {} are damaged on disk",
            range.start, range.end
        );
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let topic = self.image.topic(group.key.topic);
        if topic.is_none_or(|topic| is_internal(&topic.name)) {
            return self.fail_group(id, why, fx);
        }
        // Each try of a client finds it anew.
        if group.damage_told.len() < DAMAGE_TOLD_MAX && group.damage_told.insert(range.start) {
            tracing::error!(group = id.0, "{why}: who asks for them is refused");
        }
    }

    /// The core's log takes no more appends: every group of it is told.
    fn fail_all(&mut self, why: &str, fx: &mut Effects) {
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for group in groups {
            self.fail_group(group, why.to_owned(), fx);
        }
    }

    pub(crate) fn tick(&mut self, fx: &mut Effects) {
        self.step(In::Tick, fx);
        self.tick_coordinators(fx);
        self.flush(fx);
    }

    /// Retention and expiry, a part of the groups at a time.
    pub(crate) fn upkeep(&mut self, fx: &mut Effects) {
        self.release_blocked(fx);
        if self.log.is_stalled() {
            self.answer_stalled(fx);
        }
        let now = self.retention_clock();
        let expiry = self.image.broker_settings().producer_id_expiration;
        let expiry = i64::try_from(expiry.as_millis()).unwrap_or(i64::MAX);
        let before = TimestampMs(now.0.saturating_sub(expiry));
        let left = &mut self.upkeep.left;
        if left.is_empty() {
            left.extend(self.groups.keys());
        }
        for id in left.split_off(left.len().saturating_sub(UPKEEP_GROUPS_MAX)) {
            let Some(group) = self.groups.get_mut(&id) else {
                continue;
            };
            group.partition.producers_mut().expire(before);
            if !group.partition.is_ready() || group.check_health().is_err() {
                continue;
            }
            let (start, end) = (
                group.partition.log_start(),
                group.partition.high_watermark(),
            );
            if let Some(target) = self.log.retention(id, now)
                && target.offset > start
                && target.offset <= end
            {
                self.propose_start(id, target.offset, fx);
            }
            self.compact(id, now, fx);
        }
        self.compact_metadata(fx);
    }

    /// Batches were taken, and then the disk had no room for them. Nobody knows when it will:
    /// clients hear that now, not when their time is over. The batches stay where they are and may
    /// commit once there is room; a producer that sends one again is refused until then, and is
    /// told its offset afterwards.
    fn answer_stalled(&mut self, fx: &mut Effects) {
        let mut stalled = Vec::new();
        for group in self.groups.values_mut() {
            let waits = group
                .commits
                .take_if(|wait| matches!(wait.appender, Appender::Item(_)));
            stalled.extend(waits.into_iter().map(|wait| wait.appender));
        }
        for appender in stalled {
            self.settle(appender, Err(Error::Stalled), fx);
        }
    }

    /// Asks the log to compact a group, if it is time to ask again.
    fn compact(&mut self, id: GroupId, now: TimestampMs, fx: &mut Effects) {
        let (asked, backoff) = (
            self.rt.now(),
            self.image.broker_settings().compaction_backoff,
        );
        let lone = |group: &Group| {
            let topic = self.image.topic(group.key.topic);
            let found = topic.and_then(|topic| topic.partition(group.key.partition));
            found.is_some_and(|partition| partition.replicas.len() == 1)
        };
        // What other replicas may still ask for stays as it is.
        let Some(lone) = self.groups.get(&id).map(|group| lone(group)) else {
            return;
        };
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let waits = asked.since(group.compaction_asked) < backoff;
        if !group.settings.cleanup.compact || !lone || waits {
            return;
        }
        // What was aborted there is gone.
        let compacted = self.log.compacted_upto(id);
        group.partition.producers_mut().trim(compacted);
        let Some(start) = self.log.compact(id, now, group.partition.last_stable()) else {
            group.compaction_asked = asked;
            return;
        };
        // Asked again as soon as that is flushed.
        self.log.set_start(id, start);
        self.step(In::Compact { group: id, start }, fx);
    }

    /// The smaller of the wall clock and boot time plus monotonic: a wall clock that jumps ahead
    /// deletes nothing early.
    pub(super) fn retention_clock(&self) -> TimestampMs {
        let ran = self.rt.now().since(self.upkeep.started);
        let steady =
            self.upkeep.started_wall.0 + i64::try_from(ran.as_millis()).unwrap_or(i64::MAX / 2);
        TimestampMs(steady.min(self.rt.wall().0))
    }

    /// Aborted transactions with records in `from..upto`, for compaction.
    pub(crate) fn aborted_ranges(
        &self,
        id: GroupId,
        from: Offset,
        upto: Offset,
    ) -> Vec<AbortedRange> {
        let Some(group) = self.groups.get(&id) else {
            return Vec::new();
        };
        let aborted = group.partition.aborted(from, upto).into_iter();
        let range = |aborted: Aborted| AbortedRange {
            producer: aborted.producer,
            first: aborted.first,
            last: aborted.last,
        };
        aborted.map(range).collect()
    }

    /// What a producer wrote last, for compaction.
    pub(crate) fn last_of(&self, id: GroupId, producer: ProducerId) -> Option<LastOf> {
        let group = self.groups.get(&id)?;
        let (epoch, offset) = group.partition.producers().last_of(producer)?;
        Some(LastOf { epoch, offset })
    }

    /// The committed producer state, for the log to keep beside the segments.
    pub(crate) fn checkpoint(&self, id: GroupId) -> Option<Checkpoint> {
        let group = self.groups.get(&id)?;
        // Right after a restart the state is ahead of what has been applied again.
        Some(Checkpoint {
            index: group.applied.max(group.checkpointed),
            data: group.partition.producers().checkpoint(),
        })
    }
}
