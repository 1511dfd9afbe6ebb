//! What each core does, in the order in which the conductor asks: scan, open, start, serve, stop.
//!
//! The conductor is the housekeeping thread. A core that fails says so and ends; the conductor
//! then stops the process with what it said.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use corelog_base::{CoreId, NodeId, Replica, entropy};
use corelog_broker::{AdminReply, AdminRequest, Broker, Lanes, NoPeers, Opened, Setup};
use corelog_cluster::{ClusterId, Local, Node};
use corelog_front::native::Address;
use corelog_front::{Budget, Door, kafka, native};
use corelog_log::{JournalId, Scan, Share};
use corelog_rt::Runtime;
use futures_lite::future::zip;

/// How long the registration of this node may take at boot.
const REGISTER_WAIT_MAX: Duration = Duration::from_secs(30);

/// What all cores know.
pub(crate) struct Plan {
    pub(crate) dir: PathBuf,
    pub(crate) cluster: ClusterId,
    pub(crate) node: Node,
    pub(crate) local: Arc<Local>,
    pub(crate) log: corelog_log::Options,
    pub(crate) door: corelog_front::Options,
    pub(crate) listen: SocketAddr,
    /// Where each core listens for the native protocol, and what its clients are told; none if it
    /// is off.
    pub(crate) native: Option<(Vec<SocketAddr>, Address)>,
    /// Journal bytes that the start has read.
    pub(crate) recovered_bytes: AtomicU64,
}

/// What a start has found of the ones before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanned {
    /// `Scan::is_incomplete`.
    pub(crate) incomplete: bool,
    /// There is a placement, so this node has served.
    pub(crate) is_known: bool,
}

/// From the conductor to a core.
pub(crate) enum Order {
    Scan {
        journals: Vec<JournalId>,
    },
    Open {
        share: Share,
        scanned: Scanned,
        lanes: Lanes,
    },
    Retire {
        keep: Vec<JournalId>,
    },
    Start,
    Serve,
    /// Nothing acknowledged is lost; what is in flight is answered.
    Stop,
}

/// From a core to the conductor.
pub(crate) enum Report {
    Scanned(Box<Scan>),
    Opened,
    Retired,
    Started,
    Serving,
    Figures(CoreId, Box<Figures>),
    Stopped,
    Failed(String),
}

/// What a core has done, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub broker: corelog_broker::Stats,
    pub kafka: corelog_front::Counters,
    /// Zeros if the native protocol is off.
    pub native: corelog_front::Counters,
    /// Free bytes of the core's pool for frames.
    pub frame_bytes_free: u64,
}

/// A core's end of the conductor's channels.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) orders: flume::Receiver<Order>,
    pub(crate) reports: flume::Sender<Report>,
}

/// How far a core has come.
enum Stage<R: Runtime> {
    Idle,
    Opened(Opened<R>),
    Started(Broker<R>),
    Serving(Broker<R>, Doors<R>),
}

/// Of one core.
struct Doors<R: Runtime> {
    kafka: Door<R>,
    native: Option<Door<R>>,
}

impl<R: Runtime> Doors<R> {
    async fn open(broker: &Broker<R>, plan: &Plan) -> Result<Self, String> {
        let options = || plan.door.clone();
        let budget = Budget::new(&plan.door);
        let door = kafka::open(broker.clone(), plan.listen, options(), budget.clone());
        let kafka = door
            .await
            .map_err(|e| format!("listen on {}: {e}", plan.listen))?;
        let mut doors = Self {
            kafka,
            native: None,
        };
        if let Some((listen, told)) = &plan.native {
            let listen = listen[usize::from(broker.core().0)];
            let door = native::open(broker.clone(), listen, told.clone(), options(), budget);
            let door = door.await.map_err(|e| format!("listen on {listen}: {e}"))?;
            doors.native = Some(door);
        }
        Ok(doors)
    }

    fn figures(&self, broker: &Broker<R>) -> Figures {
        let native = self.native.as_ref().map(Door::counters);
        Figures {
            broker: broker.stats(),
            kafka: self.kafka.counters(),
            native: native.unwrap_or_default(),
            frame_bytes_free: self.kafka.free_frame_bytes(),
        }
    }

    async fn drain(&self) {
        let native = async {
            if let Some(native) = &self.native {
                native.drain().await;
            }
        };
        zip(self.kafka.drain(), native).await;
    }
}

impl<R: Runtime> Clone for Doors<R> {
    fn clone(&self) -> Self {
        Self {
            kafka: self.kafka.clone(),
            native: self.native.clone(),
        }
    }
}

pub(crate) async fn run<R: Runtime>(rt: R, plan: Arc<Plan>, seat: Seat) {
    let mut stage = Stage::Idle;
    while let Ok(order) = seat.orders.recv_async().await {
        let stop = matches!(order, Order::Stop);
        let (next, report) = match obey(&rt, &plan, stage, order, &seat).await {
            Ok(done) => done,
            Err(why) => (Stage::Idle, Report::Failed(why)),
        };
        stage = next;
        // The conductor is gone only when the process ends.
        drop(seat.reports.send(report));
        if stop {
            return;
        }
    }
}

async fn obey<R: Runtime>(
    rt: &R,
    plan: &Arc<Plan>,
    stage: Stage<R>,
    order: Order,
    seat: &Seat,
) -> Result<(Stage<R>, Report), String> {
    match (order, stage) {
        (Order::Scan { journals }, stage) => {
            let read = |bytes| {
                plan.recovered_bytes.fetch_add(bytes, Ordering::Relaxed);
            };
            let scanned = corelog_log::scan_reporting(rt, &plan.dir, &journals, &read).await;
            let scan = scanned.map_err(|e| format!("scan the journals: {e}"))?;
            Ok((stage, Report::Scanned(Box::new(scan))))
        }
        (Order::Retire { keep }, stage) => {
            let retired = corelog_log::retire(rt, &plan.dir, &keep).await;
            retired.map_err(|e| format!("remove old journals: {e}"))?;
            Ok((stage, Report::Retired))
        }
        (
            Order::Open {
                share,
                scanned,
                lanes,
            },
            _,
        ) => {
            let setup = setup(plan, share, scanned, lanes);
            let opened = Broker::open(rt.clone(), setup).await;
            let opened = opened.map_err(|e| format!("open the log: {e}"))?;
            Ok((Stage::Opened(opened), Report::Opened))
        }
        (Order::Start, Stage::Opened(opened)) => {
            let broker = opened.start().await?;
            broker.ready().await;
            if rt.core() == CoreId(0) {
                register(&broker, plan).await?;
            }
            Ok((Stage::Started(broker), Report::Started))
        }
        (Order::Serve, Stage::Started(broker)) => {
            let doors = Doors::open(&broker, plan).await?;
            publish_figures(rt, &broker, &doors, seat);
            Ok((Stage::Serving(broker, doors), Report::Serving))
        }
        (Order::Stop, stage) => {
            stop(stage).await?;
            Ok((Stage::Idle, Report::Stopped))
        }
        _ => Err("an order out of its turn".into()),
    }
}

fn setup(plan: &Plan, share: Share, scanned: Scanned, lanes: Lanes) -> Setup {
    // A cluster of one: the first replica of the metadata is this node's.
    let me = Replica {
        node: plan.node.id,
        id: 1,
    };
    Setup {
        node: plan.node.id,
        cores: plan.node.cores,
        seed: entropy(),
        log: plan.log.clone(),
        share,
        mesh: lanes,
        peers: Box::new(NoPeers),
        local: Arc::clone(&plan.local),
        metadata_voters: vec![me],
        scan_incomplete: scanned.incomplete,
        metadata_expected: scanned.is_known,
    }
}

/// Writes who this node is into the metadata, if it is not there just so.
async fn register<R: Runtime>(broker: &Broker<R>, plan: &Plan) -> Result<(), String> {
    let request = AdminRequest::RegisterNode {
        cluster: plan.cluster,
        node: plan.node.clone(),
    };
    let done = broker.admin(request, REGISTER_WAIT_MAX).await;
    match done.map_err(|e| format!("register node {}: {e}", NodeId(plan.node.id.0)))? {
        AdminReply::Done(parts) => match parts.into_iter().find_map(Result::err) {
            Some(error) => Err(format!("register node {}: {error}", plan.node.id)),
            None => Ok(()),
        },
        _ => unreachable!("a registration is done or not"),
    }
}

/// Sends this core's figures to the conductor once a second: no core ever serves HTTP.
fn publish_figures<R: Runtime>(rt: &R, broker: &Broker<R>, doors: &Doors<R>, seat: &Seat) {
    let (task, broker, doors, reports) = (
        rt.clone(),
        broker.clone(),
        doors.clone(),
        seat.reports.clone(),
    );
    rt.spawn(async move {
        loop {
            task.sleep(Duration::from_secs(1)).await;
            let figures = doors.figures(&broker);
            let report = Report::Figures(task.core(), Box::new(figures));
            if reports.send(report).is_err() {
                return;
            }
        }
    });
}

async fn stop<R: Runtime>(stage: Stage<R>) -> Result<(), String> {
    let broker = match stage {
        Stage::Idle | Stage::Opened(_) => return Ok(()),
        Stage::Started(broker) => broker,
        Stage::Serving(broker, doors) => {
            doors.drain().await;
            broker
        }
    };
    broker
        .stop()
        .await
        .map_err(|e| format!("close the log: {e}"))
}
