//! What an engine has ready: entries to append, messages, what is committed, who leads.

use std::time::Duration;

use corelog_base::{Entry, HardState, LogIndex, Monotonic, Replica, Term};
use raft::StateRole;
use raft::prelude::{Entry as RaftEntry, HardState as RaftState};

use crate::engine::{Engine, MESSAGE_BYTES_MAX, Unflushed};
use crate::replicas::{Out, Role};

impl Engine {
    pub(crate) fn has_ready(&self) -> bool {
        if let Some(proposed) = &self.alone {
            return !proposed.is_empty() || self.flushed > self.applied;
        }
        if self.must_wait() {
            return false;
        }
        self.node.has_ready()
            || self.node.store().wants()
            || self.said != Some(self.said_now())
            || self.may_lead_again()
    }

    /// Entries are about to be cut off while some are not durable yet. The next append waits for
    /// them: then `Persisted` has one meaning at any time, also where terms go back (an entry of
    /// term 2 that nobody else has is replaced by one of term 1 from the leader of term 3), and
    /// where an entry that was cut off comes back.
    fn must_wait(&self) -> bool {
        let first = self.node.raft.raft_log.unstable_entries().first();
        let cuts = first.is_some_and(|first| first.index <= self.node.store().last().0.0);
        cuts && !self.unflushed.is_empty()
    }

    fn may_lead_again(&self) -> bool {
        self.refused && self.leads() && self.node.raft.lead_transferee.is_none()
    }

    /// Takes what the engine has ready. `window_bytes_max` is what a leader may keep in memory for
    /// followers that lag.
    pub(crate) fn ready(
        &mut self,
        window_bytes_max: u64,
        out: &mut Vec<Out>,
    ) -> Result<(), String> {
        if self.alone.is_some() {
            return self.ready_alone(out);
        }
        self.ask_for_reads(out);
        if !self.node.has_ready() {
            self.say_leadership(out);
            return Ok(());
        }
        let mut ready = self.node.ready();
        let committed = ready.take_committed_entries();
        let entries = self.append(ready.take_entries())?;
        self.say_leadership(out);
        self.send(ready.take_messages(), out);
        let hard_state = ready.hs().and_then(|state| self.new_state(state));
        self.unflushed.push_back(Unflushed {
            number: ready.number(),
            last: entries.last().map(|entry| entry.index),
            hard_state,
            messages: ready.take_persisted_messages(),
        });
        if !entries.is_empty() || hard_state.is_some() {
            out.push(Out::Append {
                group: self.group,
                entries,
                hard_state,
            });
        }
        self.node.advance_append_async(ready);
        self.apply(&committed, out)?;
        self.release(out);
        self.shrink_window(window_bytes_max);
        Ok(())
    }

    fn append(&mut self, entries: Vec<RaftEntry>) -> Result<Vec<Entry>, String> {
        if let Some(first) = entries.first() {
            self.flushed = self.flushed.min(LogIndex(first.index.saturating_sub(1)));
        }
        self.node.mut_store().append(entries)
    }

    /// What must be flushed: a new term or vote. The commit index goes along.
    fn new_state(&mut self, state: &RaftState) -> Option<HardState> {
        let given = self.given_state;
        let state = HardState {
            term: Term(state.term),
            vote: state.vote,
            commit: LogIndex(state.commit),
        };
        if (given.term, given.vote) == (state.term, state.vote) {
            return None;
        }
        self.given_state = state;
        Some(state)
    }

    fn apply(&mut self, committed: &[RaftEntry], out: &mut Vec<Out>) -> Result<(), String> {
        let Some(last) = committed.last().map(|entry| LogIndex(entry.index)) else {
            return Ok(());
        };
        self.apply_to(last, out)?;
        self.node.advance_apply_to(last.0);
        self.open(out);
        Ok(())
    }

    /// Gives the committed entries that were not given yet, up to this one.
    pub(crate) fn apply_to(&mut self, last: LogIndex, out: &mut Vec<Out>) -> Result<(), String> {
        let store = self.node.store();
        let indexes = self.applied.0 + 1..=last.0;
        let entries: Option<Vec<Entry>> = indexes.map(|i| store.get(i).cloned()).collect();
        out.push(Out::Committed {
            group: self.group,
            entries: entries.ok_or("a committed entry is not in the window")?,
        });
        self.applied = last;
        Ok(())
    }

    /// Says that this leadership knows what is committed, once that is so.
    fn open(&mut self, out: &mut Vec<Out>) {
        if self.opening.is_some_and(|opening| opening <= self.applied) {
            self.opening = None;
            out.push(Out::Ready { group: self.group });
        }
    }

    /// Forgets entries that nobody needs: applied, durable, and held by every follower, or more
    /// than the window holds. The data of the last entry goes too: a batch pins the buffer that it
    /// came in.
    fn shrink_window(&mut self, window_bytes_max: u64) {
        let done = self.applied.min(self.flushed);
        let mut needless = done;
        if self.leads() && !self.is_lone() {
            let held = self.node.raft.prs().iter().map(|(_, p)| p.matched).min();
            needless = done.min(LogIndex(held.unwrap_or(0)));
        }
        let store = self.node.mut_store();
        store.forget(needless);
        store.forget_beyond(window_bytes_max, done);
    }

    fn say_leadership(&mut self, out: &mut Vec<Out>) {
        let now = self.said_now();
        let again = self.may_lead_again();
        if self.said == Some(now) && !again {
            return;
        }
        let (term, leader, state) = now;
        let role = match state {
            StateRole::Leader => Role::Leader,
            StateRole::Follower => Role::Follower,
            _ => Role::Candidate,
        };
        let (last, log_end) = (self.node.store().last().0, self.node.store().end());
        let before = self.said.replace(now);
        let new = before.is_none_or(|(said, _, role)| said != term || role != StateRole::Leader);
        if role != Role::Leader {
            self.opening = None;
        } else if new || again {
            // The last entry is the opening one, or a later one of the same term.
            self.opening = Some(last);
        }
        self.refused = false;
        out.push(Out::Leadership {
            group: self.group,
            term: Term(term),
            leader: self.replica(leader),
            role,
            log_end,
        });
        self.open(out);
    }

    /// Asks for entries that followers need and that are no longer in memory.
    fn ask_for_reads(&mut self, out: &mut Vec<Out>) {
        for (from, mark) in self.node.mut_store().take_wanted() {
            if self.fetches.want(from, mark) {
                out.push(Out::Read {
                    group: self.group,
                    from,
                    bytes_max: MESSAGE_BYTES_MAX,
                });
            }
        }
    }

    /// Entries that a follower needs have been read from the log; none if that failed, and then
    /// the follower is tried again by its next answer.
    pub(crate) fn fetched(&mut self, from: LogIndex, entries: Vec<Entry>) {
        let marks = self.fetches.take(from);
        if entries.is_empty() {
            return;
        }
        self.node.mut_store().set_fetched(entries);
        for mark in marks {
            self.node.on_entries_fetched(mark);
        }
        self.node.mut_store().set_fetched(Vec::new());
    }

    /// A follower may hold more than this leader knows, because its answer was lost. If the log
    /// begins after what is known of it, the engine would wait for a snapshot for ever: it is
    /// asked whether it has the entry before the log's start. One that does not have it stays
    /// behind until a snapshot brings it forward.
    pub(crate) fn probe_at_start(&mut self) {
        if !self.leads() {
            return;
        }
        let start = self.node.store().start().0;
        for (_, progress) in self.node.raft.mut_prs().iter_mut() {
            if progress.next_idx < start {
                progress.next_idx = start;
            }
        }
    }

    pub(crate) fn look_at_progress(&mut self, now: Monotonic) {
        if !self.leads() {
            return self.caught_up.clear();
        }
        let committed = self.node.raft.raft_log.committed;
        for (id, progress) in self.node.raft.prs().iter() {
            if progress.matched < committed || !progress.recent_active {
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
        let all = self.voters.iter().copied();
        all.filter(|r| r.id == me || recent(r.id)).collect()
    }
}
