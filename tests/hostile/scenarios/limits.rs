//! Row 24: few descriptors, little memory to lock, and a cgroup.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corelog_faults::{Setup, pause};
use corelog_record::Codec;
use corelog_wire::kafka::{ApiVersionsRequest, CreateTopicsResponse, ErrorCode};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::slow_readers::{fill, read};
use crate::healthy::{fetched, produced};
use crate::request::{CREATE, FETCH, PRODUCE, batch, create, fetch, produce};
use crate::stage::{Settings, create_topic, setup};
use crate::{Plan, Report, Socket, Stage};

const LATENCY_MAX: Duration = Duration::from_secs(3);
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// The least that a start accepts.
const DESCRIPTORS: u32 = 1024;
const CGROUP_BYTES: u64 = 640 << 20;
const TOPIC: &str = "read";
const BATCH_BYTES: usize = 500 << 10;

/// Too little is refused at the start, in words that say what is missing; what is enough for a
/// start is never exceeded, whatever clients do: they are refused, and nothing ends.
///
/// # Errors
/// If a broker does not start, or the attack cannot be carried out.
pub async fn limits(plan: &Plan) -> Result<Report, String> {
    let mut report = Report::new("limits");
    memlock(plan, &mut report).await?;
    plan.tell("few descriptors");
    descriptors(plan, &mut report).await?;
    plan.tell("a cgroup");
    cgroup(plan, &mut report).await?;
    Ok(report)
}

/// The broker, behind a shell that lowers a limit first.
fn limited(plan: &Plan, settings: Settings, lower: &str) -> Result<Setup, String> {
    let mut setup = setup(plan, settings)?;
    let script = plan.dir.join("limited");
    let failed = |e: io::Error| format!("write {}: {e}", script.display());
    let binary = fs::canonicalize(&plan.binary).map_err(failed)?;
    let text = format!(
        "#!/bin/sh\n{lower} || exit 9\nexec {} \"$@\"\n",
        binary.display()
    );
    fs::write(&script, text).map_err(failed)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    setup.binary = script;
    Ok(setup)
}

/// The start fails, and says these words.
async fn refused(report: &mut Report, setup: &Setup, words: &str) -> Result<(), String> {
    let start = setup.start();
    let mut broker = start.map_err(|e| format!("start {}: {e}", setup.binary.display()))?;
    let outcome = broker.ready().await;
    broker.wait();
    let log = fs::read_to_string(&setup.log).map_err(|e| format!("the log: {e}"))?;
    report.require(
        outcome.is_err() && log.contains(words),
        format_args!("a start is not refused with {words:?}: {log}"),
    );
    Ok(())
}

/// One runtime says what it lacks; the other needs none.
async fn memlock(plan: &Plan, report: &mut Report) -> Result<(), String> {
    let settings = vec![("runtime", "glommio".into())];
    let setup = limited(plan, settings, "ulimit -l 64")?;
    refused(report, &setup, "memlock").await?;
    let setup = limited(plan, Settings::new(), "ulimit -l 0")?;
    let (broker, _) = setup.serve().await?;
    create_topic(setup.port, TOPIC, 1, &[]).await?;
    broker.drain().await?;
    report.figure("memlock", "refused by glommio, not needed by ring");
    Ok(())
}

/// More clients than there are descriptors for, while segments are made and read.
async fn descriptors(plan: &Plan, report: &mut Report) -> Result<(), String> {
    let few = limited(plan, Settings::new(), "ulimit -n 512")?;
    refused(report, &few, "may open 512 files").await?;
    let setup = limited(plan, Settings::new(), &format!("ulimit -n {DESCRIPTORS}"))?;
    let mut stage = Stage::open_with(setup, "limits").await?;
    let mut early = Socket::connect(stage.port())
        .await
        .map_err(|e| e.to_string())?;
    let mut held = Vec::new();
    for _ in 0..2 * DESCRIPTORS {
        // Refused by the broker, or never taken out of the kernel's queue.
        if let Ok(Some(socket)) = greet(stage.port()).await {
            held.push(socket);
        }
    }
    // The log needs descriptors of its own: files of many topics, written and read back.
    for number in 0..plan.pick(5, 200) {
        let topic = format!("files-{number}");
        let written = write_files(&mut early, &topic).await;
        written.map_err(|e| format!("{topic}: {e}"))?;
    }
    let (_, http) = stage.ask_http().await?;
    let used = stage.process().descriptors()?;
    report.figure(
        "descriptors",
        format_args!("{used} of {DESCRIPTORS}, {} clients held", held.len()),
    );
    report.figure("HTTP meanwhile", format_args!("{http:.1?}"));
    report.require(
        used < u64::from(DESCRIPTORS),
        format_args!("{used} descriptors"),
    );
    report.require(
        (100..1000).contains(&held.len()),
        format_args!("{} clients are held", held.len()),
    );
    drop(held);
    let open = |open| open <= 2;
    stage.until_metric("connections", open, ANSWER_WAIT).await?;
    let again = greet(stage.port()).await;
    report.require(
        matches!(again, Ok(Some(_))),
        "nobody is served after the others have gone",
    );
    stage.judge(LATENCY_MAX);
    report.absorb(&stage.close().await?);
    Ok(())
}

/// Makes a topic whose records fill a few segments, and reads the first.
async fn write_files(socket: &mut Socket, topic: &str) -> io::Result<()> {
    let request = create(topic, 1, &[("segment.bytes", "1048576")]);
    let body = socket.ask(CREATE, &request).await?;
    let response = CreateTopicsResponse::decode(CREATE, &body).map_err(io::Error::other)?;
    let code = response.topics.first().map(|topic| topic.error_code);
    if code != Some(ErrorCode::NONE) {
        return Err(io::Error::other(format!("create: {code:?}")));
    }
    for _ in 0..6 {
        let request = produce(topic, 0, batch(Codec::None, &vec![5; BATCH_BYTES]));
        let body = socket.ask(PRODUCE, &request).await?;
        let (code, _) = produced(&body)?;
        if code != ErrorCode::NONE {
            return Err(io::Error::other(format!("produce: {code:?}")));
        }
    }
    let body = socket.ask(FETCH, &fetch(topic, 0, 0, 1 << 20)).await?;
    match fetched(&body)? {
        (ErrorCode::NONE, BATCH_BYTES.., _) => Ok(()),
        other => Err(io::Error::other(format!("fetch: {other:?}"))),
    }
}

/// A client that has been answered; None if it was refused.
async fn greet(port: u16) -> io::Result<Option<Socket>> {
    let mut socket = Socket::connect(port).await?;
    let request = ApiVersionsRequest::default();
    let answered = timeout(ANSWER_WAIT, socket.ask(0, &request)).await;
    Ok(answered
        .is_ok_and(|answer| answer.is_ok())
        .then_some(socket))
}

/// A memory cgroup of our own. Dropped, it is removed.
struct Cgroup {
    dir: PathBuf,
    is_second: bool,
}

impl Cgroup {
    /// None where there is none that we may make.
    fn create(name: &str, bytes: u64) -> Option<Self> {
        let roots = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", false),
            ("/sys/fs/cgroup", "memory.max", true),
        ];
        roots.into_iter().find_map(|(root, file, is_second)| {
            let dir = Path::new(root).join(name);
            let known = Path::new(root).join("cgroup.procs").exists();
            if !known || fs::create_dir_all(&dir).is_err() {
                return None;
            }
            let cgroup = Self { dir, is_second };
            let limit = fs::write(cgroup.dir.join(file), bytes.to_string());
            limit.is_ok().then_some(cgroup)
        })
    }

    /// How often the kernel has killed a process of it.
    fn kills(&self) -> Option<u64> {
        let file = match self.is_second {
            true => "memory.events",
            false => "memory.oom_control",
        };
        let text = fs::read_to_string(self.dir.join(file)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line?.trim().parse().ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It can be removed once its process is gone; a later run uses it again otherwise.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Slow consumers, as many as are let in, in a group that has room for the budgets and little more.
async fn cgroup(plan: &Plan, report: &mut Report) -> Result<(), String> {
    let name = format!("corelog-hostile-{}", plan.port);
    let Some(cgroup) = Cgroup::create(&name, CGROUP_BYTES) else {
        report.figure("cgroup", "skipped: none can be made here");
        return Ok(());
    };
    let enter = format!("echo $$ > {}/cgroup.procs", cgroup.dir.display());
    refused(
        report,
        &limited(plan, Settings::new(), &enter)?,
        "or of its cgroup",
    )
    .await?;
    let settings = vec![
        ("kafka.memory_bytes", "64MiB".into()),
        ("broker.socket.request.max.bytes", (32 << 20).to_string()),
        ("log.unsettled_bytes", "32MiB".into()),
        ("log.tail_cache_bytes", "8MiB".into()),
        ("log.block_cache_bytes", "8MiB".into()),
    ];
    let setup = limited(plan, settings, &enter)?;
    let mut stage = Stage::open_with(setup, "limits").await?;
    fill(stage.port(), TOPIC, BATCH_BYTES, 64).await?;
    let (stop, stopped) = watch::channel(false);
    let mut readers = JoinSet::new();
    for number in 0..plan.pick(300, 3_000) {
        let request = fetch(TOPIC, 0, number % 64, 8 << 20);
        readers.spawn(read(stage.port(), request, stopped.clone()));
    }
    for _ in 0..plan.pick(8, 60) {
        pause(Duration::from_secs(1)).await;
        plan.tell(format_args!("{:?}", stage.process().memory()?));
    }
    let kills = cgroup.kills().unwrap_or(0);
    let open = stage.metric("connections").await?;
    report.figure("cgroup", format_args!("{} MiB", CGROUP_BYTES >> 20));
    report.bytes("peak RSS in it", stage.process().memory()?.peak);
    report.figure("connections in it", open);
    report.require(kills == 0, format_args!("the kernel killed {kills} times"));
    stage.judge(LATENCY_MAX);
    // Nobody may listen any more.
    let _ = stop.send(true);
    while readers.join_next().await.is_some() {}
    report.absorb(&stage.close().await?);
    Ok(())
}
