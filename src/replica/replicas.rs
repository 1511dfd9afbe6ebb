//! All groups of one core.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{
    Entry, EntryKind, GroupId, HardState, IdMap, LogIndex, LogStart, Monotonic, NodeId, Offset,
    Random, Replica, Term,
};

use crate::PeerMessage;
use crate::engine::Engine;
use crate::guard::guarded;

/// Who a replica is, and with whom it agrees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    pub group: GroupId,
    /// This replica's id: fresh for every assignment.
    pub me: u64,
    pub voters: Vec<Replica>,
    pub learners: Vec<Replica>,
}

/// What the log knows of a group. The default is a group that has never been written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    pub hard_state: HardState,
    pub start: LogStart,
    /// Up to here everything is committed, and applied by whoever restores.
    pub settled_index: LogIndex,
    pub settled_term: Term,
    pub settled_offset: Offset,
    /// After `settled_index`, contiguous.
    pub entries: Vec<Entry>,
    /// Where each term begins, ascending.
    pub terms: Vec<(LogIndex, Term)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Leader,
    Follower,
    /// Stands for election, or asks whether it would win one.
    Candidate,
}

/// What happens to the groups.
#[derive(Debug)]
pub enum In {
    /// The clock has moved by one tick, for every group with more than one voter.
    Tick,
    /// From another broker. An unknown group is ignored.
    Peer(PeerMessage),
    /// # Panics
    /// If the group is here already.
    Create {
        spec: Spec,
        restored: Restored,
    },
    Remove {
        group: GroupId,
    },
    /// Stand for election now.
    Campaign {
        group: GroupId,
    },
    /// Hand the leadership to a replica.
    Transfer {
        group: GroupId,
        to: u64,
    },
    /// One entry for the leader to append. Refused by `Out::Refused`.
    Propose {
        group: GroupId,
        kind: EntryKind,
        base_offset: Offset,
        data: Bytes,
    },
    /// Entries up to this one are durable.
    Persisted {
        group: GroupId,
        index: LogIndex,
        term: Term,
    },
    HardStatePersisted {
        group: GroupId,
        hard_state: HardState,
    },
    /// What `Out::Read` asked for; empty if it could not be read.
    Fetched {
        group: GroupId,
        from: LogIndex,
        entries: Vec<Entry>,
    },
    /// The log begins here now.
    Compact {
        group: GroupId,
        start: LogStart,
    },
}

/// What must be done. In order, for each group.
#[derive(Debug)]
pub enum Out {
    /// Make durable, and say so by `In::Persisted` and `In::HardStatePersisted`. The first entry
    /// may cut off what the log has from its index on.
    Append {
        group: GroupId,
        entries: Vec<Entry>,
        hard_state: Option<HardState>,
    },
    Send {
        to: NodeId,
        message: PeerMessage,
    },
    /// These entries are committed; each is given once, in order.
    Committed {
        group: GroupId,
        entries: Vec<Entry>,
    },
    /// Said when any of it changes. `log_end` is the offset after the last entry.
    Leadership {
        group: GroupId,
        term: Term,
        leader: Option<Replica>,
        role: Role,
        log_end: Offset,
    },
    /// This leader's opening entry is committed: it knows what is committed.
    Ready {
        group: GroupId,
    },
    /// The proposal was not taken: this replica does not lead, or hands its leadership over. If
    /// that comes to nothing, `Leadership` and `Ready` are said again for the same term.
    Refused {
        group: GroupId,
    },
    /// Read entries from the log for a follower, and give them by `In::Fetched`.
    Read {
        group: GroupId,
        from: LogIndex,
        bytes_max: u32,
    },
    /// The engine failed: the group is out of use on this broker.
    Quarantined {
        group: GroupId,
        reason: String,
    },
}

/// Memory of a core's groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// What all leaders of the core together keep in memory for followers that lag; behind it
    /// followers are read for from the log. What is not committed or not durable yet is kept
    /// beyond that: it is the log's admission that bounds it.
    pub window_bytes_max: u64,
    /// Of that, for one group.
    pub group_window_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window_bytes_max: 64 << 20,
            group_window_bytes_max: 8 << 20,
        }
    }
}

/// The groups of one core.
pub struct Replicas {
    node: NodeId,
    limits: Limits,
    random: Random,
    groups: IdMap<GroupId, Box<Engine>>,
    /// Groups with more than one voter: they hear the clock.
    ticking: BTreeSet<GroupId>,
    /// Touched since the last flush, each once.
    touched: Vec<GroupId>,
}

impl Replicas {
    pub fn new(seed: u64, node: NodeId) -> Self {
        Self {
            node,
            limits: Limits::default(),
            random: Random::new(seed),
            groups: IdMap::default(),
            ticking: BTreeSet::new(),
            touched: Vec::new(),
        }
    }

    /// From the next flush on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// One input. What follows from it comes with the next `flush`, but for what cannot wait.
    pub fn step(&mut self, now: Monotonic, input: In, out: &mut Vec<Out>) {
        match input {
            In::Tick => {
                let ticking: Vec<GroupId> = self.ticking.iter().copied().collect();
                for group in ticking {
                    self.call(group, out, |engine, _| {
                        engine.tick(now);
                        Ok(())
                    });
                }
            }
            In::Peer(message) => self.call(message.group(), out, |engine, _| {
                engine.receive(message);
                Ok(())
            }),
            In::Create { spec, restored } => self.create(spec, restored, out),
            In::Remove { group } => self.forget(group),
            In::Campaign { group } => self.call(group, out, |engine, _| engine.campaign()),
            In::Transfer { group, to } => self.call(group, out, |engine, _| {
                engine.transfer(to);
                Ok(())
            }),
            In::Propose {
                group,
                kind,
                base_offset,
                data,
            } => self.call(group, out, |engine, out| {
                if !engine.propose(kind, base_offset, data)? {
                    out.push(Out::Refused { group });
                }
                Ok(())
            }),
            In::Persisted { group, index, term } => self.call(group, out, |engine, out| {
                engine.persisted(term, index, out);
                Ok(())
            }),
            In::HardStatePersisted { group, hard_state } => {
                self.call(group, out, |engine, out| {
                    engine.state_persisted(hard_state, out);
                    Ok(())
                });
            }
            In::Fetched {
                group,
                from,
                entries,
            } => self.call(group, out, |engine, _| {
                engine.fetched(from, entries);
                Ok(())
            }),
            In::Compact { group, start } => {
                self.call(group, out, |engine, _| engine.compact(start));
            }
        }
    }

    /// Takes what every touched group has ready.
    pub fn flush(&mut self, _now: Monotonic, out: &mut Vec<Out>) {
        // The window of one group: what the core may keep is shared by those with followers.
        let sharing = self.ticking.len().max(1) as u64;
        let share = self.limits.window_bytes_max / sharing;
        let window = share.min(self.limits.group_window_bytes_max);
        for group in std::mem::take(&mut self.touched) {
            while self
                .groups
                .get(&group)
                .is_some_and(|engine| engine.has_ready())
            {
                self.call(group, out, |engine, out| engine.ready(window, out));
            }
            if let Some(engine) = self.groups.get_mut(&group) {
                engine.touched = false;
            }
        }
    }

    /// Voters that have kept up within `lag_max`, as the leader sees it; this one included.
    pub fn in_sync(&self, group: GroupId, now: Monotonic, lag_max: Duration) -> Vec<Replica> {
        let engine = self.groups.get(&group);
        engine.map_or_else(Vec::new, |e| e.in_sync(now, lag_max))
    }

    fn create(&mut self, spec: Spec, restored: Restored, out: &mut Vec<Out>) {
        let group = spec.group;
        assert!(
            !self.groups.contains_key(&group),
            "group {group} is created once: what it has voted for is not forgotten"
        );
        match guarded(|| Engine::new(spec, restored)) {
            Ok(mut engine) => {
                engine.draw_timeout(&mut self.random);
                if !engine.is_lone() {
                    self.ticking.insert(group);
                }
                engine.touched = true;
                self.groups.insert(group, Box::new(engine));
                self.touched.push(group);
            }
            Err(reason) => out.push(Out::Quarantined { group, reason }),
        }
    }

    fn forget(&mut self, group: GroupId) {
        self.groups.remove(&group);
        self.ticking.remove(&group);
    }

    /// One call into one group's engine. If it fails or panics, what it did is discarded and the
    /// group is quarantined; the others go on.
    fn call(
        &mut self,
        group: GroupId,
        out: &mut Vec<Out>,
        work: impl FnOnce(&mut Engine, &mut Vec<Out>) -> Result<(), String>,
    ) {
        let Some(engine) = self.groups.get_mut(&group) else {
            return;
        };
        let before = out.len();
        let random = &mut self.random;
        let done = guarded(|| {
            engine.draw_timeout(random);
            let done = work(engine, out);
            engine.draw_timeout(random);
            done
        });
        if let Err(reason) = done {
            out.truncate(before);
            self.forget(group);
            out.push(Out::Quarantined { group, reason });
            return;
        }
        if !std::mem::replace(&mut engine.touched, true) {
            self.touched.push(group);
        }
    }
}
