//! Three and five replicas of one group, as the broker drives them.
//!
//! Faults: the network drops, duplicates, delays, reorders and partitions; nodes crash and forget
//! what was not flushed, also in the middle of an election; frames of several appends are flushed
//! together; reads for followers fail; leaderships are handed over; the log is compacted.
//!
//! Properties: one leader a term (election safety); one entry an index, and each node applies the
//! indexes one after the other (state machine safety); what was committed is on every node's disk
//! in the end (no loss); entries commit again once all is healed.

use std::collections::BTreeMap;

use bytes::Bytes;
use corelog_base::{Crc32c, Entry, EntryKind, LogIndex, Monotonic, Random, Term};

use crate::simulated_node_test::{GROUP, Node};
use crate::{In, Out, PeerMessage, Role};

const TURNS: u64 = 3_000;
/// Turns within which everything agrees after healing.
const HEALING_TURNS: u64 = 120_000;

#[derive(Clone, Copy, PartialEq)]
enum Bug {
    None,
    AcknowledgeBeforeFlush,
}

struct Sim {
    random: Random,
    bug: Bug,
    nodes: Vec<Node>,
    network: Vec<(usize, Bytes)>,
    cut: u64,
    drop_per_mille: u64,
    committed: BTreeMap<LogIndex, Entry>,
    leaders: BTreeMap<Term, u64>,
    now: u64,
    /// Of everything that happened, in its order: a seed replays identically.
    trace: Crc32c,
    reads: u64,
    broken: Option<String>,
}

impl Sim {
    fn new(seed: u64, count: u64, bug: Bug) -> Self {
        let mut random = Random::new(seed);
        let drop_per_mille = [0, 10, 100][random.below(3) as usize];
        let mut sim = Self {
            random,
            bug,
            nodes: (1..=count).map(Node::new).collect(),
            network: Vec::new(),
            cut: 0,
            drop_per_mille,
            committed: BTreeMap::new(),
            leaders: BTreeMap::new(),
            now: 0,
            trace: Crc32c::new(),
            reads: 0,
            broken: None,
        };
        (0..sim.nodes.len()).for_each(|at| sim.start(at));
        sim
    }

    fn expect(&mut self, property: bool, what: impl FnOnce() -> String) {
        if !property && self.broken.is_none() {
            self.broken = Some(what());
        }
    }

    fn start(&mut self, at: usize) {
        let count = self.nodes.len() as u64;
        let out = self.nodes[at].start(count, &mut self.random);
        self.take(at, out);
    }

    fn step(&mut self, at: usize, inputs: Vec<In>) {
        let out = self.nodes[at].step(Monotonic(self.now), inputs);
        self.take(at, out);
        if self.bug == Bug::AcknowledgeBeforeFlush {
            let claims = self.nodes[at].claim_flushed();
            let out = self.nodes[at].step(Monotonic(self.now), claims);
            self.take(at, out);
        }
    }

    fn take(&mut self, at: usize, out: Vec<Out>) {
        for out in out {
            match out {
                Out::Append { .. } | Out::Read { .. } => unreachable!("kept by the node"),
                Out::Send { message, .. } => self.send(&message),
                Out::Committed { entries, .. } => self.commit(at, entries),
                Out::Leadership {
                    term,
                    role,
                    log_end,
                    ..
                } => {
                    let node = &mut self.nodes[at];
                    (node.role, node.ready, node.next) = (role, false, log_end);
                    if role == Role::Leader {
                        let id = node.id;
                        let leader = *self.leaders.entry(term).or_insert(id);
                        self.expect(leader == id, || format!("two leaders of term {term}"));
                    }
                }
                Out::Ready { .. } => self.nodes[at].ready = true,
                Out::Refused { .. } => self.nodes[at].ready = false,
                Out::Quarantined { reason, .. } => {
                    self.expect(false, || format!("quarantined: {reason}"));
                }
            }
        }
    }

    fn commit(&mut self, at: usize, entries: Vec<Entry>) {
        for entry in entries {
            let index = entry.index;
            self.trace.update(&index.0.to_le_bytes());
            self.trace.update(&entry.data);
            let follows = index == self.nodes[at].applied.next();
            self.expect(follows, || format!("index {index} is applied out of order"));
            self.nodes[at].applied = index;
            let known = self.committed.entry(index).or_insert(entry.clone());
            let same = *known == entry;
            self.expect(same, || format!("two entries at index {index}"));
        }
    }

    fn send(&mut self, message: &PeerMessage) {
        if self.random.chance(self.drop_per_mille) {
            return;
        }
        let to = message.to() as usize - 1;
        let bytes = Bytes::from(message.encode().concat());
        self.trace.update(&bytes);
        if self.random.chance(10) {
            self.network.push((to, bytes.clone()));
        }
        self.network.push((to, bytes));
    }

    fn flush(&mut self, at: usize) {
        let count = 1 + self.random.below(3) as usize;
        let told = self.nodes[at].flush(count);
        if self.bug == Bug::None {
            self.step(at, told);
        }
    }

    fn propose(&mut self, at: usize) {
        if self.nodes[at].role != Role::Leader || !self.nodes[at].ready {
            return;
        }
        let mut inputs = Vec::new();
        for _ in 0..=self.random.below(3) {
            let node = &mut self.nodes[at];
            let base_offset = node.next;
            let (kind, data) = match self.random.below(10) {
                0 => (EntryKind::LogStart, base_offset.0.to_le_bytes().to_vec()),
                _ => {
                    let records = 1 + self.random.below(3) as i32;
                    let mut data = vec![0u8; 69];
                    data[..8].copy_from_slice(&base_offset.0.to_be_bytes());
                    data[23..27].copy_from_slice(&(records - 1).to_be_bytes());
                    data[61..].copy_from_slice(&self.random.next_u64().to_le_bytes());
                    node.next = base_offset.plus(i64::from(records));
                    (EntryKind::Batch, data)
                }
            };
            inputs.push(In::Propose {
                group: GROUP,
                kind,
                base_offset,
                data: Bytes::from(data),
            });
        }
        self.step(at, inputs);
    }

    /// A read for a follower ends, one time in five without a result.
    fn read(&mut self, at: usize) {
        let Some(from) = self.nodes[at].reads.pop() else {
            return;
        };
        self.reads += 1;
        let failed = self.random.below(5) == 0;
        let entries = self.nodes[at].disk.entries.iter();
        let entries = entries.filter(|entry| !failed && entry.index >= from);
        let entries = entries.take(4).cloned().collect();
        let group = GROUP;
        self.step(
            at,
            vec![In::Fetched {
                group,
                from,
                entries,
            }],
        );
    }

    fn transfer(&mut self, at: usize) {
        let to = 1 + self.random.below(self.nodes.len() as u64);
        self.step(at, vec![In::Transfer { group: GROUP, to }]);
    }

    /// Settles what is committed, and compacts to what every disk has: a replica behind the log's
    /// start would need a snapshot.
    fn settle(&mut self, at: usize) {
        self.nodes[at].settle();
        let everywhere = self.nodes.iter().map(|node| node.disk.settled).min();
        let node = &mut self.nodes[at];
        if let Some(index) = everywhere
            && index > node.disk.start.index
            && node.up
            && let Some(start) = node.disk.compact(index)
        {
            let group = GROUP;
            self.step(at, vec![In::Compact { group, start }]);
        }
    }

    fn turn(&mut self, faults: bool) {
        self.now += 1_000_000;
        let at = self.random.below(self.nodes.len() as u64) as usize;
        let up = self.nodes[at].up;
        match self.random.below(200) {
            0 if faults => self.nodes[at].up = false,
            1 if faults => self.cut = self.random.below(1 << self.nodes.len()),
            2 if faults && up => self.transfer(at),
            3..8 => self.cut = 0,
            8..12 if !up => self.start(at),
            12..15 if up => self.settle(at),
            15..25 if up => self.read(at),
            25..60 if up => self.step(at, vec![In::Tick]),
            60..90 if up => self.propose(at),
            90..140 if up => self.flush(at),
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
            self.step(to, vec![In::Peer(message)]);
        }
    }

    fn heal(&mut self) {
        (self.cut, self.drop_per_mille) = (0, 0);
        for at in 0..self.nodes.len() {
            if !self.nodes[at].up {
                self.start(at);
            }
        }
    }

    /// Every node has applied more than was committed when all was healed, and its disk has it.
    fn agreed(&self, goal: LogIndex) -> bool {
        let reached = |node: &Node| node.applied >= goal && node.disk.entry(goal).is_some();
        self.nodes.iter().all(reached)
    }

    fn check_disks(&mut self, goal: LogIndex) {
        for at in 0..self.nodes.len() {
            for (index, entry) in self.committed.clone().range(..=goal) {
                let disk = &self.nodes[at].disk;
                let kept = *index < disk.start.index || disk.entry(*index) == Some(entry);
                let id = self.nodes[at].id;
                self.expect(kept, || format!("node {id} has lost index {index}"));
            }
        }
    }
}

struct Outcome {
    trace: u32,
    committed: usize,
    elections: usize,
    reads: u64,
}

fn run(seed: u64, count: u64, bug: Bug) -> Result<Outcome, String> {
    let mut sim = Sim::new(seed, count, bug);
    for _ in 0..TURNS {
        sim.turn(true);
        if let Some(broken) = sim.broken {
            return Err(broken);
        }
    }
    sim.heal();
    let last = sim.committed.keys().last().map_or(0, |index| index.0);
    let goal = LogIndex(last + 5);
    let mut turns = 0;
    while !sim.agreed(goal) && sim.broken.is_none() {
        sim.turn(false);
        turns += 1;
        if turns == HEALING_TURNS {
            return Err("not everything agrees after healing".into());
        }
    }
    sim.check_disks(goal);
    if let Some(broken) = sim.broken {
        return Err(broken);
    }
    Ok(Outcome {
        trace: sim.trace.finish(),
        committed: sim.committed.len(),
        elections: sim.leaders.len(),
        reads: sim.reads,
    })
}

/// How many seeds, from which on: `CORELOG_SEEDS=first..end` runs others.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("CORELOG_SEEDS") else {
        return 0..default;
    };
    let range = asked.split_once("..").and_then(|(first, end)| {
        let (first, end) = (first.parse().ok()?, end.parse().ok()?);
        Some(first..end)
    });
    range.expect("CORELOG_SEEDS is first..end")
}

fn check(count: u64, default_seeds: u64) {
    let (mut committed, mut elections, mut reads) = (0, 0, 0);
    let seeds = seeds(default_seeds);
    let ran = seeds.clone().count();
    for seed in seeds {
        let outcome = run(seed, count, Bug::None);
        let outcome = outcome.unwrap_or_else(|why| panic!("{count} replicas, seed {seed}: {why}"));
        committed += outcome.committed;
        elections += outcome.elections;
        reads += outcome.reads;
    }
    println!("{ran} seeds: {committed} entries, {elections} terms with a leader, {reads} reads");
    assert!(committed > 20 * ran, "{committed} entries in {ran} seeds");
    assert!(elections > 2 * ran, "{elections} elections in {ran} seeds");
    assert!(reads > ran as u64 / 4, "{reads} reads in {ran} seeds");
}

#[test]
fn three_replicas_agree() {
    check(3, 200);
}

#[test]
fn five_replicas_agree() {
    check(5, 200);
}

#[test]
fn a_seed_replays_identically() {
    for seed in 0..5 {
        let trace = || run(seed, 3, Bug::None).map(|outcome| outcome.trace);
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}

#[test]
fn acknowledging_before_the_flush_is_caught() {
    let caught = (0..40).filter(|seed| run(*seed, 3, Bug::AcknowledgeBeforeFlush).is_err());
    let caught = caught.count();
    assert!(caught >= 10, "caught in {caught} of 40 seeds");
}
