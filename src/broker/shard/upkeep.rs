//! What a shard does by the clock and on events of its log.

use std::collections::BTreeSet;
use std::ops::Range;

use corelog_base::{GroupId, Monotonic, Offset, TimestampMs};
use corelog_cluster::is_internal;
use corelog_log::{Checkpoint, Event};
use corelog_replica::In;
use corelog_rt::Runtime;

use super::Shard;
use super::group::Appender;
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
    next: GroupId,
    /// Groups with batches that wait for room in the log.
    pub(super) blocked: BTreeSet<GroupId>,
}

impl Clock {
    pub(super) fn new<R: Runtime>(rt: &R) -> Self {
        Self {
            started: rt.now(),
            started_wall: rt.wall(),
            next: GroupId(0),
            blocked: BTreeSet::new(),
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
        let next: Vec<GroupId> = self
            .groups
            .range(self.upkeep.next..)
            .map(|(id, _)| *id)
            .take(UPKEEP_GROUPS_MAX)
            .collect();
        self.upkeep.next = match next.last() {
            Some(last) if next.len() == UPKEEP_GROUPS_MAX => GroupId(last.0 + 1),
            _ => GroupId(0),
        };
        for id in next {
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
            self.settle(appender, Err(Error::DiskFull), fx);
        }
    }

    /// The smaller of the wall clock and boot time plus monotonic: a wall clock that jumps ahead
    /// deletes nothing early.
    pub(super) fn retention_clock(&self) -> TimestampMs {
        let ran = self.rt.now().since(self.upkeep.started);
        let steady =
            self.upkeep.started_wall.0 + i64::try_from(ran.as_millis()).unwrap_or(i64::MAX / 2);
        TimestampMs(steady.min(self.rt.wall().0))
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
