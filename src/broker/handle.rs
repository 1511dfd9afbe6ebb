//! The broker as the doors of one core see it: a handle that plans, asks the owning cores, and
//! gathers. It lives on one core, like everything that it reaches.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corelog_base::{CoreId, GroupId, NodeId};
use corelog_cluster::{Image, Local};
use corelog_log::Log;
use corelog_replica::PeerMessage;
use corelog_rt::local::Receiver;
use corelog_rt::mesh::Mesh;
use corelog_rt::{Credits, Gate, Notify, Runtime, Shared};

use crate::api::{Leadership, PartitionKey};
use crate::effects::Effects;
use crate::message::{Message, Reply, ReplyTo, Request};
use crate::pending::Pending;
use crate::shard::Shard;
use crate::{Error, Result};

/// How many requests of a core may wait for one other core's replies.
pub(crate) const LANE_CREDITS: u64 = 1024;

/// The way to other brokers. Sending never blocks; what cannot be sent is dropped, and Raft sends
/// it again.
pub trait Peers: 'static {
    fn send(&self, to: NodeId, message: PeerMessage);
}

/// A cluster of one has nobody to send to.
pub struct NoPeers;

impl Peers for NoPeers {
    fn send(&self, to: NodeId, _message: PeerMessage) {
        panic!("a cluster of one sends nothing, but a message was made for node {to}");
    }
}

/// A core's broker. Clones share it.
pub struct Broker<R: Runtime>(pub(crate) Rc<Inner<R>>);

impl<R: Runtime> Clone for Broker<R> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

pub(crate) struct Inner<R: Runtime> {
    pub(crate) rt: R,
    pub(crate) node: NodeId,
    pub(crate) local: Arc<Local>,
    pub(crate) cores: u16,
    pub(crate) log: Log<R>,
    pub(crate) shard: Shared<Shard<R>>,
    pub(crate) mesh: Shared<Option<Mesh<Message>>>,
    pub(crate) pending: Shared<Pending>,
    /// Reply credits by destination core.
    pub(crate) lanes: Vec<Credits>,
    pub(crate) peers: Box<dyn Peers>,
    /// Proposals wait in the groups for the flush task.
    pub(crate) proposals: Notify,
    /// Turns for reads from the disk.
    pub(crate) disk_turns: Credits,
    /// Work in flight: jobs, and requests from the doors.
    pub(crate) gate: Gate,
}

impl<R: Runtime> Broker<R> {
    pub fn core(&self) -> CoreId {
        self.0.rt.core()
    }

    pub fn cores(&self) -> u16 {
        self.0.cores
    }

    pub fn node(&self) -> NodeId {
        self.0.node
    }

    pub fn runtime(&self) -> &R {
        &self.0.rt
    }

    /// Looks at this core's image of the metadata.
    pub fn image<O>(&self, look: impl FnOnce(&Image) -> O) -> O {
        self.0.shard.with(|shard| look(&shard.image))
    }

    /// Who leads a partition, as far as this core has heard.
    pub fn leadership(&self, key: PartitionKey) -> Leadership {
        self.0.shard.with(|shard| shard.leadership_of(key))
    }

    /// A message from another broker, for a group of any core.
    pub fn peer(&self, message: PeerMessage) {
        let owner = self.0.owner(message.group());
        if owner == self.core() {
            self.0.run(|shard, fx| shard.peer(message, fx));
        } else {
            self.0.post(owner, Message::Peer(message));
        }
    }

    /// Requests that wait for an answer from any core; for metrics.
    pub fn pending(&self) -> usize {
        self.0.pending.with(|pending| pending.len())
    }
}

impl<R: Runtime> Inner<R> {
    /// The core that owns a group on this node.
    pub(crate) fn owner(&self, group: GroupId) -> CoreId {
        corelog_cluster::core_of(group, self.cores)
    }

    pub(crate) fn stopping(&self) -> bool {
        self.gate.is_closed()
    }

    pub(crate) fn post(&self, to: CoreId, message: Message) {
        let mesh = self.mesh.with(|mesh| mesh.clone());
        mesh.expect("the mesh is attached at start")
            .post(to, message);
    }

    pub(crate) fn post_to_others(&self, make: impl Fn() -> Message) {
        let me = self.rt.core();
        for core in (0..self.cores).map(CoreId).filter(|core| *core != me) {
            self.post(core, make());
        }
    }

    /// Asks the core `to`. Waits for a credit of its lane, in order; once this returns, the
    /// request is on its way, behind all that was asked of that core before.
    pub(crate) async fn ask(self: &Rc<Self>, to: CoreId, request: Request) -> Receiver<Reply> {
        let me = self.rt.core();
        if to == me {
            let (slot, receiver) = self.pending.with(|pending| pending.open(None));
            let reply_to = ReplyTo { core: me, slot };
            self.run(|shard, fx| shard.handle(reply_to, request, fx));
            return receiver;
        }
        let credit = self.lanes[usize::from(to.0)].take(1).await;
        let (slot, receiver) = self.pending.with(|pending| pending.open(Some(credit)));
        self.post(to, Message::Request { slot, request });
        receiver
    }

    /// Asks and waits for the answer, at most for `limit`.
    pub(crate) async fn ask_within(
        self: &Rc<Self>,
        to: CoreId,
        request: Request,
        limit: Duration,
    ) -> Result<Reply> {
        let receiver = self.ask(to, request).await;
        match corelog_rt::timeout(&self.rt, limit, receiver).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(Error::Stopping),
            Err(_) => Err(Error::TimedOut),
        }
    }

    /// Opens a slot for a message that may come later; `close` it when it is no longer wanted.
    pub(crate) fn open_slot(&self) -> (ReplyTo, Receiver<Reply>) {
        let core = self.rt.core();
        let (slot, receiver) = self.pending.with(|pending| pending.open(None));
        (ReplyTo { core, slot }, receiver)
    }

    pub(crate) fn close_slot(&self, slot: u64) {
        drop(self.pending.with(|pending| pending.take(slot)));
    }

    /// One step of the shard, then its effects.
    pub(crate) fn run<O>(
        self: &Rc<Self>,
        step: impl FnOnce(&mut Shard<R>, &mut Effects) -> O,
    ) -> O {
        let mut effects = Effects::default();
        let out = self.shard.with(|shard| step(shard, &mut effects));
        self.carry_out(effects);
        out
    }

    fn carry_out(self: &Rc<Self>, effects: Effects) {
        let me = self.rt.core();
        for (to, message) in effects.peers {
            self.peers.send(to, message);
        }
        for update in effects.metadata {
            self.post_to_others(|| Message::Metadata(update.clone()));
        }
        if !effects.leaders.is_empty() {
            self.post_to_others(|| Message::Leaders(effects.leaders.clone()));
        }
        for (to, version) in effects.applied {
            if to == me {
                self.run(|shard, fx| shard.metadata_applied(me, version, fx));
            } else {
                self.post(to, Message::MetadataApplied { version });
            }
        }
        for (to, reply) in effects.replies {
            self.deliver(to, reply);
        }
        for job in effects.jobs {
            crate::shard::job::spawn(self, job);
        }
        if effects.flush {
            self.proposals.notify();
        }
    }

    pub(crate) fn deliver(&self, to: ReplyTo, reply: Reply) {
        if to.core != self.rt.core() {
            let slot = to.slot;
            self.post(to.core, Message::Reply { slot, reply });
            return;
        }
        if let Some(sender) = self.pending.with(|pending| pending.take(to.slot)) {
            // The asker may have gone: nobody wants the reply then.
            drop(sender.send(reply));
        }
    }

    /// Nobody waits for this reply any more, as far as this core knows.
    pub(crate) fn is_abandoned(&self, to: ReplyTo) -> bool {
        let is_own = to.core == self.rt.core();
        is_own && self.pending.with(|pending| pending.is_abandoned(to.slot))
    }

    /// A parcel from another core.
    pub(crate) fn receive(self: &Rc<Self>, from: CoreId, parcel: Vec<Message>) {
        for message in parcel {
            match message {
                Message::Request { slot, request } => {
                    let reply_to = ReplyTo { core: from, slot };
                    self.run(|shard, fx| shard.handle(reply_to, request, fx));
                }
                Message::Reply { slot, reply } => {
                    let core = self.rt.core();
                    self.deliver(ReplyTo { core, slot }, reply);
                }
                Message::Disarm { wait } => self.shard.with(|shard| shard.disarm(wait)),
                Message::Metadata(update) => {
                    self.run(|shard, fx| shard.metadata_update(from, &update, fx));
                }
                Message::MetadataApplied { version } => {
                    self.run(|shard, fx| shard.metadata_applied(from, version, fx));
                }
                Message::Leaders(leaders) => self.shard.with(|shard| shard.learn(&leaders)),
                Message::Peer(message) => self.run(|shard, fx| shard.peer(message, fx)),
            }
        }
    }
}
