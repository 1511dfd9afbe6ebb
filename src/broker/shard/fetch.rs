//! Fetch at the owning core: read or arm, in one step.

use corelog_base::GroupId;
use corelog_log::Read;
use corelog_rt::Runtime;

use super::Shard;
use super::job::{FetchJob, Job, Part};
use crate::api::{Fetched, Isolation};
use crate::effects::Effects;
use crate::message::{FetchItem, FetchReply, FetchVisit, Reply, ReplyTo};
use crate::{Error, Result};

/// The log counts what it reads in 32 bits; more than that is left for the next fetch.
fn bytes(bytes_max: u64) -> u32 {
    u32::try_from(bytes_max).unwrap_or(u32::MAX)
}

/// A fetch that waits here for more bytes.
pub(crate) struct Wait {
    fire: ReplyTo,
    isolation: Isolation,
    missing: u64,
    groups: Vec<GroupId>,
}

impl<R: Runtime> Shard<R> {
    pub(super) fn fetch(&mut self, reply_to: ReplyTo, visit: FetchVisit, fx: &mut Effects) {
        let mut left = visit.bytes_max;
        let mut found = 0;
        let mut parts = Vec::new();
        let mut failed = false;
        let mut on_disk = false;
        for item in &visit.items {
            let part = match self.read(item, visit.isolation, left, found == 0) {
                Ok(part) => part,
                Err(error) => {
                    failed = true;
                    Part::Done(Err(error))
                }
            };
            on_disk |= matches!(part, Part::Disk { .. });
            found += part.bytes();
            left = left.saturating_sub(part.bytes());
            parts.push(part);
        }
        self.counters.fetched_bytes += found;
        let armed = match visit.arm {
            Some(fire) if !failed && found < visit.bytes_min => {
                let missing = visit.bytes_min - found;
                self.arm(fire, visit.isolation, missing, &visit.items);
                true
            }
            _ => false,
        };
        if on_disk {
            fx.jobs.push(Job::Fetch(FetchJob {
                reply_to,
                isolation: visit.isolation,
                items: visit.items,
                parts,
                armed,
            }));
            return;
        }
        let outcomes = parts.into_iter().map(Part::done).collect();
        fx.reply(reply_to, Reply::Fetch(FetchReply { outcomes, armed }));
    }

    fn read(
        &mut self,
        item: &FetchItem,
        isolation: Isolation,
        left: u64,
        first: bool,
    ) -> Result<Part> {
        let group = self.leading(item.group)?;
        self.check_epoch(item.group, item.leader_epoch)?;
        let partition = &group.partition;
        let (start, end) = (partition.log_start(), partition.high_watermark());
        let fetched = Fetched {
            high_watermark: end,
            last_stable: partition.last_stable(),
            log_start: start,
            ..Fetched::default()
        };
        // Before an entry of its own term has committed, a new leader does not know what is
        // committed: it gives nothing, and no error either.
        if !partition.is_ready() {
            return Ok(Part::Done(Ok(fetched)));
        }
        if item.offset < start || item.offset > partition.next_offset() {
            return Err(Error::OffsetOutOfRange { start, end });
        }
        let bytes_max = item.bytes_max.min(left);
        let end = match isolation {
            Isolation::Uncommitted => end,
            Isolation::Committed => fetched.last_stable,
        };
        if item.offset >= end || (bytes_max == 0 && !first) {
            return Ok(Part::Done(Ok(fetched)));
        }
        let read = self
            .log
            .read(item.group, item.offset, end, bytes(bytes_max), first);
        match read.map_err(|error| Error::Storage(error.to_string()))? {
            Read::Ready(batches) => {
                let fetched = Fetched { batches, ..fetched };
                let named = self.name_aborted(item, isolation, fetched);
                Ok(Part::Done(named))
            }
            Read::Disk(plan) => Ok(Part::Disk { fetched, plan }),
        }
    }

    /// Adds the aborted transactions that reach into what was read. If the log start has passed
    /// the offset while the disk was read, those may be forgotten, so the read does not count.
    pub(crate) fn name_aborted(
        &self,
        item: &FetchItem,
        isolation: Isolation,
        mut fetched: Fetched,
    ) -> Result<Fetched> {
        let Some(end) = fetched.end() else {
            return Ok(fetched);
        };
        if isolation == Isolation::Committed {
            let group = self.groups.get(&item.group);
            let partition = &group.ok_or(Error::UnknownPartition)?.partition;
            let (start, high) = (partition.log_start(), partition.high_watermark());
            if item.offset < start {
                return Err(Error::OffsetOutOfRange { start, end: high });
            }
            fetched.aborted = partition.aborted(item.offset, end);
            // Nothing is left of those, nor of their markers: who was told of them would take
            // what their producers wrote later for aborted, too.
            let compacted = self.log.compacted_upto(item.group);
            fetched.aborted.retain(|aborted| aborted.last >= compacted);
        }
        Ok(fetched)
    }

    fn arm(&mut self, fire: ReplyTo, isolation: Isolation, missing: u64, items: &[FetchItem]) {
        let id = fire.wait_id();
        let mut groups = Vec::new();
        for item in items {
            if let Some(group) = self.groups.get_mut(&item.group) {
                group.fetches.arm(id);
                groups.push(item.group);
            }
        }
        let wait = Wait {
            fire,
            isolation,
            missing,
            groups,
        };
        self.waits.insert(id, wait);
    }

    /// The asker has gone, or has what it wanted. Fine if it has fired already.
    pub(crate) fn disarm(&mut self, id: u64) {
        if let Some(wait) = self.waits.remove(&id) {
            self.forget(id, &wait);
        }
    }

    fn forget(&mut self, id: u64, wait: &Wait) {
        for group in &wait.groups {
            if let Some(group) = self.groups.get_mut(group) {
                group.fetches.disarm(id);
            }
        }
    }

    /// `bytes` more can be read from a group by readers of this kind: waits that have enough now
    /// fire.
    pub(super) fn fire(&mut self, id: GroupId, isolation: Isolation, bytes: u64, fx: &mut Effects) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        if group.fetches.is_empty() {
            return;
        }
        let armed: Vec<u64> = group.fetches.ids().collect();
        for wait_id in armed {
            let Some(wait) = self.waits.get_mut(&wait_id) else {
                continue;
            };
            if wait.isolation != isolation {
                continue;
            }
            wait.missing = wait.missing.saturating_sub(bytes);
            if wait.missing > 0 {
                continue;
            }
            if let Some(wait) = self.waits.remove(&wait_id) {
                self.forget(wait_id, &wait);
                fx.reply(wait.fire, Reply::Fired);
            }
        }
    }

    /// Leadership, deletion or an error: whoever waits for this group reads again.
    pub(super) fn fire_all(&mut self, id: GroupId, fx: &mut Effects) {
        self.fire(id, Isolation::Uncommitted, u64::MAX, fx);
        self.fire(id, Isolation::Committed, u64::MAX, fx);
    }
}
