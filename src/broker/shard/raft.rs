//! The replicas' outputs: what is appended, sent, committed, and who leads.

use corelog_base::{Entry, EntryKind, GroupId, LeaderEpoch, Offset};
use corelog_record::{BatchHeader, EndMarker};
use corelog_replica::{In, Out, Role};
use corelog_rt::Runtime;

use super::Shard;
use super::group::Health;
use super::job::{CatchupJob, Job};
use crate::Error;
use crate::api::{Isolation, Leadership};
use crate::effects::Effects;

impl<R: Runtime> Shard<R> {
    /// One input for the replicas. Their outputs come when the flush task runs, so that all
    /// inputs of a turn share one append a group.
    pub(super) fn step(&mut self, input: In, fx: &mut Effects) {
        self.replicas.step(self.rt.now(), input, &mut self.outs);
        fx.flush = true;
    }

    /// Takes every output that the replicas have, and those that follow from it.
    pub(crate) fn flush(&mut self, fx: &mut Effects) {
        loop {
            self.replicas.flush(self.rt.now(), &mut self.outs);
            if self.outs.is_empty() {
                break;
            }
            let mut outs = std::mem::take(&mut self.outs);
            for out in outs.drain(..) {
                self.take_out(out, fx);
            }
            if self.outs.is_empty() {
                self.outs = outs;
            }
        }
        fx.flush = false;
    }

    fn take_out(&mut self, out: Out, fx: &mut Effects) {
        match out {
            Out::Append {
                group,
                entries,
                hard_state,
            } => {
                if let Err(error) = self.log.append(group, entries, hard_state) {
                    self.fail_group(group, format!("append: {error}"), fx);
                }
            }
            Out::Send { to, message } => fx.peers.push((to, message)),
            Out::Committed { group, entries } => self.committed(group, &entries, fx),
            Out::Leadership {
                group,
                term,
                leader,
                role,
                log_end,
            } => {
                let leader = Leadership {
                    leader: leader.map(|replica| replica.node),
                    epoch: LeaderEpoch::of(term),
                };
                self.lead_or_follow(group, leader, role, log_end, fx);
            }
            Out::Refused { group } => {
                let error = self.not_leader(group);
                self.refused(group, &error, fx);
            }
            Out::Read {
                group,
                from,
                bytes_max,
            } => fx.jobs.push(Job::Catchup(CatchupJob {
                group,
                from,
                bytes_max,
            })),
            Out::Quarantined { group, reason } => self.fail_group(group, reason, fx),
            Out::Ready { group } => {
                if group == GroupId::METADATA {
                    return self.controller_ready(fx);
                }
                if let Some(g) = self.groups.get_mut(&group) {
                    g.partition.opened();
                }
                self.release_held(group, fx);
                self.fire_all(group, fx);
                self.host(group, fx);
                self.raised(group, fx);
            }
        }
    }

    /// The engine did not take a proposal: whatever was proposed with it is in doubt, so everybody
    /// who waits is told to ask the leader.
    fn refused(&mut self, id: GroupId, error: &Error, fx: &mut Effects) {
        if id == GroupId::METADATA {
            return self.controller_role(Role::Follower, Offset(0), fx);
        }
        if let Some(group) = self.groups.get_mut(&id) {
            group.partition.follow();
        }
        self.fail_commits(id, error, fx);
        self.fire_all(id, fx);
    }

    fn lead_or_follow(
        &mut self,
        id: GroupId,
        leadership: Leadership,
        role: Role,
        log_end: Offset,
        fx: &mut Effects,
    ) {
        self.leaders.insert(id, leadership);
        fx.leaders.push((id, leadership));
        if id == GroupId::METADATA {
            return self.controller_role(role, log_end, fx);
        }
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let led = group.partition.leading();
        let mut raised = false;
        if role == Role::Leader {
            self.counters.elections += 1;
            if led != Some(leadership.epoch) {
                group.partition.lead(leadership.epoch, log_end);
            }
        } else {
            group.partition.follow();
            raised = leadership.leader.is_some();
        }
        // A leader that lost its quorum steps down within its term; another leader may then fill
        // the offsets that it gave out, so nobody may wait on for a commit up to them.
        if led.is_some() && group.partition.leading() != led {
            let error = self.not_leader(id);
            self.fail_commits(id, &error, fx);
            self.fire_all(id, fx);
        }
        if raised {
            self.raised(id, fx);
        }
    }

    /// Entries of one group are committed: partition state, waiters, and the log may settle them.
    fn committed(&mut self, id: GroupId, entries: &[Entry], fx: &mut Effects) {
        let Some(last) = entries.last() else {
            return;
        };
        if id == GroupId::METADATA {
            self.metadata_committed(entries, fx);
            self.log.commit(id, last.index);
            return;
        }
        let before = self.ends(id);
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.data.len() as u64;
            if let Err(why) = self.commit_entry(id, entry, fx) {
                return self.fail_group(id, why, fx);
            }
        }
        self.log.commit(id, last.index);
        self.complete_commits(id, fx);
        self.fire(id, Isolation::Uncommitted, bytes, fx);
        let after = self.ends(id);
        if before.map(|b| b.1) != after.map(|a| a.1) {
            // Where a transaction ends, more becomes stable than what was committed now.
            let all = |(high, stable): (Offset, Offset)| high == stable;
            let simple = before.is_some_and(all) && after.is_some_and(all);
            let stable = if simple { bytes } else { u64::MAX };
            self.fire(id, Isolation::Committed, stable, fx);
        }
    }

    /// The high watermark and the last stable offset.
    fn ends(&self, id: GroupId) -> Option<(Offset, Offset)> {
        let partition = &self.groups.get(&id)?.partition;
        Some((partition.high_watermark(), partition.last_stable()))
    }

    fn commit_entry(
        &mut self,
        id: GroupId,
        entry: &Entry,
        fx: &mut Effects,
    ) -> std::result::Result<(), String> {
        let Some(group) = self.groups.get_mut(&id) else {
            return Ok(());
        };
        // A restart replays what is not settled yet: entries below the mark are known.
        if entry.index <= group.applied {
            return Ok(());
        }
        group.applied = entry.index;
        match entry.kind {
            EntryKind::Batch => {
                let header = BatchHeader::parse(&entry.data).map_err(|e| e.to_string())?;
                self.coordinator_marker(id, &header, &entry.data, fx);
                let Some(group) = self.groups.get_mut(&id) else {
                    return Ok(());
                };
                if entry.index <= group.checkpointed {
                    group.partition.recommit(&header);
                } else {
                    let marker = EndMarker::parse(&header, &entry.data);
                    let marker = marker.map_err(|e| e.to_string())?;
                    group.partition.commit(&header, marker);
                }
            }
            EntryKind::Opening => {
                // The first of a leadership commits before the partition is ready; an older one
                // is no barrier of this leadership.
                let leading = group.partition.leading();
                let ours = leading == Some(LeaderEpoch::of(entry.term));
                if ours && group.partition.is_ready() {
                    self.settle_doubt(id, fx);
                }
            }
            EntryKind::Members => {}
            EntryKind::LogStart => {
                let bytes: [u8; 8] =
                    entry.data.as_ref().try_into().map_err(|_| {
                        format!("the log start at index {} is malformed", entry.index)
                    })?;
                self.start_moved(id, Offset(i64::from_le_bytes(bytes)), fx);
            }
            EntryKind::Metadata => {
                return Err(format!("metadata at index {} of a partition", entry.index));
            }
        }
        Ok(())
    }

    /// The log start has moved by a committed entry: the log may delete whole segments below, and
    /// the replica forgets what the log no longer has.
    fn start_moved(&mut self, id: GroupId, start: Offset, fx: &mut Effects) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if group.partition.trim(start)
            && let Some(found) = self.log.start_at(id, start)
        {
            self.log.set_start(id, found);
            let compact = In::Compact {
                group: id,
                start: found,
            };
            self.step(compact, fx);
        }
        self.complete_trims(id, fx);
    }

    fn complete_commits(&mut self, id: GroupId, fx: &mut Effects) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let enough = self.has_in_sync(id, group.settings.min_insync_replicas);
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let reached: Vec<_> = group
            .commits
            .reached(group.partition.high_watermark())
            .collect();
        for wait in reached {
            let outcome = if wait.in_sync && !enough {
                Err(Error::NotEnoughReplicasAfterAppend)
            } else {
                Ok(wait.produced)
            };
            self.settle(wait.appender, outcome, fx);
        }
    }

    /// A group's log or engine failed: it takes no appends, and everybody who waits is told.
    pub(super) fn fail_group(&mut self, id: GroupId, why: String, fx: &mut Effects) {
        tracing::error!(group = id.0, "partition failed: {why}");
        let error = Error::Storage(why.clone());
        if let Some(group) = self.groups.get_mut(&id) {
            group.health = Health::Failed(why);
        }
        self.fail_commits(id, &error, fx);
        self.fire_all(id, fx);
        // A start does not wait for what cannot come up any more.
        self.raised(id, fx);
    }
}
