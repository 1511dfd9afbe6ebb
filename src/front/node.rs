//! For tests: a broker of two cores with its doors on each, on a simulated machine, and a client on
//! another. Deterministic; time is simulated.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use corelog_base::{CoreId, NodeId, Replica, TimestampMs, TopicId};
use corelog_broker::{AdminRequest, Broker, Lanes, NoPeers, Setup, lanes};
use corelog_cluster::{ClusterId, Local, core_of};
use corelog_log::{JournalId, JournalOptions, Share};
use corelog_record::{BatchBuilder, Codec, records};
use corelog_rt::{Notify, Runtime, Shared};
use corelog_sim::{Host, Options as SimOptions, Sim, SimRuntime};
use corelog_wire::kafka::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse, ErrorCode,
};

pub(crate) use crate::kafka::client::{Client, produce_request, produced};
use crate::{Budget, Door, Options, kafka, native};

const CORES: u16 = 2;
const SECOND: Duration = Duration::from_secs(1);

/// What runs on each core, once it serves.
type Cores = Shared<Vec<Option<Core>>>;

struct Core {
    broker: Broker<SimRuntime>,
    kafka: Door<SimRuntime>,
    native: Door<SimRuntime>,
}

/// What a test may look at from the client's machine.
#[derive(Clone)]
pub(crate) struct Node {
    rt: SimRuntime,
    server: Host,
    cores: Cores,
}

/// Boots a node, runs a test beside it, and ends both.
pub(crate) fn check<Fut>(test: impl FnOnce(Node) -> Fut + 'static)
where
    Fut: Future<Output = ()> + 'static,
{
    check_with(|_| {}, test);
}

/// With doors of these settings.
pub(crate) fn check_door<Fut>(door: Options, test: impl FnOnce(Node) -> Fut + 'static)
where
    Fut: Future<Output = ()> + 'static,
{
    check_all(door, |_| {}, test);
}

/// With a configuration file of the node's own.
pub(crate) fn check_with<Fut>(
    configure: impl FnOnce(&mut Local),
    test: impl FnOnce(Node) -> Fut + 'static,
) where
    Fut: Future<Output = ()> + 'static,
{
    check_all(Options::default(), configure, test);
}

fn check_all<Fut>(
    door: Options,
    configure: impl FnOnce(&mut Local),
    test: impl FnOnce(Node) -> Fut + 'static,
) where
    Fut: Future<Output = ()> + 'static,
{
    let sim = Sim::new(7, SimOptions::default());
    let (server, client) = (sim.add_host(), sim.add_host());
    let mut local = Local::new(NodeId(0));
    local.tell("log.dirs", "/data");
    configure(&mut local);
    let boot = Boot {
        door,
        local: Arc::new(local),
        shares: Shared::new(Vec::new()),
        lanes: Shared::new(lanes(CORES, 16).into_iter().map(Some).collect()),
        scanned: (0..CORES).map(|_| Notify::new()).collect(),
        cores: Shared::new((0..CORES).map(|_| None).collect()),
    };
    let node = Node {
        rt: client.runtime(CoreId(0)),
        server: server.clone(),
        cores: boot.cores.clone(),
    };
    let shared = Shared::new(boot);
    server.start(CORES, |rt| {
        let boot = shared.with(|boot| boot.clone());
        async move { boot.run(rt).await }
    });
    sim.block_on(&client, async move {
        while node.cores.with(|cores| cores.iter().any(Option::is_none)) {
            node.rt.sleep(Duration::from_millis(1)).await;
        }
        test(node).await;
    });
    sim.shut_down();
}

/// What the cores share while they boot.
#[derive(Clone)]
struct Boot {
    door: Options,
    local: Arc<Local>,
    shares: Shared<Vec<Option<Share>>>,
    lanes: Shared<Vec<Option<Lanes>>>,
    scanned: Vec<Notify>,
    cores: Cores,
}

impl Boot {
    async fn run(self, rt: SimRuntime) {
        let core = usize::from(rt.core().0);
        if core == 0 {
            self.scan(&rt).await;
        }
        self.scanned[core].notified().await;
        let share = self.shares.with(|shares| shares[core].take()).unwrap();
        let setup = Setup {
            node: NodeId(0),
            cores: CORES,
            seed: 5,
            log: corelog_log::Options {
                dir: "/data".into(),
                journal: JournalOptions {
                    file_bytes: 16 << 20,
                    prewrite_bytes: 1 << 20,
                    ..JournalOptions::default()
                },
                disk_reserve_bytes: 0,
                ..corelog_log::Options::default()
            },
            share,
            mesh: self.lanes.with(|lanes| lanes[core].take()).unwrap(),
            peers: Box::new(NoPeers),
            metadata_voters: vec![Replica {
                node: NodeId(0),
                id: 1,
            }],
            local: Arc::clone(&self.local),
            scan_incomplete: false,
            metadata_expected: false,
        };
        let opened = Broker::open(rt.clone(), setup).await.unwrap();
        let broker = opened.start().await.unwrap();
        broker.ready().await;
        if core == 0 {
            register(&broker, NodeId(0)).await;
        }
        let address = address(rt.core());
        let budget = Budget::new(&self.door);
        let options = || self.door.clone();
        let kafka = kafka::open(broker.clone(), address, options(), budget.clone());
        let kafka = kafka.await.unwrap();
        let told = native::Address {
            host: "broker.test".into(),
            port: NATIVE_PORT,
        };
        let address = native_address(rt.core());
        let native = native::open(broker.clone(), address, told, options(), budget);
        let native = native.await.unwrap();
        let core = Core {
            broker,
            kafka,
            native,
        };
        self.cores
            .with(|cores| cores[usize::from(rt.core().0)] = Some(core));
    }

    async fn scan(&self, rt: &SimRuntime) {
        let journals: Vec<JournalId> = (1..=u64::from(CORES)).map(JournalId).collect();
        let scan = corelog_log::scan(rt, Path::new("/data"), &[])
            .await
            .unwrap();
        let shares = scan.share_out(&journals, 1, |group| core_of(group.group, CORES));
        self.shares
            .with(|all| *all = shares.into_iter().map(Some).collect());
        self.scanned.iter().for_each(Notify::notify);
    }
}

async fn register(broker: &Broker<SimRuntime>, id: NodeId) {
    let node = corelog_cluster::Node {
        id,
        host: "broker.test".into(),
        port: 9092,
        cores: CORES,
        rack: None,
    };
    let cluster = ClusterId::from_random([9; 16]);
    let request = AdminRequest::RegisterNode { cluster, node };
    broker.admin(request, 10 * SECOND).await.unwrap();
}

fn address(core: CoreId) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 9092 + core.0))
}

/// Of the native protocol, on core 0.
pub(crate) const NATIVE_PORT: u16 = 9192;

pub(crate) fn native_address(core: CoreId) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], NATIVE_PORT + core.0))
}

impl Node {
    pub(crate) fn runtime(&self) -> &SimRuntime {
        &self.rt
    }

    pub(crate) fn broker(&self, core: usize) -> Broker<SimRuntime> {
        self.cores
            .with(|cores| cores[core].as_ref().unwrap().broker.clone())
    }

    pub(crate) fn door(&self, core: usize) -> Door<SimRuntime> {
        self.cores
            .with(|cores| cores[core].as_ref().unwrap().kafka.clone())
    }

    pub(crate) fn native_door(&self, core: usize) -> Door<SimRuntime> {
        self.cores
            .with(|cores| cores[core].as_ref().unwrap().native.clone())
    }

    /// Makes the disk so many times as slow: what is appended commits that much later.
    pub(crate) fn slow_disk(&self, slowness: u32) {
        self.server.disk(|disk| disk.faults.slowness = slowness);
    }

    /// From now on every flush and write of the disk fails.
    pub(crate) fn break_disk(&self) {
        self.server.disk(|disk| {
            disk.faults.write_errors_ppm = 1_000_000;
            disk.faults.flush_errors_ppm = 1_000_000;
        });
    }

    /// Changes a bit of the largest segment.
    pub(super) fn damage_segment(&self, position: u64) {
        self.server.disk(|disk| {
            let files = disk.files().into_iter();
            let segments = files.filter(|(path, _)| path.extension().is_some_and(|e| e == "log"));
            let (path, _) = segments.max_by_key(|(_, bytes)| *bytes).unwrap();
            disk.flip(&path, position, 1);
        });
    }

    /// All that the disk holds, in bytes; None lets it grow again.
    pub(super) fn bound_disk(&self, bytes: Option<u64>) {
        self.server.disk(|d| d.faults.capacity_bytes = bytes);
    }

    /// Makes a node known that does not run.
    pub(crate) async fn register_other(&self, id: NodeId) {
        register(&self.broker(0), id).await;
    }

    /// Connected to one core's door for Kafka's protocol.
    pub(crate) async fn client(&self, core: u16) -> Client {
        Client::connect(self.rt.clone(), address(CoreId(core))).await
    }

    /// A topic of four partitions, on both cores.
    pub(crate) async fn topic(&self, name: &str, configs: &[(&str, &str)]) -> TopicId {
        let mut client = self.client(0).await;
        let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
            name,
            value: Some(value),
        });
        let topic = CreatableTopic {
            name,
            num_partitions: 4,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic].into(),
            timeout_ms: 5000,
            ..Default::default()
        };
        let body = client.ask(7, &request).await;
        let response = CreateTopicsResponse::decode(7, &body).unwrap();
        let topic = response.topics.first().unwrap();
        assert_eq!(topic.error_code, ErrorCode::NONE, "{topic:?}");
        topic.topic_id
    }
}

/// A batch of records with these values.
pub(crate) fn batch(values: &[&str]) -> BytesMut {
    let mut builder = BatchBuilder::new(Codec::None);
    for value in values {
        let now = TimestampMs(1_700_000_000_000);
        builder
            .push(now, None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.finish()
}

/// The values of batches that stand back to back, with their offsets.
pub(crate) fn values(bytes: &[u8]) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    for found in corelog_record::batches(bytes) {
        let (_, batch) = found.unwrap();
        for record in records(batch, 1 << 20).unwrap().iter() {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap_or_default().to_vec()).unwrap();
            values.push((record.offset.0, value));
        }
    }
    values
}
