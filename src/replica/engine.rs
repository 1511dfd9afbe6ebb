//! One group's engine: raft-rs, its store, and what waits to be durable. What it does with each
//! input is here; what it has ready is taken in `ready.rs`.

use std::collections::VecDeque;

use bytes::Bytes;
use corelog_base::{
    Entry, EntryKind, GroupId, HardState, LogIndex, LogStart, Monotonic, Offset, Random, Replica,
    Term,
};
use raft::prelude::{ConfState, Config, Entry as RaftEntry, Message, MessageType};
use raft::{RawNode, StateRole};

use crate::fetch::Fetches;
use crate::message::PeerMessage;
use crate::replicas::{Out, Restored, Spec};
use crate::store::{Store, context};

/// Ticks without a heartbeat until a follower stands for election: 10 to 19 of them.
const ELECTION_TICKS: usize = 10;
const HEARTBEAT_TICKS: usize = 2;
/// Of one message to a follower, and of one read for it.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 1 << 20;
/// Of what is applied at a time.
const COMMITTED_BYTES_MAX: u64 = 4 << 20;
const MESSAGES_IN_FLIGHT_MAX: usize = 64;

/// What the engine may not act on before it is durable.
pub(crate) struct Unflushed {
    pub(crate) number: u64,
    /// The last entry, if there are entries.
    pub(crate) last: Option<LogIndex>,
    /// Set if the term or the vote changed. A commit index may be forgotten.
    pub(crate) hard_state: Option<HardState>,
    pub(crate) messages: Vec<Message>,
}

/// What was last said of the leadership: term, leader, role.
pub(crate) type Said = (u64, u64, StateRole);

pub(crate) struct Engine {
    pub(crate) group: GroupId,
    pub(crate) voters: Vec<Replica>,
    learners: Vec<Replica>,
    pub(crate) node: RawNode<Store>,
    /// In the order of the appends; the entries' indexes ascend, because an append that cuts off
    /// entries is only made when nothing is unflushed.
    pub(crate) unflushed: VecDeque<Unflushed>,
    /// The log is durable up to here.
    pub(crate) flushed: LogIndex,
    pub(crate) flushed_state: HardState,
    /// The term and vote that were last given to be flushed.
    pub(crate) given_state: HardState,
    pub(crate) said: Option<Said>,
    /// A proposal was refused although this replica leads: the leadership is said again once
    /// proposals are taken, because whoever proposed has given up on it.
    pub(crate) refused: bool,
    /// Up to here must be committed before this leadership is ready; None once it is.
    pub(crate) opening: Option<LogIndex>,
    /// The key for which the election timeout was drawn, and the draw.
    timeout: (Said, usize),
    pub(crate) applied: LogIndex,
    /// When each replica was last seen to hold everything that was committed.
    pub(crate) caught_up: Vec<(u64, Monotonic)>,
    pub(crate) fetches: Fetches,
    /// What was proposed and not taken yet, of a leader that agrees with nobody: see `alone.rs`.
    pub(crate) alone: Option<Vec<Entry>>,
    /// Since what it has ready was last taken.
    pub(crate) touched: bool,
}

impl Engine {
    pub(crate) fn new(spec: Spec, restored: Restored) -> Result<Self, String> {
        // What lies before the log's start was applied before the start moved there.
        let gone = LogIndex(restored.start.index.0.saturating_sub(1));
        let applied = restored.settled_index.max(gone);
        let config = Config {
            id: spec.me,
            election_tick: ELECTION_TICKS,
            heartbeat_tick: HEARTBEAT_TICKS,
            applied: applied.0,
            max_size_per_msg: u64::from(MESSAGE_BYTES_MAX),
            max_inflight_msgs: MESSAGES_IN_FLIGHT_MAX,
            check_quorum: true,
            pre_vote: true,
            skip_bcast_commit: true,
            max_committed_size_per_ready: COMMITTED_BYTES_MAX,
            ..Config::default()
        };
        let conf = ConfState {
            voters: spec.voters.iter().map(|r| r.id).collect(),
            learners: spec.learners.iter().map(|r| r.id).collect(),
            ..ConfState::default()
        };
        let hard_state = restored.hard_state;
        let store = Store::new(conf, restored)?;
        let flushed = store.last().0;
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&config, store, &logger).map_err(|e| e.to_string())?;
        Ok(Self {
            group: spec.group,
            voters: spec.voters,
            learners: spec.learners,
            node,
            unflushed: VecDeque::new(),
            flushed,
            flushed_state: hard_state,
            given_state: hard_state,
            said: None,
            refused: false,
            opening: None,
            timeout: ((u64::MAX, 0, StateRole::Follower), ELECTION_TICKS),
            applied,
            caught_up: Vec::new(),
            fetches: Fetches::default(),
            alone: None,
            touched: false,
        })
    }

    /// Agrees with nobody: it needs no clock.
    pub(crate) fn is_lone(&self) -> bool {
        self.voters.len() + self.learners.len() == 1
    }

    pub(crate) fn replica(&self, id: u64) -> Option<Replica> {
        let mut all = self.voters.iter().chain(&self.learners);
        all.find(|r| r.id == id).copied()
    }

    pub(crate) fn said_now(&self) -> Said {
        let raft = &self.node.raft;
        (raft.term, raft.leader_id, raft.state)
    }

    pub(crate) fn leads(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    /// The engine draws timeouts from a generator of its own: ours replaces the draw after each
    /// call that may have made one.
    pub(crate) fn draw_timeout(&mut self, random: &mut Random) {
        if self.alone.is_some() {
            return;
        }
        let now = self.said_now();
        if now != self.timeout.0 {
            let spread = random.below(ELECTION_TICKS as u64) as usize;
            self.timeout = (now, ELECTION_TICKS + spread);
        }
        let ticks = self.timeout.1;
        self.node.raft.set_randomized_election_timeout(ticks);
    }

    pub(crate) fn tick(&mut self, now: Monotonic) {
        self.node.tick();
        self.look_at_progress(now);
        self.probe_at_start();
    }

    pub(crate) fn campaign(&mut self) -> Result<(), String> {
        self.node.campaign().map_err(|e| e.to_string())
    }

    pub(crate) fn transfer(&mut self, to: u64) {
        self.node.transfer_leader(to);
    }

    /// A message for an earlier assignment of this broker, or from one that is no member, says
    /// nothing about this replica: an id is fresh for every assignment (raft-rs issue 571).
    pub(crate) fn receive(&mut self, message: PeerMessage) {
        let known = self.replica(message.raft.from).is_some();
        if known && message.raft.to == self.node.raft.id {
            // A message that makes no sense now is the network's doing: Raft sends again.
            drop(self.node.step(message.raft));
        }
    }

    /// False if this replica does not lead, or is handing over: nothing was taken. A follower's
    /// engine would forward it, and nobody could say what became of it.
    ///
    /// # Errors
    /// It is no entry that could follow the last.
    pub(crate) fn propose(
        &mut self,
        kind: EntryKind,
        base: Offset,
        data: Bytes,
    ) -> Result<bool, String> {
        if self.is_alone() {
            self.propose_alone(kind, base, data)?;
            return Ok(true);
        }
        if !self.leads() {
            return Ok(false);
        }
        let entry = RaftEntry {
            context: context(kind, base),
            data,
            ..RaftEntry::default()
        };
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.node.raft.id;
        message.entries.push(entry);
        let taken = self.node.step(message).is_ok();
        self.refused |= !taken;
        Ok(taken)
    }

    pub(crate) fn compact(&mut self, start: LogStart) -> Result<(), String> {
        self.node.mut_store().set_start(start)
    }

    /// Everything up to this entry is durable, if it is still the entry that the log has.
    pub(crate) fn persisted(&mut self, term: Term, index: LogIndex, out: &mut Vec<Out>) {
        if index > self.flushed && self.node.store().term_at(index) == Some(term) {
            self.flushed = index;
            self.release(out);
        }
    }

    pub(crate) fn state_persisted(&mut self, state: HardState, out: &mut Vec<Out>) {
        self.flushed_state = state;
        self.release(out);
    }

    /// Lets the engine act on what has become durable.
    pub(crate) fn release(&mut self, out: &mut Vec<Out>) {
        let mut reached = None;
        let mut partly = false;
        while let Some(first) = self.unflushed.front() {
            let entries = first.last.is_none_or(|last| last <= self.flushed);
            let asked = first.hard_state;
            let state = asked.is_none_or(|asked| covers(self.flushed_state, asked));
            if !entries || !state {
                partly = state;
                break;
            }
            if let Some(first) = self.unflushed.pop_front() {
                reached = Some(first.number);
                self.send(first.messages, out);
            }
        }
        if let Some(number) = reached {
            self.node.on_persist_ready(number);
        }
        // Entries of one step may become durable one by one, and the log may wait with the later ones
        // for the earlier ones to commit.
        if partly && let Some(term) = self.node.store().term_at(self.flushed) {
            let index = self.flushed.0;
            self.node.raft.on_persist_entries(index, term.0);
        }
    }

    pub(crate) fn send(&self, messages: Vec<Message>, out: &mut Vec<Out>) {
        for message in messages {
            if let Some(to) = self.replica(message.to) {
                out.push(Out::Send {
                    to: to.node,
                    message: PeerMessage::new(self.group, message),
                });
            }
        }
    }
}

/// Whether a hard state that is durable makes `asked` so: the term only grows, and in one term a
/// vote is given once.
fn covers(durable: HardState, asked: HardState) -> bool {
    durable.term > asked.term
        || (durable.term == asked.term && (durable.vote == asked.vote || asked.vote == 0))
}
