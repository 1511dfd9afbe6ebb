//! A cluster from its founding to the judgement over its history.

use std::collections::BTreeMap;
use std::time::Duration;

use corelog_base::{CoreId, LeaderEpoch, NodeId, PartitionIndex, Random};
use corelog_broker::{AdminReply, AdminRequest, PartitionKey};
use corelog_cluster::{ClusterId, Node as Member, TopicSpec};
use corelog_rt::{Runtime, Shared, oneshot, timeout};
use corelog_sim::checker::check;
use corelog_sim::history::{Counts, History, Key, Process};
use corelog_sim::{Sim, SimRuntime};

use super::client::{self, Shop};
use super::nemesis::{Harm, Nemesis};
use super::node::{Directory, Handle, Node};

/// What a seed did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub trace_hash: u64,
    pub counts: Counts,
    pub harm: Harm,
    /// Epochs in which some node was seen to lead.
    pub epochs: usize,
}

/// How a run differs from the usual.
#[derive(Clone)]
pub struct Setting {
    pub nodes: usize,
    /// Simulated time of harm.
    pub duration: Duration,
    /// Disks that forget flushes: a power loss takes what was acknowledged. To be caught.
    pub forgets_flushes: bool,
}

impl Setting {
    pub fn of(nodes: usize) -> Self {
        Self {
            nodes,
            duration: Duration::from_secs(8),
            forgets_flushes: false,
        }
    }
}

/// Once everything is healed, all that is underway has to end within this.
const HEALED_WITHIN: Duration = Duration::from_secs(120);
const PARTITIONS: usize = 4;

/// Runs one seed.
///
/// # Panics
/// If the property does not hold.
pub fn run(seed: u64, setting: &Setting) -> Report {
    let sim = Sim::new(seed, corelog_sim::Options::default());
    let directory: Directory = Shared::new(vec![Vec::new(); setting.nodes]);
    let nodes: Vec<Node> = (0..setting.nodes)
        .map(|_| {
            let host = sim.add_host();
            host.disk(|disk| disk.faults.forgets_flushes = setting.forgets_flushes);
            Node::new(host, directory.clone(), setting.nodes)
        })
        .collect();
    let driver = sim.add_host();
    let random = sim.fork_random();
    let cluster = Cluster {
        rt: driver.runtime(CoreId(0)),
        nodes,
        random,
        history: Shared::new(History::default()),
        leaders: Shared::new(BTreeMap::new()),
    };
    let mut report = sim.block_on(&driver, cluster.live(setting.duration));
    directory.with(|nodes| nodes.iter_mut().for_each(Vec::clear));
    sim.shut_down();
    report.trace_hash = sim.trace_hash();
    report
}

type Leaders = Shared<BTreeMap<(PartitionKey, LeaderEpoch), NodeId>>;

struct Cluster {
    rt: SimRuntime,
    nodes: Vec<Node>,
    random: Random,
    history: Shared<History>,
    leaders: Leaders,
}

impl Cluster {
    async fn live(mut self, duration: Duration) -> Report {
        for node in &self.nodes {
            node.start(1 + self.random.below(2) as u16);
        }
        let keys = self.found().await;
        let shop = Shop {
            rt: self.rt.clone(),
            nodes: self.nodes.clone(),
            keys: keys.clone(),
            history: self.history.clone(),
            next_value: Shared::new(1),
            ending: Shared::new(false),
        };
        let clients = self.open(&shop);
        self.rt.spawn(watch(shop.clone(), self.leaders.clone()));
        let nemesis = Nemesis {
            rt: self.rt.clone(),
            nodes: self.nodes.clone(),
            random: Random::new(self.random.next_u64()),
            harm: Harm::default(),
        };
        let harm = nemesis.rage(duration).await;
        shop.ending.with(|ending| *ending = true);
        for (process, client) in clients {
            let ended = timeout(&self.rt, HEALED_WITHIN, client).await;
            assert_eq!(
                ended,
                Ok(Some(())),
                "{process:?} gets no answer after healing"
            );
        }
        for key in (0..keys.len() as u32).map(Key) {
            let reading = client::read_all(&shop, key, &mut self.random);
            let ended = timeout(&self.rt, HEALED_WITHIN, reading).await;
            assert!(ended.is_ok(), "{key:?} cannot be read after healing");
        }
        self.judge(harm)
    }

    fn judge(&self, harm: Harm) -> Report {
        let sim = self.rt.sim();
        self.history.with(|history| {
            let anomalies = check(history);
            if !anomalies.is_empty() {
                if let Ok(path) = std::env::var("CORELOG_SIM_HISTORY") {
                    std::fs::write(path, history.to_string()).expect("write the history");
                }
                let lines: Vec<String> = anomalies.iter().map(ToString::to_string).collect();
                panic!("{}", lines.join("\n"));
            }
            for operation in history.operations() {
                let completed = operation.completed.as_ref().map_or(0, |c| c.0.0);
                sim.trace(operation.invoked.0 ^ completed.rotate_left(32));
            }
            Report {
                trace_hash: 0,
                counts: history.counts(),
                harm,
                epochs: self.leaders.with(|leaders| leaders.len()),
            }
        })
    }

    /// Founds the cluster: every node registers, and two topics are made.
    async fn found(&mut self) -> Vec<PartitionKey> {
        let cluster = ClusterId::from_random([7; 16]);
        for node in self.nodes.clone() {
            let member = Member {
                id: node.id,
                host: "sim".into(),
                port: 9092,
                cores: 2,
                rack: None,
            };
            let request = AdminRequest::RegisterNode {
                cluster,
                node: member,
            };
            self.admin(request).await;
        }
        let spec = |name: &str, replication| TopicSpec {
            name: name.into(),
            partitions: PARTITIONS as i32 / 2,
            replication,
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        let request = AdminRequest::CreateTopics {
            topics: vec![
                spec("all", self.nodes.len() as i16),
                spec("some", 3.min(self.nodes.len() as i16)),
            ],
            validate_only: false,
        };
        let AdminReply::Created(created) = self.admin(request).await else {
            panic!("a creation is answered by what was created")
        };
        let mut keys = Vec::new();
        for topic in created {
            let topic = topic.expect("the topic is created");
            for partition in 0..PARTITIONS as i32 / 2 {
                keys.push(PartitionKey {
                    topic: topic.id,
                    partition: PartitionIndex(partition),
                });
            }
        }
        keys
    }

    /// Asks one node after the other until the one that decides has answered.
    async fn admin(&self, request: AdminRequest) -> AdminReply {
        let limit = Duration::from_secs(10);
        for round in 0..500 {
            let node = &self.nodes[round % self.nodes.len()];
            let request = request.clone();
            let ask = |broker: Handle| async move { broker.admin(request, limit).await };
            match node.call(&self.rt, limit, ask).await {
                Some(Ok(reply)) => return reply,
                _ => self.rt.sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("no node decides on metadata");
    }

    fn open(&mut self, shop: &Shop) -> Vec<(Process, corelog_rt::local::Receiver<()>)> {
        let mut clients = Vec::new();
        for number in 0..9 {
            let process = Process(number);
            let random = Random::new(self.random.next_u64());
            let shop = shop.clone();
            let (tx, rx) = oneshot();
            self.rt.spawn(async move {
                match number {
                    0..=1 => client::produce(shop, process, random).await,
                    2..=4 => client::produce_idempotently(shop, process, random).await,
                    5..=7 => client::consume(shop, process, random).await,
                    _ => client::trim(shop, process, random).await,
                }
                // The driver waits for it.
                let _ = tx.send(());
            });
            clients.push((process, rx));
        }
        clients
    }
}

/// One leader an epoch: what each node says of itself never contradicts another.
async fn watch(shop: Shop, leaders: Leaders) {
    loop {
        shop.rt.sleep(Duration::from_millis(5)).await;
        for node in &shop.nodes {
            let broker = node
                .directory
                .with(|nodes| nodes[node.id.0 as usize].clone());
            for (broker, key) in broker
                .iter()
                .flat_map(|b| shop.keys.iter().map(move |k| (b, k)))
            {
                let known = broker.leadership(*key);
                if let Some(leader) = known.leader {
                    let first = leaders.with(|l| *l.entry((*key, known.epoch)).or_insert(leader));
                    assert_eq!(
                        first, leader,
                        "two leaders of {key:?} in epoch {}",
                        known.epoch
                    );
                }
            }
        }
    }
}
