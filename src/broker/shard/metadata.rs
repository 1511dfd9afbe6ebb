//! The metadata: one group on core 0 decides, every core keeps an image of what is committed.
//!
//! The controller plans a change against an image that holds all that it has proposed, so changes
//! may follow each other without waiting; it answers once the change is committed and every core
//! of this node has applied it and brought up the groups that it makes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use corelog_base::{CoreId, Entry, EntryKind, GroupId, LogIndex, LogStart, Offset};
use corelog_cluster::{Change, Image, Record};
use corelog_replica::{In, Role};
use corelog_rt::Runtime;

use super::{METADATA_CORE, Shard};
use crate::Error;
use crate::admin::AdminReply;
use crate::api::Quorum;
use crate::effects::Effects;
use crate::message::{MetadataUpdate, Reply, ReplyTo, Step};
use crate::start::Replay;

/// After this many entries the image is written as one record, and what is before it is dropped.
const ENTRIES_MAX: u64 = 20_000;

/// What decides on changes; on core 0 only.
pub(crate) struct Controller {
    /// The committed metadata and all that is proposed on top of it, while this node leads.
    pub(super) planned: Image,
    pub(super) leads: bool,
    pub(super) ready: bool,
    /// The offset of the next proposal.
    pub(super) next_offset: Offset,
    /// The last entry that `Shard::image` holds.
    applied: LogIndex,
    /// Where the log starts, and whether a snapshot is on its way.
    start: LogIndex,
    snapshot_proposed: bool,
    /// Proposed changes: (the offset that must commit, who asked, the answer).
    pub(super) proposed: VecDeque<(Offset, ReplyTo, AdminReply)>,
    version: u64,
    /// Committed changes that some core has not applied yet.
    applying: BTreeMap<u64, Applying>,
}

struct Applying {
    cores: BTreeSet<CoreId>,
    answers: Vec<(ReplyTo, AdminReply)>,
}

/// Applies one entry of the metadata's log to an image.
pub(crate) fn apply_entry(image: &mut Image, entry: &Entry) -> Result<Vec<Change>, String> {
    if entry.kind != EntryKind::Metadata {
        return Ok(Vec::new());
    }
    let records = corelog_cluster::decode(&entry.data)
        .map_err(|error| format!("metadata at index {}: {error}", entry.index))?;
    Ok(records.iter().map(|record| image.apply(record)).collect())
}

impl<R: Runtime> Shard<R> {
    /// Core 0 at boot: takes the replayed image and brings up the metadata's replica. The other
    /// cores learn the image as the first update.
    pub(crate) fn control(&mut self, replay: Replay, fx: &mut Effects) {
        let start = replay
            .restored
            .as_ref()
            .map_or(LogIndex(1), |g| g.start.index);
        self.controller = Some(Controller {
            planned: Image::default(),
            leads: false,
            ready: false,
            next_offset: Offset(0),
            applied: replay.applied,
            start,
            snapshot_proposed: false,
            proposed: VecDeque::new(),
            version: 0,
            applying: BTreeMap::new(),
        });
        let records = vec![replay.image.snapshot()];
        self.publish(Step::Records(records), Vec::new(), fx);
        let voters = self.boot.metadata_voters.clone();
        self.raise_replica(GroupId::METADATA, voters, replay.restored.as_ref(), fx);
    }

    pub(super) fn controller_role(&mut self, role: Role, log_end: Offset, fx: &mut Effects) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let led = controller.leads;
        controller.leads = role == Role::Leader;
        if controller.leads && !led {
            controller.ready = false;
            controller.next_offset = log_end;
        }
        if led && !controller.leads {
            controller.ready = false;
            controller.snapshot_proposed = false;
            let error = self.not_controller();
            let Some(controller) = &mut self.controller else {
                return;
            };
            for (_, to, _) in controller.proposed.drain(..) {
                fx.reply(to, Reply::Admin(Err(error.clone())));
            }
        }
    }

    /// An entry of this leadership is committed, and with it everything before: plan from here.
    pub(super) fn controller_ready(&mut self, fx: &mut Effects) {
        let image = self.image.clone();
        if let Some(controller) = &mut self.controller {
            controller.planned = image;
            controller.ready = true;
        }
        self.publish(Step::Complete, Vec::new(), fx);
    }

    pub(super) fn not_controller(&self) -> Error {
        let leader = self.leadership(GroupId::METADATA).leader;
        let leader = leader.filter(|node| *node != self.node);
        Error::NotController { leader }
    }

    pub(crate) fn quorum(&self, to: ReplyTo, fx: &mut Effects) {
        let found = self.quorum_seen().ok_or_else(|| self.not_controller());
        fx.reply(to, Reply::Quorum(found));
    }

    /// Known to the leader only.
    fn quorum_seen(&self) -> Option<Quorum> {
        let after = |index: LogIndex| i64::try_from(index.0 + 1).unwrap_or(i64::MAX);
        let controller = self.controller.as_ref().filter(|c| c.ready)?;
        let voters = self.boot.metadata_voters.iter().map(|voter| voter.node);
        Some(Quorum {
            leader: self.node,
            epoch: self.leadership(GroupId::METADATA).epoch,
            high_watermark: after(controller.applied),
            log_end: after(self.log.last(GroupId::METADATA)?.index),
            voters: voters.collect(),
        })
    }

    pub(super) fn propose_metadata(&mut self, records: &[Record], fx: &mut Effects) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let base_offset = controller.next_offset;
        controller.next_offset = base_offset.plus(1);
        let proposal = In::Propose {
            group: GroupId::METADATA,
            kind: EntryKind::Metadata,
            base_offset,
            data: corelog_cluster::encode(records),
        };
        self.step(proposal, fx);
    }

    pub(super) fn metadata_committed(&mut self, entries: &[Entry], fx: &mut Effects) {
        for entry in entries {
            let Some(controller) = &mut self.controller else {
                return;
            };
            if entry.index <= controller.applied {
                continue;
            }
            controller.applied = entry.index;
            if entry.kind != EntryKind::Metadata {
                continue;
            }
            let mut answers = Vec::new();
            while let Some((until, _, _)) = controller.proposed.front()
                && *until <= entry.next_offset
                && let Some((_, to, answer)) = controller.proposed.pop_front()
            {
                answers.push((to, answer));
            }
            let records = corelog_cluster::decode(&entry.data)
                .unwrap_or_else(|e| panic!("committed metadata at index {}: {e}", entry.index));
            let snapshot = matches!(records.first(), Some(Record::Snapshot(_)));
            self.publish(Step::Records(records), answers, fx);
            if snapshot {
                self.start_metadata_at(entry, fx);
            }
        }
    }

    /// Every core takes these committed records; the answers go out when all have.
    fn publish(&mut self, step: Step, answers: Vec<(ReplyTo, AdminReply)>, fx: &mut Effects) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        controller.version += 1;
        let version = controller.version;
        let cores = (0..self.cores).map(CoreId).collect();
        controller
            .applying
            .insert(version, Applying { cores, answers });
        let update = Arc::new(MetadataUpdate { version, step });
        fx.metadata.push(Arc::clone(&update));
        self.metadata_update(METADATA_CORE, &update, fx);
    }

    /// A core has applied an update and brought up its groups.
    pub(crate) fn metadata_applied(&mut self, core: CoreId, version: u64, fx: &mut Effects) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let Some(applying) = controller.applying.get_mut(&version) else {
            return;
        };
        applying.cores.remove(&core);
        if applying.cores.is_empty()
            && let Some(applying) = controller.applying.remove(&version)
        {
            for (to, answer) in applying.answers {
                fx.reply(to, Reply::Admin(Ok(answer)));
            }
        }
    }

    /// Committed records reach this core: its image follows, and its groups with it.
    pub(crate) fn metadata_update(
        &mut self,
        from: CoreId,
        update: &MetadataUpdate,
        fx: &mut Effects,
    ) {
        let mut raising = BTreeSet::new();
        match &update.step {
            Step::Records(records) => {
                for record in records {
                    let change = self.image.apply(record);
                    self.take_change(&change, &mut raising, fx);
                }
            }
            Step::Complete => {
                self.boot.complete = true;
                self.drop_unknown(fx);
            }
        }
        if raising.is_empty() {
            fx.applied.push((from, update.version));
        } else {
            self.boot.wait_for(update.version, raising);
        }
        self.boot.check_ready();
    }

    /// A group of this core knows who leads it: updates that waited for it are applied.
    pub(super) fn raised(&mut self, id: GroupId, fx: &mut Effects) {
        let versions = self.boot.raised(id);
        fx.applied
            .extend(versions.into_iter().map(|v| (METADATA_CORE, v)));
        self.boot.check_ready();
    }

    /// Writes the image as one record when the log of changes has grown long.
    pub(super) fn compact_metadata(&mut self, fx: &mut Effects) {
        let Some(controller) = &mut self.controller else {
            return;
        };
        let long =
            controller.applied.0 - controller.start.0.min(controller.applied.0) > ENTRIES_MAX;
        if !long || !controller.ready || controller.snapshot_proposed {
            return;
        }
        controller.snapshot_proposed = true;
        let records = [controller.planned.snapshot()];
        self.propose_metadata(&records, fx);
    }

    /// The image is written in this entry: the log starts here.
    fn start_metadata_at(&mut self, entry: &Entry, fx: &mut Effects) {
        let before = LogIndex(entry.index.0 - 1);
        let Some(term_before) = self.log.term_at(GroupId::METADATA, before) else {
            return;
        };
        let start = LogStart {
            index: entry.index,
            term_before,
            offset: entry.base_offset,
        };
        self.log.set_start(GroupId::METADATA, start);
        if let Some(controller) = &mut self.controller {
            controller.start = entry.index;
            controller.snapshot_proposed = false;
        }
        let group = GroupId::METADATA;
        self.step(In::Compact { group, start }, fx);
    }
}
