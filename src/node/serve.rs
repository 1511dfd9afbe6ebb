//! `corelog serve`: checks, boot, service, drain.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use corelog_cluster::{Image, Node};
use corelog_front::http::{self, Board};
use corelog_front::native::Address;
use corelog_rt::{CommitMode, RuntimeKind};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Settings;
use crate::checks::{
    check_host, check_ports, check_space, core_ports, place_cores, segment_files_max,
};
use crate::conduct::Conductor;
use crate::cores::Plan;
use crate::facts::local;
use crate::identity::{Identity, identity, lock};
use crate::latency::Hold;
use crate::memory::Limits;
use crate::metrics::render;
use crate::recovery::Recovery;
use crate::watchdog::Watchdog;

/// How often figures and heartbeats are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A drain that takes longer ends the process all the same: what is acknowledged is on disk.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// How long memory that was freed is kept for the next who needs some.
const FREED_MEMORY_KEPT: Duration = Duration::from_secs(10);

/// Runs a broker until SIGTERM or SIGINT. A second signal ends the process at once.
///
/// # Errors
/// Why it could not start, or what failed, in words that say what to do.
pub fn serve(settings: &Settings) -> Result<(), String> {
    settings.check()?;
    tell_panics();
    corelog_rt::keep_freed_memory(FREED_MEMORY_KEPT);
    let descriptors = check_host(settings)?;
    let _lock = lock(&settings.data)?;
    let _latency = Hold::take(settings.latency)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| format!("start the housekeeping thread: {e}"))?;
    runtime.block_on(run(settings, descriptors))
}

/// Where nothing unwinds, a panic ends the process before anybody else could say so.
fn tell_panics() {
    if cfg!(panic = "abort") {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            print(panic);
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("without a name");
            tracing::error!(thread = name, "a panic ends the process");
        }));
    }
}

async fn run(settings: &Settings, descriptors: u64) -> Result<(), String> {
    let started = Instant::now();
    let mut signals = Signals::new()?;
    let cpus = place_cores(&settings.cores, &corelog_rt::allowed_cpus())?;
    let cores = u16::try_from(cpus.len()).map_err(|_| "more cores than can be counted")?;
    check_ports(settings, cores).await?;
    let connections_max = Limits::of_host(descriptors).connections_max(settings, cores)?;
    if !settings.data.join("placement").exists() {
        let space = corelog_rt::space(&settings.data);
        let space = space.map_err(|e| format!("look at the free space: {e}"))?;
        check_space(settings, cores, space.free_bytes)?;
    }
    let identity = identity(&settings.data, settings.node_id)?;
    let board = Arc::new(Board::new());
    let listener = http::listen(settings.http_listen).await;
    let listener = listener.map_err(|e| format!("listen on {}: {e}", settings.http_listen))?;
    let door = tokio::spawn(http::serve(
        listener,
        Arc::clone(&board),
        settings.http_wait,
    ));
    let commit = commit_mode(settings)?;
    let options = corelog_rt::Options {
        spin: settings.spin,
        commit,
    };
    let mut plan = plan(settings, identity, cores)?;
    plan.log.segment_files_max = segment_files_max(descriptors, cores);
    plan.door.connections_max = connections_max;
    let mut conductor = Conductor::start(plan, settings.runtime, &cpus, options)?;
    let recovery = Recovery::start(conductor.plan(), Arc::clone(&board));
    let booted = tokio::select! {
        booted = conductor.boot() => booted,
        () = signals.next() => Err("stopped while starting".into()),
    };
    booted?;
    // Not before the cores listen: a client that is closed now finds them at its next try.
    recovery.end();
    board.set_unready(None);
    greet(settings, identity, cores, started.elapsed());
    let ended = serve_until(&mut signals, &mut conductor, &board).await;
    board.set_unready(Some("stopping".into()));
    let drained = tokio::select! {
        drained = tokio::time::timeout(DRAIN_MAX, conductor.stop()) => drained,
        () = signals.next() => std::process::exit(1),
    };
    door.abort();
    ended?;
    drained.map_err(|_| format!("not drained within {DRAIN_MAX:?}"))?
}

/// Until a signal (Ok), or until a core fails.
async fn serve_until(
    signals: &mut Signals,
    conductor: &mut Conductor,
    board: &Board,
) -> Result<(), String> {
    let mut watchdog = Watchdog::new(conductor.heartbeats(), Instant::now());
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = signals.next() => return Ok(()),
            report = conductor.next() => return report.map(|_| ()),
            _ = looks.tick() => {
                let alive = watchdog.look(Instant::now());
                let stuck = alive.iter().position(|alive| !alive);
                board.set_unready(stuck.map(|core| format!("core {core} makes no progress")));
                board.set_metrics(render(conductor.figures(), &alive));
            }
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, String> {
        let hear = |kind| signal(kind).map_err(|e| format!("hear signals: {e}"));
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
        })
    }

    /// Cancel-safe.
    async fn next(&mut self) {
        let heard = tokio::select! {
            heard = self.terminate.recv() => heard,
            heard = self.interrupt.recv() => heard,
        };
        if heard.is_none() {
            pending::<()>().await;
        }
    }
}

/// What the disk is faster with. It is found once and kept beside the data; removing the file
/// repeats the measurement.
fn commit_mode(settings: &Settings) -> Result<CommitMode, String> {
    if settings.runtime == RuntimeKind::Glommio {
        return Ok(CommitMode::default());
    }
    let path = settings.data.join("commit-mode");
    match std::fs::read_to_string(&path).as_deref().map(str::trim) {
        Ok("linked") => return Ok(CommitMode::LinkedFlush),
        Ok("dsync") => return Ok(CommitMode::Dsync),
        _ => {}
    }
    let found = corelog_rt::ring::probe_commit(&settings.data);
    let found = found.map_err(|e| format!("measure {}: {e}", settings.data.display()))?;
    let text = match found {
        CommitMode::LinkedFlush => "linked\n",
        CommitMode::Dsync => "dsync\n",
    };
    std::fs::write(&path, text).map_err(|e| format!("write {}: {e}", path.display()))?;
    Ok(found)
}

fn plan(settings: &Settings, identity: Identity, cores: u16) -> Result<Plan, String> {
    let local = local(settings, identity.node, cores)?;
    let resolved = Image::new(Arc::clone(&local));
    let broker = resolved.broker_settings();
    let (host, port) = settings.advertised();
    let mut log = settings.log.clone();
    log.dir = settings.data.clone();
    let door = corelog_front::Options {
        request_bytes_max: broker.request_bytes_max,
        idle_max: broker.connection_idle_max,
        memory_bytes: settings.request_memory_bytes,
        connections_max: settings.connections_max,
        frame_wait: settings.request_wait,
        send_wait: settings.response_wait,
    };
    if door.memory_bytes / 4 * 3 < u64::from(door.request_bytes_max) {
        return Err(format!(
            "kafka.memory_bytes of {} cannot hold one request of socket.request.max.bytes {}: \
             raise the one or lower the other",
            door.memory_bytes, door.request_bytes_max
        ));
    }
    let native = match settings.native_listen()? {
        Some(listen) => {
            let told = Address {
                host: settings.native_host(listen),
                port: listen.port(),
            };
            Some((core_ports(listen, cores)?, told))
        }
        None => None,
    };
    Ok(Plan {
        dir: settings.data.clone(),
        cluster: identity.cluster,
        node: Node {
            id: identity.node,
            host,
            port,
            cores,
            rack: None,
        },
        local,
        log,
        door,
        listen: settings.kafka_listen,
        native,
        recovered_bytes: AtomicU64::new(0),
    })
}

fn greet(settings: &Settings, identity: Identity, cores: u16, took: Duration) {
    let (host, port) = settings.advertised();
    let Identity { node, cluster } = identity;
    println!(
        "corelog {} is ready after {} ms",
        env!("CARGO_PKG_VERSION"),
        took.as_millis()
    );
    println!(
        "  node        {node} of cluster {cluster}, {cores} cores, {}",
        match settings.runtime {
            RuntimeKind::Ring => "ring runtime",
            RuntimeKind::Glommio => "glommio runtime",
        }
    );
    println!("  data        {}", settings.data.display());
    println!(
        "  kafka       {} (clients are told {host}:{port})",
        settings.kafka_listen
    );
    if let Ok(Some(listen)) = settings.native_listen() {
        let last = listen.port().saturating_add(cores - 1);
        let told = settings.native_host(listen);
        println!("  native      {listen} to {last}, a port a core (clients are told {told})");
    }
    println!(
        "  http        {} (/live /ready /metrics)",
        settings.http_listen
    );
    println!("  durability  {}", durability(settings));
    println!("Try: echo hello | corelog produce greetings -b {host}:{port}");
}

/// What a flush is worth here.
fn durability(settings: &Settings) -> &'static str {
    if corelog_rt::is_memory(&settings.data).unwrap_or(false) {
        "NONE: the data directory is in memory (tmpfs), and is gone when the host stops"
    } else {
        "disk: flushed before acknowledged (a topic may choose written or memory)"
    }
}
