//! One group's engine: raft-rs, its store, and what waits to be durable.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{
    Entry, EntryKind, GroupId, HardState, LogIndex, LogStart, Monotonic, Offset, Random, Replica,
    Term,
};
use raft::prelude::{ConfState, Config, Entry as RaftEntry, Message, MessageType};
use raft::{GetEntriesContext, RawNode, StateRole};

use crate::message::PeerMessage;
use crate::replicas::{Out, Restored, Role, Spec};
use crate::store::{Store, context};

/// Ticks without a heartbeat until a follower stands for election: 10 to 19 of them.
const ELECTION_TICKS: usize = 10;
const HEARTBEAT_TICKS: usize = 2;
/// Of one message to a follower, and of what is applied at a time.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;
const MESSAGES_IN_FLIGHT_MAX: usize = 64;
/// What a leader keeps in memory for followers that lag; behind it they read from the log.
const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// What the engine may not act on before it is durable.
struct Unflushed {
    number: u64,
    /// The last entry, if there are entries: (term, index).
    last: Option<(Term, LogIndex)>,
    hard_state: Option<HardState>,
    messages: Vec<Message>,
}

/// What was last said of the leadership: term, leader, role.
type Said = (u64, u64, StateRole);

pub(crate) struct Engine {
    pub(crate) group: GroupId,
    replicas: Vec<Replica>,
    node: RawNode<Store>,
    unflushed: VecDeque<Unflushed>,
    /// Durable up to here, in the order of appends: (term, index).
    flushed: (Term, LogIndex),
    flushed_state: HardState,
    said: Option<Said>,
    /// The opening entry of this leadership; None once it has committed, or while following.
    opening: Option<LogIndex>,
    /// The key for which the election timeout was drawn, and the draw.
    timeout: (Said, usize),
    applied: LogIndex,
    /// When each replica was last seen to hold everything that the leader held then.
    caught_up: Vec<(u64, Monotonic)>,
    /// Entries that a follower needs and that are not in memory: the engine's own marks.
    fetches: Vec<(u64, GetEntriesContext)>,
}

impl Engine {
    pub(crate) fn new(spec: Spec, restored: Restored) -> Result<Self, String> {
        let config = Config {
            id: spec.me,
            election_tick: ELECTION_TICKS,
            heartbeat_tick: HEARTBEAT_TICKS,
            applied: restored.settled_index.0,
            max_size_per_msg: MESSAGE_BYTES_MAX,
            max_inflight_msgs: MESSAGES_IN_FLIGHT_MAX,
            check_quorum: true,
            pre_vote: true,
            skip_bcast_commit: false,
            max_committed_size_per_ready: 4 * MESSAGE_BYTES_MAX,
            ..Config::default()
        };
        let conf = ConfState {
            voters: spec.voters.iter().map(|r| r.id).collect(),
            learners: spec.learners.iter().map(|r| r.id).collect(),
            ..ConfState::default()
        };
        let before = (
            restored.settled_index,
            restored.settled_term,
            restored.settled_offset,
        );
        let store = Store::new(
            restored.hard_state,
            conf,
            restored.start,
            before,
            restored.entries,
            restored.terms,
        );
        let last = store.last();
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&config, store, &logger).map_err(|e| e.to_string())?;
        let replicas = spec.voters.iter().chain(&spec.learners).copied().collect();
        Ok(Self {
            group: spec.group,
            replicas,
            node,
            unflushed: VecDeque::new(),
            flushed: (last.1, last.0),
            flushed_state: restored.hard_state,
            said: None,
            opening: None,
            timeout: ((u64::MAX, 0, StateRole::Follower), ELECTION_TICKS),
            applied: restored.settled_index,
            caught_up: Vec::new(),
            fetches: Vec::new(),
        })
    }

    pub(crate) fn is_lone(&self) -> bool {
        self.replicas.len() == 1
    }

    fn said_now(&self) -> Said {
        let raft = &self.node.raft;
        (raft.term, raft.leader_id, raft.state)
    }

    /// The engine draws timeouts from a generator of its own: ours replaces the draw after each
    /// call that may have made one.
    pub(crate) fn draw_timeout(&mut self, random: &mut Random) {
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
    }

    fn look_at_progress(&mut self, now: Monotonic) {
        if self.node.raft.state != StateRole::Leader {
            return self.caught_up.clear();
        }
        let committed = self.node.raft.raft_log.committed;
        for (id, progress) in self.node.raft.prs().iter() {
            if progress.matched < committed {
                continue;
            }
            match self.caught_up.iter_mut().find(|(known, _)| known == id) {
                Some(seen) => seen.1 = now,
                None => self.caught_up.push((*id, now)),
            }
        }
    }

    /// Voters that held all that was committed at some time within `lag_max`, this one included.
    pub(crate) fn in_sync(&self, now: Monotonic, lag_max: Duration) -> Vec<Replica> {
        let me = self.node.raft.id;
        let recent = |id: u64| {
            let seen = self.caught_up.iter().find(|(known, _)| *known == id);
            seen.is_some_and(|(_, at)| now.since(*at) <= lag_max)
        };
        let all = self.replicas.iter().copied();
        all.filter(|r| r.id == me || recent(r.id)).collect()
    }

    pub(crate) fn campaign(&mut self) -> Result<(), String> {
        self.node.campaign().map_err(|e| e.to_string())
    }

    pub(crate) fn transfer(&mut self, to: u64) {
        self.node.transfer_leader(to);
    }

    pub(crate) fn receive(&mut self, message: PeerMessage) {
        // A message that makes no sense now is the network's doing: Raft sends again.
        if self.replicas.iter().any(|r| r.id == message.raft.from) {
            drop(self.node.step(message.raft));
        }
    }

    /// False if this replica does not lead, or is handing over: nothing was taken.
    pub(crate) fn propose(&mut self, kind: EntryKind, base: Offset, data: Bytes) -> bool {
        let entry = RaftEntry {
            context: context(kind, base),
            data,
            ..RaftEntry::default()
        };
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.node.raft.id;
        message.entries.push(entry);
        self.node.step(message).is_ok()
    }

    pub(crate) fn compact(&mut self, start: LogStart) {
        self.node.mut_store().set_start(start);
    }

    /// Everything up to this entry is durable.
    pub(crate) fn persisted(&mut self, term: Term, index: LogIndex, out: &mut Vec<Out>) {
        self.flushed = self.flushed.max((term, index));
        self.release(out);
    }

    pub(crate) fn state_persisted(&mut self, state: HardState, out: &mut Vec<Out>) {
        self.flushed_state = state;
        self.release(out);
    }

    /// Lets the engine act on what has become durable.
    fn release(&mut self, out: &mut Vec<Out>) {
        let mut reached = None;
        while let Some(first) = self.unflushed.front() {
            let entries = first.last.is_none_or(|last| last <= self.flushed);
            let state = first
                .hard_state
                .is_none_or(|s| covers(self.flushed_state, s));
            if !entries || !state {
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
    }

    fn send(&self, messages: Vec<Message>, out: &mut Vec<Out>) {
        for message in messages {
            let to = self.replicas.iter().find(|r| r.id == message.to);
            if let Some(to) = to {
                out.push(Out::Send {
                    to: to.node,
                    message: PeerMessage::new(self.group, message),
                });
            }
        }
    }

    pub(crate) fn has_ready(&self) -> bool {
        self.node.has_ready() || self.node.store().wants() || self.said != Some(self.said_now())
    }

    /// Takes what the engine has ready.
    pub(crate) fn ready(&mut self, out: &mut Vec<Out>) -> Result<(), String> {
        self.say_leadership(out);
        self.ask_for_reads(out);
        if !self.node.has_ready() {
            return Ok(());
        }
        let mut ready = self.node.ready();
        self.send(ready.take_messages(), out);
        let committed = ready.take_committed_entries();
        let entries = self.node.mut_store().append(ready.take_entries())?;
        let state = ready
            .hs()
            .filter(|_| ready.must_sync())
            .map(|state| HardState {
                term: Term(state.term),
                vote: state.vote,
                commit: LogIndex(state.commit),
            });
        let last = entries.last().map(|e| (e.term, e.index));
        let messages = ready.take_persisted_messages();
        self.unflushed.push_back(Unflushed {
            number: ready.number(),
            last,
            hard_state: state,
            messages,
        });
        if !entries.is_empty() || state.is_some() {
            out.push(Out::Append {
                group: self.group,
                entries,
                hard_state: state,
            });
        }
        self.node.advance_append_async(ready);
        self.apply(&committed, out)?;
        self.release(out);
        Ok(())
    }

    fn apply(&mut self, committed: &[RaftEntry], out: &mut Vec<Out>) -> Result<(), String> {
        let Some(last) = committed.last().map(|e| LogIndex(e.index)) else {
            return Ok(());
        };
        let store = self.node.store();
        let entries: Option<Vec<Entry>> = committed
            .iter()
            .map(|e| store.get(e.index).cloned())
            .collect();
        let entries = entries.ok_or("a committed entry is not in the window")?;
        out.push(Out::Committed {
            group: self.group,
            entries,
        });
        self.applied = last;
        self.node.advance_apply_to(last.0);
        if self.opening.is_some_and(|opening| opening <= last) {
            self.opening = None;
            out.push(Out::Ready { group: self.group });
        }
        self.shrink_window();
        Ok(())
    }

    /// Forgets entries that nobody needs: applied, durable, and held by every follower, or more
    /// than the window holds.
    fn shrink_window(&mut self) {
        let mut needed = self.applied.min(self.flushed.1);
        if self.node.raft.state == StateRole::Leader && !self.is_lone() {
            let held = self.node.raft.prs().iter().map(|(_, p)| p.matched).min();
            let held = LogIndex(held.unwrap_or(0));
            if self.node.store().bytes() <= WINDOW_BYTES_MAX {
                needed = needed.min(held);
            }
        }
        // The engine may still ask for the term of the last applied entry.
        let up_to = LogIndex(needed.0.saturating_sub(1));
        self.node.mut_store().forget(up_to);
    }

    fn say_leadership(&mut self, out: &mut Vec<Out>) {
        let now = self.said_now();
        if self.said == Some(now) {
            return;
        }
        let led = matches!(self.said, Some((_, _, StateRole::Leader)));
        let (term, leader, state) = now;
        let role = match state {
            StateRole::Leader => Role::Leader,
            StateRole::Follower => Role::Follower,
            _ => Role::Candidate,
        };
        let log_end = self.node.store().end();
        if role == Role::Leader && self.said.is_none_or(|said| said.0 != term || !led) {
            // The opening entry is the engine's last, not yet taken as ready.
            self.opening = Some(LogIndex(self.node.raft.raft_log.last_index()));
        } else if role != Role::Leader {
            self.opening = None;
        }
        self.said = Some(now);
        let leader = self.replicas.iter().find(|r| r.id == leader).copied();
        out.push(Out::Leadership {
            group: self.group,
            term: Term(term),
            leader,
            role,
            log_end,
        });
    }

    /// Asks for entries that followers need and that are no longer in memory.
    fn ask_for_reads(&mut self, out: &mut Vec<Out>) {
        for (from, mark) in self.node.mut_store().take_wanted() {
            out.push(Out::Read {
                group: self.group,
                from: LogIndex(from),
                bytes_max: MESSAGE_BYTES_MAX as u32,
            });
            self.fetches.push((from, mark));
        }
    }

    /// Entries that a follower needs have been read from the log; none if that failed, and then
    /// the follower is tried again by its next answer.
    pub(crate) fn fetched(&mut self, from: LogIndex, entries: Vec<Entry>) {
        let (due, left) = std::mem::take(&mut self.fetches)
            .into_iter()
            .partition::<Vec<_>, _>(|(first, _)| *first == from.0);
        self.fetches = left;
        if entries.is_empty() {
            return;
        }
        self.node.mut_store().set_fetched(entries);
        for (_, mark) in due {
            self.node.on_entries_fetched(mark);
        }
        self.node.mut_store().set_fetched(Vec::new());
    }
}

/// Whether a hard state that is durable makes `asked` so: terms, votes and commits only grow.
fn covers(durable: HardState, asked: HardState) -> bool {
    durable.term > asked.term
        || (durable.term == asked.term
            && (durable.vote == asked.vote || asked.vote == 0)
            && durable.commit >= asked.commit)
}
