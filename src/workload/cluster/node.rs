//! One node of the cluster: the broker's own code on a simulated machine.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{CoreId, NodeId, Replica};
use corelog_broker::{Broker, Opened, Peers, Setup, lanes};
use corelog_cluster::Local;
use corelog_log::{JournalOptions, Options, Share};
use corelog_replica::PeerMessage;
use corelog_rt::{Runtime, Shared, oneshot, timeout};
use corelog_sim::{Host, SimRuntime};

use crate::placement::{Failed, find, small_options};

pub(super) type Handle = Broker<SimRuntime>;

/// The brokers of the nodes that are up, by node and core. What routers between nodes know.
pub(super) type Directory = Shared<Vec<Vec<Handle>>>;

#[derive(Clone)]
pub(super) struct Node {
    pub id: NodeId,
    pub host: Host,
    pub directory: Directory,
    nodes: usize,
    /// How many cores it runs on; kept between lives.
    cores: Rc<Cell<u16>>,
    started: Rc<Cell<bool>>,
}

fn options() -> Options {
    let small = small_options();
    Options {
        journal: JournalOptions {
            prewrite_bytes: 128 << 10,
            ..small.journal
        },
        settle_bytes: 32 << 10,
        compaction_bytes_max: 64 << 10,
        ..small
    }
}

/// The way to other nodes: through the codec, over the simulated network.
struct Way {
    rt: SimRuntime,
    directory: Directory,
}

impl Peers for Way {
    fn send(&self, to: NodeId, message: PeerMessage) {
        let directory = self.directory.clone();
        let bytes = Bytes::from(message.encode().concat());
        let to = to.0 as usize;
        let deliver = move |bytes: Bytes| {
            let message = PeerMessage::decode(bytes).expect("what was encoded is decoded");
            // A connection lives on some core, as good as any.
            let brokers = directory.with(|nodes| nodes[to].clone());
            let core = message.group().0 as usize * 7 % brokers.len().max(1);
            if let Some(broker) = brokers.get(core).cloned() {
                let rt = broker.runtime().clone();
                rt.spawn(async move { broker.peer(message) });
            }
        };
        let from = self.rt.host().index();
        self.rt.sim().post(from, to, bytes, deliver);
    }
}

impl Node {
    /// The first hosts of a simulation are its nodes: their indexes are the nodes' ids.
    pub(super) fn new(host: Host, directory: Directory, nodes: usize) -> Self {
        Self {
            id: NodeId(host.index() as i32),
            host,
            directory,
            nodes,
            cores: Rc::new(Cell::new(1)),
            started: Rc::new(Cell::new(false)),
        }
    }

    /// Its process runs, whether it serves already or not.
    pub(super) fn is_started(&self) -> bool {
        self.started.get()
    }

    /// Takes the node off the map, before its process ends.
    pub(super) fn mark_down(&self) {
        self.started.set(false);
        let gone = self
            .directory
            .with(|nodes| std::mem::take(&mut nodes[self.id.0 as usize]));
        drop(gone);
    }

    /// Starts the process; it serves once it is in the directory.
    pub(super) fn start(&self, cores: u16) {
        self.cores.set(cores);
        self.started.set(true);
        let (node, rt) = (self.clone(), self.host.runtime(CoreId(0)));
        rt.clone().spawn(async move {
            match node.boot(rt).await {
                Ok(()) => {}
                Err(error) => assert!(node.is_faulty(), "node {} starts: {error}", node.id),
            }
        });
    }

    fn is_faulty(&self) -> bool {
        self.host.disk(|disk| {
            let faults = &disk.faults;
            faults.read_errors_ppm + faults.write_errors_ppm + faults.flush_errors_ppm > 0
        })
    }

    async fn boot(&self, rt: SimRuntime) -> Result<(), Failed> {
        let cores = self.cores.get();
        let (placement, found) = find(&rt, cores).await?;
        let incomplete = found.is_incomplete();
        assert!(!incomplete, "node {} has lost a frame's directory", self.id);
        let mut opening = Vec::new();
        let shares = placement.share_out(found);
        for ((core, share), mesh) in (0..).map(CoreId).zip(shares).zip(lanes(cores, 1)) {
            let rt = self.host.runtime(core);
            let setup = self.setup(&rt, share, mesh, incomplete);
            opening.push(on(&rt, Broker::open(rt.clone(), setup)));
        }
        let mut opened = Vec::new();
        for broker in opening {
            opened.push(broker.await.expect("the task of a core lives")?);
        }
        placement.commit(&rt).await?;
        let mut starting = Vec::new();
        for (core, opened) in (0..).map(CoreId).zip(opened) {
            starting.push(on(&self.host.runtime(core), Opened::start(opened)));
        }
        let mut brokers = Vec::new();
        for broker in starting {
            let broker = broker.await.expect("the task of a core lives");
            brokers.push(broker.unwrap_or_else(|why| panic!("node {}: {why}", self.id)));
        }
        self.directory
            .with(|nodes| nodes[self.id.0 as usize] = brokers);
        Ok(())
    }

    fn setup(
        &self,
        rt: &SimRuntime,
        share: Share,
        mesh: corelog_broker::Lanes,
        incomplete: bool,
    ) -> Setup {
        let voters = (0..self.nodes as i32).map(|node| Replica {
            node: NodeId(node),
            id: node as u64 + 1,
        });
        Setup {
            node: self.id,
            cores: self.cores.get(),
            seed: rt.random(),
            log: options(),
            share,
            mesh,
            peers: Box::new(Way {
                rt: rt.clone(),
                directory: self.directory.clone(),
            }),
            local: Arc::new(Local::default()),
            metadata_voters: voters.collect(),
            scan_incomplete: incomplete,
            metadata_expected: false,
        }
    }

    /// A client's call: runs on a core of this node. None if the node is down, dies meanwhile, or
    /// does not answer in time.
    pub(super) async fn call<T: 'static, F>(
        &self,
        client: &SimRuntime,
        limit: Duration,
        ask: impl FnOnce(Handle) -> F,
    ) -> Option<T>
    where
        F: Future<Output = T> + 'static,
    {
        let brokers = self
            .directory
            .with(|nodes| nodes[self.id.0 as usize].clone());
        let core = client.random() as usize % brokers.len().max(1);
        let broker = brokers.get(core)?.clone();
        drop(brokers);
        let answer = on(&broker.runtime().clone(), ask(broker));
        timeout(client, limit, answer).await.ok().flatten()
    }
}

/// Runs a future on a core; None if the core's process ends before it has.
fn on<T: 'static>(
    rt: &SimRuntime,
    future: impl Future<Output = T> + 'static,
) -> impl Future<Output = Option<T>> + 'static {
    let (tx, rx) = oneshot();
    rt.spawn(async move {
        let out = future.await;
        // Whoever asked may have given up.
        let _ = tx.send(out);
    });
    rx
}
