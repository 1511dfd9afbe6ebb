//! Offsets, epochs, log starts, producers and sizes at the owning core.

use bytes::Bytes;
use corelog_base::{EntryKind, GroupId, LeaderEpoch, Offset, TimestampMs};
use corelog_replica::In;
use corelog_rt::Runtime;

use super::Shard;
use super::group::{Group, TrimWait};
use super::job::{Job, OffsetsJob, Sought};
use super::visits::ItemId;
use crate::api::{EpochFound, Isolation, OffsetFound, OffsetQuery, PartitionSize};
use crate::effects::Effects;
use crate::message::{EpochItem, OffsetItem, Reply, ReplyTo, TrimItem};
use crate::{Error, Result};

impl<R: Runtime> Shard<R> {
    /// A caller that knows an older leader is fenced; one that knows a newer waits.
    pub(super) fn check_epoch(&self, id: GroupId, known: Option<LeaderEpoch>) -> Result<()> {
        let group = self.leading(id)?;
        let current = group.partition.leading().unwrap_or(LeaderEpoch::UNKNOWN);
        match known {
            Some(known) if known < current => Err(Error::EpochFenced),
            Some(known) if known > current => Err(Error::EpochUnknown),
            _ => Ok(()),
        }
    }

    /// A leader of this core that knows what is committed.
    fn ready(&self, id: GroupId, known: Option<LeaderEpoch>) -> Result<&Group> {
        self.check_epoch(id, known)?;
        let group = self.leading(id)?;
        if !group.partition.is_ready() {
            return Err(Error::OffsetNotAvailable);
        }
        Ok(group)
    }

    pub(super) fn offsets(&mut self, to: ReplyTo, items: Vec<OffsetItem>, fx: &mut Effects) {
        let sought: Vec<Sought> = items.iter().map(|item| self.seek(item)).collect();
        if sought.iter().all(|s| matches!(s, Sought::Known(_))) {
            let outcomes = sought.into_iter().map(Sought::known).collect();
            return fx.reply(to, Reply::Offsets(outcomes));
        }
        fx.jobs.push(Job::Offsets(OffsetsJob {
            reply_to: to,
            sought,
        }));
    }

    fn seek(&self, item: &OffsetItem) -> Sought {
        let group = match self.ready(item.group, item.leader_epoch) {
            Ok(group) => group,
            Err(error) => return Sought::Known(Err(error)),
        };
        let partition = &group.partition;
        let end = match item.isolation {
            Isolation::Uncommitted => partition.high_watermark(),
            Isolation::Committed => partition.last_stable(),
        };
        let found = |offset: Offset, epoch: Option<LeaderEpoch>| {
            Sought::Known(Ok(OffsetFound {
                offset,
                timestamp: TimestampMs::NONE,
                epoch: epoch.unwrap_or(LeaderEpoch::UNKNOWN),
            }))
        };
        match item.query {
            OffsetQuery::Latest => found(end, partition.leading()),
            OffsetQuery::Earliest | OffsetQuery::EarliestLocal => {
                let start = partition.log_start();
                let epoch = partition.epochs().at(start).or(partition.leading());
                found(start, epoch)
            }
            OffsetQuery::LatestTiered => Sought::Known(Ok(OffsetFound::NONE)),
            OffsetQuery::AtTime(time) => Sought::AtTime {
                group: item.group,
                time,
                end,
            },
            OffsetQuery::MaxTimestamp => Sought::MaxTimestamp {
                group: item.group,
                end,
            },
        }
    }

    /// The epoch of a record, for an answer that was read from disk.
    pub(crate) fn epoch_at(&self, id: GroupId, offset: Offset) -> LeaderEpoch {
        let group = self.groups.get(&id);
        let epoch = group.and_then(|g| g.partition.epochs().at(offset));
        epoch.unwrap_or(LeaderEpoch::UNKNOWN)
    }

    pub(super) fn epochs(&mut self, to: ReplyTo, items: Vec<EpochItem>, fx: &mut Effects) {
        let ends = items.iter().map(|item| self.epoch_end(item)).collect();
        fx.reply(to, Reply::Epochs(ends));
    }

    fn epoch_end(&self, item: &EpochItem) -> Result<EpochFound> {
        let group = self.ready(item.group, item.current)?;
        let partition = &group.partition;
        let current = partition.leading().unwrap_or(LeaderEpoch::UNKNOWN);
        let end = partition.high_watermark();
        let found = partition.epochs().end_of(item.asked, current, end);
        Ok(found.map_or(
            EpochFound {
                epoch: LeaderEpoch::UNKNOWN,
                end: Offset(-1),
            },
            |found| EpochFound {
                epoch: found.epoch,
                end: found.end,
            },
        ))
    }

    /// DeleteRecords: proposes the new log start; the reply comes once it is committed.
    pub(super) fn trim(&mut self, to: ReplyTo, items: Vec<TrimItem>, fx: &mut Effects) {
        let count = u32::try_from(items.len()).expect("a visit's items fit its frame");
        let visit = self.trims.open(to, count);
        for (index, item) in (0u32..).zip(items) {
            let trim = ItemId::new(visit, index);
            match self.trim_target(&item) {
                Ok((start, false)) => self.settle_trim(trim, Ok(start), fx),
                Ok((start, true)) => {
                    if let Some(group) = self.groups.get_mut(&item.group) {
                        group.trims.push(TrimWait { start, trim });
                    }
                    self.propose_start(item.group, start, fx);
                }
                Err(error) => self.settle_trim(trim, Err(error), fx),
            }
        }
    }

    /// The new start, and whether it has to move there.
    fn trim_target(&self, item: &TrimItem) -> Result<(Offset, bool)> {
        let group = self.ready(item.group, None)?;
        group.check_health()?;
        let (start, end) = (
            group.partition.log_start(),
            group.partition.high_watermark(),
        );
        let target = item.before.unwrap_or(end);
        if target > end || target < Offset(0) {
            return Err(Error::OffsetOutOfRange { start, end });
        }
        Ok((target.max(start), target > start))
    }

    /// Proposes that the log starts at `start`, which is committed.
    pub(super) fn propose_start(&mut self, id: GroupId, start: Offset, fx: &mut Effects) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let at = group.partition.next_offset();
        let proposal = In::Propose {
            group: id,
            kind: EntryKind::LogStart,
            base_offset: at,
            data: Bytes::copy_from_slice(&start.0.to_le_bytes()),
        };
        self.step(proposal, fx);
    }

    pub(super) fn complete_trims(&mut self, id: GroupId, fx: &mut Effects) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let start = group.partition.log_start();
        let waits = std::mem::take(&mut group.trims);
        let (done, left): (Vec<_>, Vec<_>) = waits.into_iter().partition(|w| w.start <= start);
        group.trims = left;
        for wait in done {
            self.settle_trim(wait.trim, Ok(start), fx);
        }
    }

    pub(super) fn settle_trim(&mut self, trim: ItemId, outcome: Result<Offset>, fx: &mut Effects) {
        if let Some((to, outcomes)) = self.trims.settle(trim, outcome) {
            fx.reply(to, Reply::Trim(outcomes));
        }
    }

    pub(super) fn producers(&mut self, to: ReplyTo, groups: Vec<GroupId>, fx: &mut Effects) {
        let list = |id| {
            let group = self.leading(id)?;
            Ok(group.partition.producers().list().collect())
        };
        let outcomes = groups.into_iter().map(list).collect();
        fx.reply(to, Reply::Producers(outcomes));
    }

    pub(super) fn sizes(&mut self, to: ReplyTo, fx: &mut Effects) {
        let sizes = self.groups.values().map(|group| PartitionSize {
            key: group.key,
            bytes: self.log.stats(group.id).map_or(0, |stats| stats.bytes),
        });
        fx.reply(to, Reply::Sizes(sizes.collect()));
    }
}
