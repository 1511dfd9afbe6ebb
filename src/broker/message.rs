//! What one core says to another: one closed enum, all of it owned.
//!
//! A request takes a reply credit of its lane before it is posted, so its reply always fits. No
//! handler of a request waits for another core. What is lost if a message is dropped is said at
//! each variant; lanes drop nothing before shutdown.

use std::sync::Arc;

use bytes::BytesMut;
use corelog_base::{CoreId, GroupId, LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use corelog_cluster::Record;
use corelog_record::BatchHeader;
use corelog_replica::PeerMessage;

use crate::admin::{AdminReply, AdminRequest};
use crate::api::{
    Acks, EndMarker, EpochFound, Fetched, Isolation, Leadership, MarkerEpoch, OffsetFound,
    OffsetQuery, PartitionSize, Produced, ProducerInfo, Quorum, Standing, Verified,
};
use crate::{Outcomes, Result};

/// Where a reply goes: a slot of a core's table of pending requests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ReplyTo {
    pub(crate) core: CoreId,
    pub(crate) slot: u64,
}

impl ReplyTo {
    /// One number for both: slots stay below 2^48 for as long as a process lives.
    pub(crate) fn wait_id(self) -> u64 {
        debug_assert!(self.slot < 1 << 48);
        u64::from(self.core.0) << 48 | self.slot
    }
}

pub(crate) enum Message {
    /// Dropped: the asker waits until its own deadline.
    Request { slot: u64, request: Request },
    /// Dropped: as above.
    Reply { slot: u64, reply: Reply },
    /// A fetch no longer waits. Dropped: the wait fires once for nobody.
    Disarm { wait: u64 },
    /// Committed changes of the metadata, in order. Dropped: this core would serve an old image.
    Metadata(Arc<MetadataUpdate>),
    /// This core has applied the metadata up to `version` and owns the groups it made.
    MetadataApplied { version: u64 },
    /// Who leads now. Dropped: clients are sent to the old leader until the next change.
    Leaders(Vec<(GroupId, Leadership)>),
    /// From another broker, for a group of this core. Dropped: Raft sends it again.
    Peer(PeerMessage),
}

/// A step of the metadata that every core takes.
#[derive(Debug)]
pub(crate) struct MetadataUpdate {
    /// Counts the updates of this process from 1.
    pub(crate) version: u64,
    pub(crate) step: Step,
}

#[derive(Debug)]
pub(crate) enum Step {
    Records(Vec<Record>),
    /// All that was committed before this node's present start has been applied.
    Complete,
}

pub(crate) enum Request {
    Produce(ProduceVisit),
    Fetch(FetchVisit),
    Offsets(Vec<OffsetItem>),
    Epochs(Vec<EpochItem>),
    Trim(Vec<TrimItem>),
    Producers(Vec<GroupId>),
    /// Ends of transactions; answered as a produce is.
    Markers(Vec<MarkerItem>),
    Standings(Vec<StandingItem>),
    Sizes,
    /// For the metadata's core.
    Quorum,
    Admin(AdminRequest),
    Coordinate(CoordinateVisit),
}

pub(crate) enum Reply {
    Produce(Outcomes<Produced>),
    Fetch(FetchReply),
    /// An armed fetch has something to read.
    Fired,
    Offsets(Outcomes<OffsetFound>),
    Epochs(Outcomes<EpochFound>),
    /// The new log starts.
    Trim(Outcomes<Offset>),
    Producers(Outcomes<Vec<ProducerInfo>>),
    Standings(Outcomes<Standing>),
    Sizes(Vec<PartitionSize>),
    Quorum(Result<Quorum>),
    Admin(Result<AdminReply>),
    /// A coordinator has taken the request; its answer comes to the slot named in the visit.
    Coordinating,
    Coordinated(corelog_coordinator::Result<corelog_coordinator::Reply>),
}

/// For the coordinator that lives in a group. Members may wait for each other for minutes, so the
/// lane's credit goes back at once and the answer comes to a slot of its own.
pub(crate) struct CoordinateVisit {
    pub(crate) group: GroupId,
    pub(crate) answer: ReplyTo,
    pub(crate) request: corelog_coordinator::Request,
}

pub(crate) struct ProduceVisit {
    pub(crate) acks: Acks,
    pub(crate) items: Vec<ProduceItem>,
}

pub(crate) struct ProduceItem {
    pub(crate) group: GroupId,
    pub(crate) verified: Verified,
    pub(crate) header: BatchHeader,
    pub(crate) batch: BytesMut,
}

#[derive(Clone, Copy)]
pub(crate) struct MarkerItem {
    pub(crate) group: GroupId,
    pub(crate) producer: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) marker: EndMarker,
    pub(crate) rule: MarkerEpoch,
}

#[derive(Clone, Copy)]
pub(crate) struct StandingItem {
    pub(crate) group: GroupId,
    pub(crate) producer: ProducerId,
    pub(crate) epoch: ProducerEpoch,
}

pub(crate) struct FetchVisit {
    pub(crate) isolation: Isolation,
    pub(crate) bytes_min: u64,
    pub(crate) bytes_max: u64,
    pub(crate) items: Vec<FetchItem>,
    /// Where to say that there is something to read, if less than `bytes_min` is there now.
    pub(crate) arm: Option<ReplyTo>,
}

#[derive(Clone, Copy)]
pub(crate) struct FetchItem {
    pub(crate) group: GroupId,
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: Option<LeaderEpoch>,
    pub(crate) bytes_max: u64,
}

#[derive(Default)]
pub(crate) struct FetchReply {
    pub(crate) outcomes: Outcomes<Fetched>,
    /// A wait was armed: `Fired` will come to the slot named in the visit, once at most.
    pub(crate) armed: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct OffsetItem {
    pub(crate) group: GroupId,
    pub(crate) isolation: Isolation,
    pub(crate) leader_epoch: Option<LeaderEpoch>,
    pub(crate) query: OffsetQuery,
}

#[derive(Clone, Copy)]
pub(crate) struct EpochItem {
    pub(crate) group: GroupId,
    pub(crate) current: Option<LeaderEpoch>,
    pub(crate) asked: LeaderEpoch,
}

#[derive(Clone, Copy)]
pub(crate) struct TrimItem {
    pub(crate) group: GroupId,
    pub(crate) before: Option<Offset>,
}
