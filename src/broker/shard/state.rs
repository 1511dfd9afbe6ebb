//! What a shard is made of, and the way in for requests and messages.

use std::ops::Range;
use std::sync::Arc;

use corelog_base::{CoreId, GroupId, IdMap, NodeId, Offset, ProducerId, Replica};
use corelog_cluster::{Image, Local};
use corelog_log::Log;
use corelog_replica::{In, Out, PeerMessage, Replicas};
use corelog_rt::Runtime;

use crate::api::{Leadership, PartitionKey, Produced};
use crate::effects::Effects;
use crate::message::{ReplyTo, Request};
use crate::{Error, Result};

use super::coordinators::Coordinators;
use super::group::Group;
use super::metadata::Controller;
use super::visits::Visits;
use super::{fetch, raise, upkeep};

pub(crate) struct Shard<R: Runtime> {
    pub(crate) rt: R,
    pub(crate) node: NodeId,
    pub(crate) cores: u16,
    pub(crate) log: Log<R>,
    pub(crate) groups: IdMap<GroupId, Box<Group>>,
    /// This core's copy of the committed metadata.
    pub(crate) image: Image,
    /// On the metadata's core: what decides on changes.
    pub(crate) controller: Option<Controller>,
    pub(crate) counters: Counters,
    pub(super) replicas: Replicas,
    /// Outputs of the replicas, kept between steps for its memory.
    pub(super) outs: Vec<Out>,
    pub(super) produces: Visits<Produced>,
    pub(super) trims: Visits<Offset>,
    /// Armed fetches by wait id.
    pub(super) waits: IdMap<u64, fetch::Wait>,
    /// Who leads each group of this node, on any core.
    pub(super) leaders: IdMap<GroupId, Leadership>,
    /// Producer ids that this core has reserved.
    pub(super) producer_ids: Range<i64>,
    pub(crate) boot: raise::Boot,
    pub(super) coordinators: Coordinators,
    pub(super) upkeep: upkeep::Clock,
}

/// Who this shard is.
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) cores: u16,
    pub(crate) metadata_voters: Vec<Replica>,
    /// The scan of the journals lost what may have named groups.
    pub(crate) scan_incomplete: bool,
    pub(crate) local: Arc<Local>,
}

/// What this shard has done since it started; read by metrics.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    pub produced_batches: u64,
    pub produced_bytes: u64,
    pub fetched_bytes: u64,
    pub elections: u64,
}

/// The core that owns the metadata group.
pub(crate) const METADATA_CORE: CoreId = CoreId(0);

impl<R: Runtime> Shard<R> {
    pub(crate) fn new(rt: R, log: Log<R>, seed: u64, identity: Identity) -> Self {
        let Identity {
            node,
            cores,
            metadata_voters,
            scan_incomplete,
            local,
        } = identity;
        Self {
            replicas: Replicas::new(seed, node),
            upkeep: upkeep::Clock::new(&rt),
            boot: raise::Boot::new(metadata_voters, scan_incomplete),
            rt,
            node,
            cores,
            log,
            groups: IdMap::default(),
            image: Image::new(local),
            controller: None,
            counters: Counters::default(),
            outs: Vec::new(),
            produces: Visits::default(),
            trims: Visits::default(),
            waits: IdMap::default(),
            leaders: IdMap::default(),
            coordinators: Coordinators::default(),
            producer_ids: 0..0,
        }
    }

    pub(crate) fn core(&self) -> CoreId {
        self.rt.core()
    }

    /// A request from a door of this core or of another.
    pub(crate) fn handle(&mut self, reply_to: ReplyTo, request: Request, fx: &mut Effects) {
        match request {
            Request::Produce(visit) => self.produce(reply_to, visit, fx),
            Request::Fetch(visit) => self.fetch(reply_to, visit, fx),
            Request::Offsets(items) => self.offsets(reply_to, items, fx),
            Request::Epochs(items) => self.epochs(reply_to, items, fx),
            Request::Trim(items) => self.trim(reply_to, items, fx),
            Request::Producers(groups) => self.producers(reply_to, groups, fx),
            Request::Markers(items) => self.markers(reply_to, items, fx),
            Request::Standings(items) => self.standings(reply_to, &items, fx),
            Request::Sizes => self.sizes(reply_to, fx),
            Request::Quorum => self.quorum(reply_to, fx),
            Request::Admin(request) => self.admin(reply_to, request, fx),
            Request::Coordinate(visit) => self.coordinate(reply_to, visit, fx),
        }
    }

    /// From another broker, for a group of this core.
    pub(crate) fn peer(&mut self, message: PeerMessage, fx: &mut Effects) {
        self.step(In::Peer(message), fx);
    }

    pub(crate) fn group_of(&self, key: PartitionKey) -> Result<GroupId> {
        let Some(topic) = self.image.topic(key.topic) else {
            return Err(Error::UnknownTopicId);
        };
        let partition = topic.partition(key.partition);
        partition.map(|p| p.group).ok_or(Error::UnknownPartition)
    }

    pub(crate) fn leadership_of(&self, key: PartitionKey) -> Leadership {
        let group = self.group_of(key).ok();
        group.map_or(Leadership::UNKNOWN, |g| self.leadership(g))
    }

    pub(crate) fn leadership(&self, group: GroupId) -> Leadership {
        let known = self.leaders.get(&group);
        known.copied().unwrap_or(Leadership::UNKNOWN)
    }

    /// Another core of this node says who leads.
    pub(crate) fn learn(&mut self, leaders: &[(GroupId, Leadership)]) {
        self.leaders.extend(leaders.iter().copied());
    }

    /// A group of this core that can be read: it leads, and its opening entry has committed.
    pub(super) fn leading(&self, id: GroupId) -> Result<&Group> {
        let group = self.groups.get(&id).ok_or(Error::UnknownPartition)?;
        if group.partition.leading().is_none() {
            return Err(self.not_leader(id));
        }
        Ok(group)
    }

    pub(super) fn not_leader(&self, id: GroupId) -> Error {
        let Leadership { leader, epoch } = self.leadership(id);
        let leader = leader.filter(|node| *node != self.node);
        Error::NotLeader { leader, epoch }
    }

    pub(crate) fn next_producer_id(&mut self) -> Option<ProducerId> {
        self.producer_ids.next().map(ProducerId)
    }

    /// Takes a reserved block. What is left of an earlier one is not given out any more: ids are
    /// many, and gaps are harmless.
    pub(crate) fn add_producer_ids(&mut self, block: Range<i64>) {
        self.producer_ids = block;
    }
}
