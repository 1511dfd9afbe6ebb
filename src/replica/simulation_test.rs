//! Three and five replicas of one group over a network that drops, duplicates, delays and
//! partitions, with crashes that lose what was not yet durable.
//!
//! Properties: one leader a term; one entry an index among all that was committed; what was
//! committed stays; entries commit again once all is healed.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use corelog_base::{
    Entry, EntryKind, GroupId, HardState, LogIndex, Monotonic, NodeId, Offset, Random, Replica,
    Term,
};

use crate::{In, Out, PeerMessage, Replicas, Restored, Role, Spec};

const GROUP: GroupId = GroupId(1);
const STEPS: u64 = 1_500;

#[derive(Clone, Default)]
struct Disk {
    entries: Vec<Entry>,
    hard_state: HardState,
}

struct Append {
    entries: Vec<Entry>,
    hard_state: Option<HardState>,
}

struct Node {
    id: u64,
    up: bool,
    replicas: Replicas,
    disk: Disk,
    /// Appended, not yet durable: lost in a crash.
    pending: VecDeque<Append>,
    role: Role,
    log_end: Offset,
    next: Offset,
}

struct Sim {
    random: Random,
    nodes: Vec<Node>,
    network: Vec<(usize, Bytes)>,
    cut: u64,
    drop_per_mille: u64,
    committed: BTreeMap<LogIndex, Entry>,
    leaders: BTreeMap<Term, u64>,
    now: u64,
}

fn spec(me: u64, count: u64) -> Spec {
    let voters = (1..=count).map(|id| Replica {
        node: NodeId(id as i32),
        id,
    });
    Spec {
        group: GROUP,
        me,
        voters: voters.collect(),
        learners: Vec::new(),
    }
}

impl Sim {
    fn new(seed: u64, count: u64) -> Self {
        let mut random = Random::new(seed);
        let drop_per_mille = [0, 10, 100][random.below(3) as usize];
        let nodes = (1..=count).map(|id| Node {
            id,
            up: false,
            replicas: Replicas::new(seed ^ id, NodeId(id as i32)),
            disk: Disk::default(),
            pending: VecDeque::new(),
            role: Role::Follower,
            log_end: Offset(0),
            next: Offset(0),
        });
        let mut sim = Self {
            random,
            nodes: nodes.collect(),
            network: Vec::new(),
            cut: 0,
            drop_per_mille,
            committed: BTreeMap::new(),
            leaders: BTreeMap::new(),
            now: 0,
        };
        for node in 0..sim.nodes.len() {
            sim.start(node);
        }
        sim
    }

    fn start(&mut self, at: usize) {
        let count = self.nodes.len() as u64;
        let seed = self.random.next_u64();
        let node = &mut self.nodes[at];
        node.replicas = Replicas::new(seed, NodeId(node.id as i32));
        node.up = true;
        node.pending.clear();
        let create = In::Create {
            spec: spec(node.id, count),
            restored: Restored {
                hard_state: node.disk.hard_state,
                entries: node.disk.entries.clone(),
                ..Restored::default()
            },
        };
        self.step(at, create);
    }

    fn step(&mut self, at: usize, input: In) {
        let now = Monotonic(self.now);
        let mut out = Vec::new();
        self.nodes[at].replicas.step(now, input, &mut out);
        self.nodes[at].replicas.flush(now, &mut out);
        for out in out {
            self.take(at, out);
        }
    }

    fn take(&mut self, at: usize, out: Out) {
        match out {
            Out::Append {
                entries,
                hard_state,
                ..
            } => self.nodes[at].pending.push_back(Append {
                entries,
                hard_state,
            }),
            Out::Send { message, .. } => self.send(message),
            Out::Committed { entries, .. } => {
                for entry in entries {
                    let known = self.committed.entry(entry.index).or_insert(entry.clone());
                    assert_eq!(*known, entry, "one entry an index");
                }
            }
            Out::Leadership {
                term,
                role,
                log_end,
                ..
            } => {
                let node = &mut self.nodes[at];
                node.role = role;
                node.log_end = log_end;
                node.next = log_end;
                if role == Role::Leader {
                    let leader = self.leaders.entry(term).or_insert(node.id);
                    assert_eq!(*leader, node.id, "one leader a term");
                }
            }
            Out::Refused { .. } => self.nodes[at].role = Role::Follower,
            Out::Read { from, .. } => {
                let entries = self.nodes[at].disk.entries.clone();
                let entries = entries.into_iter().filter(|e| e.index >= from).collect();
                let group = GROUP;
                self.step(
                    at,
                    In::Fetched {
                        group,
                        from,
                        entries,
                    },
                );
            }
            Out::Ready { .. } => {}
            Out::Quarantined { reason, .. } => panic!("quarantined: {reason}"),
        }
    }

    fn send(&mut self, message: PeerMessage) {
        if self.random.chance(self.drop_per_mille) {
            return;
        }
        let to = message.to() as usize - 1;
        let bytes = Bytes::from(message.encode().concat());
        if self.random.chance(10) {
            self.network.push((to, bytes.clone()));
        }
        self.network.push((to, bytes));
    }

    /// The oldest pending append becomes durable.
    fn persist(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(append) = node.pending.pop_front() else {
            return;
        };
        let mut events = Vec::new();
        if let Some(first) = append.entries.first() {
            node.disk.entries.retain(|e| e.index < first.index);
            node.disk.entries.extend(append.entries.iter().cloned());
        }
        if let Some(last) = append.entries.last() {
            events.push(In::Persisted {
                group: GROUP,
                index: last.index,
                term: last.term,
            });
        }
        if let Some(hard_state) = append.hard_state {
            node.disk.hard_state = hard_state;
            events.push(In::HardStatePersisted {
                group: GROUP,
                hard_state,
            });
        }
        for event in events {
            self.step(at, event);
        }
    }

    fn propose(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.role != Role::Leader {
            return;
        }
        let mut data = vec![0u8; 69];
        data[..8].copy_from_slice(&node.next.0.to_be_bytes());
        data[61..].copy_from_slice(&self.random.next_u64().to_le_bytes());
        let base_offset = node.next;
        node.next = base_offset.plus(1);
        let data = Bytes::from(data);
        let kind = EntryKind::Batch;
        let group = GROUP;
        self.step(
            at,
            In::Propose {
                group,
                kind,
                base_offset,
                data,
            },
        );
    }

    fn turn(&mut self, faults: bool) {
        self.now += 1_000_000;
        let at = self.random.below(self.nodes.len() as u64) as usize;
        match self.random.below(100) {
            0 if faults => self.nodes[at].up = false,
            1 if faults => self.cut = self.random.below(1 << self.nodes.len()),
            2..5 => self.cut = 0,
            5..8 if !self.nodes[at].up => self.start(at),
            8..30 if self.nodes[at].up => self.step(at, In::Tick),
            30..50 if self.nodes[at].up => self.propose(at),
            50..75 if self.nodes[at].up => self.persist(at),
            _ => self.deliver(),
        }
    }

    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        // Mostly the oldest, sometimes any: delay and reorder.
        let any = self.random.below(self.network.len() as u64) as usize;
        let at = if self.random.chance(900) { 0 } else { any };
        let (to, bytes) = self.network.remove(at);
        let message = PeerMessage::decode(bytes).expect("we encoded it");
        let from = message.raft.from as usize - 1;
        let cut = (self.cut >> to & 1) != (self.cut >> from & 1);
        if self.nodes[to].up && !cut {
            self.step(to, In::Peer(message));
        }
    }
}

fn check(seed: u64, count: u64) {
    let mut sim = Sim::new(seed, count);
    for _ in 0..STEPS {
        sim.turn(true);
    }
    (sim.cut, sim.drop_per_mille) = (0, 0);
    for node in 0..sim.nodes.len() {
        if !sim.nodes[node].up {
            sim.start(node);
        }
    }
    let before = sim.committed.len();
    for _ in 0..40 * STEPS {
        sim.turn(false);
        if sim.committed.len() > before + 5 {
            return;
        }
    }
    panic!("seed {seed}: nothing commits after healing");
}

#[test]
fn three_replicas_agree() {
    (0..100).for_each(|seed| check(seed, 3));
}

#[test]
fn five_replicas_agree() {
    (0..60).for_each(|seed| check(seed, 5));
}
