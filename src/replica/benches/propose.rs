//! What a proposal costs: one at a time and 100 together, a lone replica and three, without I/O.
//!
//! `cargo bench -p corelog-replica`

use std::hint::black_box;

use bytes::Bytes;
use corelog_base::{EntryKind, GroupId, Monotonic, NodeId, Offset, Replica};
use corelog_replica::{In, Out, Replicas, Restored, Role, Spec};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const GROUP: GroupId = GroupId(1);
const NOW: Monotonic = Monotonic(0);

/// Replicas of one group, each with a disk that flushes at once.
struct Cluster {
    nodes: Vec<Replicas>,
    leader: usize,
    next: Offset,
    batch: Vec<u8>,
    committed: u64,
}

impl Cluster {
    fn new(count: i32) -> Self {
        let voters: Vec<Replica> = (1..=count)
            .map(|id| Replica {
                node: NodeId(id),
                id: id as u64,
            })
            .collect();
        let nodes = voters.iter().map(|r| Replicas::new(r.id, r.node)).collect();
        let mut cluster = Self {
            nodes,
            leader: usize::MAX,
            next: Offset(0),
            batch: vec![7; 1_024],
            committed: 0,
        };
        for (at, replica) in voters.iter().enumerate() {
            let spec = Spec {
                group: GROUP,
                me: replica.id,
                voters: voters.clone(),
                learners: Vec::new(),
            };
            let restored = Restored::default();
            cluster.settle(at, vec![In::Create { spec, restored }]);
        }
        cluster.settle(0, vec![In::Campaign { group: GROUP }]);
        assert_eq!(cluster.leader, 0);
        cluster
    }

    /// Steps one node, and everything that follows from it.
    fn settle(&mut self, at: usize, inputs: Vec<In>) {
        let mut work = vec![(at, inputs)];
        while let Some((at, inputs)) = work.pop() {
            let mut out = Vec::new();
            for input in inputs {
                self.nodes[at].step(NOW, input, &mut out);
            }
            self.nodes[at].flush(NOW, &mut out);
            for out in out {
                work.extend(self.follow(at, out));
            }
        }
    }

    fn follow(&mut self, at: usize, out: Out) -> Option<(usize, Vec<In>)> {
        match out {
            Out::Append {
                group,
                entries,
                hard_state,
            } => {
                let mut told = Vec::new();
                told.extend(entries.last().map(|last| In::Persisted {
                    group,
                    index: last.index,
                    term: last.term,
                }));
                let state =
                    hard_state.map(|hard_state| In::HardStatePersisted { group, hard_state });
                told.extend(state);
                Some((at, told))
            }
            Out::Send { message, .. } => Some((message.to() as usize - 1, vec![In::Peer(message)])),
            Out::Leadership { role, .. } => {
                if role == Role::Leader {
                    self.leader = at;
                }
                None
            }
            Out::Committed { entries, .. } => {
                self.committed += entries.len() as u64;
                None
            }
            Out::Ready { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    fn propose(&mut self, count: usize) {
        let mut inputs = Vec::with_capacity(count);
        for _ in 0..count {
            self.batch[..8].copy_from_slice(&self.next.0.to_be_bytes());
            self.batch[23..27].copy_from_slice(&0i32.to_be_bytes());
            inputs.push(In::Propose {
                group: GROUP,
                kind: EntryKind::Batch,
                base_offset: self.next,
                data: Bytes::copy_from_slice(&self.batch),
            });
            self.next = self.next.plus(1);
        }
        let before = self.committed;
        self.settle(self.leader, inputs);
        assert!(self.committed >= before + count as u64);
    }
}

fn proposals(c: &mut Criterion) {
    for replicas in [1, 3] {
        for count in [1usize, 100] {
            let mut group = c.benchmark_group("propose 1 KiB to commit");
            group.throughput(Throughput::Elements(count as u64));
            let mut cluster = Cluster::new(replicas);
            group.bench_function(format!("{replicas} replicas, {count} together"), |b| {
                b.iter(|| cluster.propose(black_box(count)));
            });
            group.finish();
        }
    }
}

/// A boot of a core with 10,000 partitions: create, elect, persist, ready.
fn boot(c: &mut Criterion) {
    let mut group = c.benchmark_group("boot");
    group.sample_size(10);
    group.bench_function("10,000 lone groups, created and elected", |b| {
        b.iter(|| {
            let mut replicas = Replicas::new(1, NodeId(1));
            let (mut out, mut ready) = (Vec::new(), 0);
            for id in 1..=10_000 {
                let me = Replica {
                    node: NodeId(1),
                    id,
                };
                let spec = Spec {
                    group: GroupId(id),
                    me: id,
                    voters: vec![me],
                    learners: Vec::new(),
                };
                let restored = Restored::default();
                replicas.step(NOW, In::Create { spec, restored }, &mut out);
                let group = GroupId(id);
                replicas.step(NOW, In::Campaign { group }, &mut out);
            }
            replicas.flush(NOW, &mut out);
            while !out.is_empty() {
                let mut next = Vec::new();
                for out in out.drain(..) {
                    match out {
                        Out::Append {
                            group,
                            entries,
                            hard_state,
                        } => {
                            if let Some(last) = entries.last() {
                                let (index, term) = (last.index, last.term);
                                let told = In::Persisted { group, index, term };
                                replicas.step(NOW, told, &mut next);
                            }
                            if let Some(hard_state) = hard_state {
                                let told = In::HardStatePersisted { group, hard_state };
                                replicas.step(NOW, told, &mut next);
                            }
                        }
                        Out::Ready { .. } => ready += 1,
                        _ => {}
                    }
                }
                replicas.flush(NOW, &mut next);
                out = next;
            }
            assert_eq!(ready, 10_000);
            replicas
        });
    });
    group.finish();
}

criterion_group!(benches, proposals, boot);
criterion_main!(benches);
