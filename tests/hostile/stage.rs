//! A broker under attack, with what is watched meanwhile.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use corelog_faults::{Broker, Setup, pause, remove};
use corelog_wire::kafka::{CreateTopicsResponse, ErrorCode};

use crate::healthy::{TOPIC, fetched};
use crate::request::{CREATE, FETCH, create, fetch};
use crate::{Healthy, Latency, Plan, Process, Report, Socket, get};

/// How long the healthy client is measured before the attack.
const CALM: Duration = Duration::from_millis(500);
/// What HTTP may take, whatever happens at the Kafka door.
const HTTP_WAIT: Duration = Duration::from_secs(5);

/// Settings of a broker.
pub(crate) type Settings = Vec<(&'static str, String)>;

pub struct Stage {
    pub report: Report,
    pub setup: Setup,
    pub(crate) broker: Broker,
    healthy: Healthy,
    calm: Latency,
}

/// How the broker is started: one core, so that whoever is served shares it with the attack.
pub(crate) fn setup(plan: &Plan, settings: Settings) -> Result<Setup, String> {
    remove(&plan.dir)?;
    fs::create_dir_all(&plan.dir).map_err(|e| format!("make {}: {e}", plan.dir.display()))?;
    let mut all: Settings = vec![
        ("log.journal_file_bytes", "16MiB".into()),
        ("log.disk_reserve_bytes", "64MiB".into()),
        ("native.listen", format!("127.0.0.1:{}", plan.port + 2)),
    ];
    all.extend(settings);
    Ok(Setup {
        binary: plan.binary.clone(),
        data: plan.dir.join("data"),
        port: plan.port,
        cores: 1,
        settings: all,
        environment: Vec::new(),
        log: plan.dir.join("log"),
    })
}

pub(crate) async fn create_topic(
    port: u16,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("create {name}: {e}");
    let mut socket = Socket::connect(port).await.map_err(failed)?;
    let request = create(name, partitions, configs);
    let body = socket.ask(CREATE, &request).await.map_err(failed)?;
    let response = CreateTopicsResponse::decode(CREATE, &body);
    let response = response.map_err(|e| format!("create {name}: {e}"))?;
    match response.topics.first().map(|topic| topic.error_code) {
        Some(ErrorCode::NONE) => Ok(()),
        other => Err(format!("create {name}: {other:?}")),
    }
}

impl Stage {
    /// Starts the broker and the healthy client.
    ///
    /// # Errors
    /// If the broker does not start or does not work before it is attacked.
    pub(crate) async fn open(plan: &Plan, name: &str, settings: Settings) -> Result<Self, String> {
        Self::open_with(setup(plan, settings)?, name).await
    }

    pub(crate) async fn open_with(setup: Setup, name: &str) -> Result<Self, String> {
        let (broker, _) = setup.serve().await?;
        create_topic(setup.port, TOPIC, 1, &[]).await?;
        let healthy = Healthy::start(setup.port);
        pause(CALM).await;
        let calm = healthy.take();
        if let Some(error) = &calm.error {
            return Err(format!("before the attack: {error}"));
        }
        let stage = Self {
            report: Report::new(name),
            setup,
            broker,
            healthy,
            calm,
        };
        stage.process().forget_peak()?;
        Ok(stage)
    }

    pub fn port(&self) -> u16 {
        self.setup.port
    }

    pub fn http_port(&self) -> u16 {
        self.setup.port + 1
    }

    pub fn native_port(&self) -> u16 {
        self.setup.port + 2
    }

    pub fn process(&self) -> Process {
        Process(self.broker.id())
    }

    /// Asks /live, /ready and /metrics; the metrics, and how long the slowest took.
    ///
    /// # Errors
    /// If one of them does not answer in time, or not with 200.
    pub async fn ask_http(&self) -> Result<(String, Duration), String> {
        let (mut slowest, mut text) = (Duration::ZERO, String::new());
        for path in ["/live", "/ready", "/metrics"] {
            let began = Instant::now();
            let (status, body) = get(self.http_port(), path, HTTP_WAIT).await?;
            if status != 200 {
                return Err(format!("HTTP {path} says {status}: {body}"));
            }
            slowest = slowest.max(began.elapsed());
            text = body;
        }
        Ok((text, slowest))
    }

    /// A figure of the metrics, added over the cores.
    ///
    /// # Errors
    /// If HTTP does not answer.
    pub async fn metric(&self, name: &str) -> Result<u64, String> {
        let (text, _) = self.ask_http().await?;
        let start = format!("corelog_{name}{{");
        let lines = text.lines().filter(|line| line.starts_with(&start));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        Ok(values.sum())
    }

    /// Waits until a metric reaches a value; the boards are refreshed each second.
    ///
    /// # Errors
    /// If it does not within `wait`.
    pub(crate) async fn until_metric(
        &self,
        name: &str,
        is_reached: impl Fn(u64) -> bool,
        wait: Duration,
    ) -> Result<u64, String> {
        let deadline = Instant::now() + wait;
        loop {
            let value = self.metric(name).await?;
            if is_reached(value) {
                return Ok(value);
            }
            if Instant::now() > deadline {
                return Err(format!("{name} is still {value} after {wait:?}"));
            }
            pause(Duration::from_millis(100)).await;
        }
    }

    /// What the healthy client saw since the last time, held against bounds.
    pub(crate) fn judge(&mut self, wait_max: Duration) {
        let seen = self.healthy.take();
        let report = &mut self.report;
        let calm = self.calm.produce.per_mille(990);
        report.figure("produce p99 before", format_args!("{calm:.1?}"));
        let kinds = [
            ("produce", &seen.produce),
            ("fetch", &seen.fetch),
            ("metadata", &seen.metadata),
        ];
        for (name, waits) in kinds {
            let (p99, max) = (waits.per_mille(990), waits.per_mille(1000));
            let figure = format!("p99 {p99:.1?} max {max:.1?} of {}", waits.count());
            report.figure(name, figure);
            report.require(max <= wait_max, format_args!("{name} took {max:?}"));
            // A short attack may end before metadata was asked for.
            let is_seen = waits.count() > 0 || name == "metadata";
            report.require(is_seen, format_args!("no {name} at all"));
        }
        let (failed, error) = (seen.failed, seen.error.unwrap_or_default());
        report.require(
            failed == 0,
            format_args!("{failed} requests failed: {error}"),
        );
    }

    /// The peak of memory since the last call, held against a bound above what the process had.
    ///
    /// # Errors
    /// If the process is gone.
    pub(crate) fn judge_memory(&mut self, bytes_max: u64) -> Result<(), String> {
        let memory = self.process().memory()?;
        let descriptors = self.process().descriptors()?;
        self.report.bytes("peak RSS", memory.peak);
        self.report.figure("descriptors", descriptors);
        let peak = memory.peak >> 20;
        self.report.require(
            memory.peak <= bytes_max,
            format_args!("RSS reached {peak} MiB"),
        );
        Ok(())
    }

    /// Ends the healthy client and kills the broker.
    ///
    /// # Errors
    /// If something failed until now.
    pub(crate) async fn kill(self) -> Result<(), String> {
        self.healthy.stop().await?;
        self.broker.kill();
        match self.report.is_clean() {
            true => Ok(()),
            false => Err(self.report.to_string()),
        }
    }

    /// Ends the healthy client, reads back what it wrote, looks into the log, and drains the
    /// broker.
    ///
    /// # Errors
    /// If one of these cannot be done.
    pub async fn close(self) -> Result<Report, String> {
        let seen = self.report.to_string();
        let closed = self.look_and_drain().await;
        // What was seen until then says more than that it is gone.
        closed.map_err(|what| format!("{what}\n{seen}"))
    }

    async fn look_and_drain(mut self) -> Result<Report, String> {
        let acknowledged = self.healthy.stop().await?;
        let running = self.broker.is_running();
        self.report.require(running, "the broker has ended");
        let failed = |e: std::io::Error| format!("after the attack: {e}");
        let mut socket = Socket::connect(self.setup.port).await.map_err(failed)?;
        let request = fetch(TOPIC, 0, 0, 4096);
        let body = socket.ask(FETCH, &request).await.map_err(failed)?;
        let (code, _, high_watermark) = fetched(&body).map_err(failed)?;
        let kept = u64::try_from(high_watermark).unwrap_or(0);
        self.report.require(
            code == ErrorCode::NONE && kept >= acknowledged,
            format_args!("{acknowledged} records were acknowledged, {kept} are there: {code:?}"),
        );
        drop(socket);
        self.broker.drain().await?;
        let alarms = alarms(&self.setup.log)?;
        self.report.require(
            alarms.is_empty(),
            format_args!("the broker's log has {alarms:?}"),
        );
        Ok(self.report)
    }
}

/// Lines of a log that need a person.
fn alarms(log: &PathBuf) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let alarms = text
        .lines()
        .filter(|line| line.contains("ERROR") || line.contains("panicked"));
    Ok(alarms.take(3).map(str::to_owned).collect())
}
