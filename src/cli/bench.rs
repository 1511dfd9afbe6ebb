//! `corelog bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use corelog_bench::{
    Acks, Arrivals, Driver, Error, Estimate, Kind, Load, Mode, Outcome, Rate, Rates, Settings,
    Stop, Summary, Target, parse_cpus,
};
use corelog_record::Codec;

use super::common::{
    EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, Failure, Format, print, print_json, run, table,
};

/// Measure a broker, in an open loop: latencies count from when a request was meant to start.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Run),
    Sweep(Sweep),
    Compare(Compare),
    Floor(Floor),
    Env(Env),
}

/// Runs at rate after rate, and latency by load. Without --rates: doubled from --from on until the
/// broker cannot follow, then closer to what it can.
#[derive(Args)]
struct Sweep {
    #[command(flatten)]
    load: LoadArgs,
    /// Records a second to begin with.
    #[arg(long, value_name = "PER_S", default_value_t = 1000.0)]
    from: f64,
    /// Records a second, separated by commas.
    #[arg(
        long,
        value_name = "PER_S,..",
        value_delimiter = ',',
        conflicts_with = "from"
    )]
    rates: Vec<f64>,
    /// Where the results go, a folder for each run.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Whether B differs from A, with intervals. Best with five runs or more on each side that took
/// turns. Exits with 1 if a run is not valid.
#[derive(Args)]
struct Compare {
    /// The folder of a run, or a folder of such folders.
    a: PathBuf,
    b: PathBuf,
    /// Where compare.json and a report go.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Print what matters of this host, as every run keeps it in env.json.
#[derive(Args)]
struct Env {
    /// A folder on the disk that is looked at.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// What this machine gives at best: write and flush, loopback, and the generator alone. Compare
/// with it what was measured in the same hour.
#[derive(Args)]
struct Floor {
    /// A folder on the disk that the broker writes to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// One run at one rate. Leaves result.json, histograms and a report in a folder. Exits with 1 if
/// the run is not valid.
#[derive(Args)]
struct Run {
    #[command(flatten)]
    load: LoadArgs,
    /// Records a second, or max: as many as the broker takes, in a closed loop.
    #[arg(long, value_name = "PER_S|max")]
    rate: Rate,
    /// Where the results go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Args)]
struct LoadArgs {
    #[arg(long, value_enum, default_value = "kafka")]
    driver: DriverArg,
    /// Brokers to begin with, as HOST:PORT, separated by commas.
    #[arg(
        short,
        long,
        env = "CORELOG_BOOTSTRAP",
        default_value = "127.0.0.1:9092",
        value_delimiter = ',',
        value_name = "HOST:PORT"
    )]
    bootstrap: Vec<String>,
    /// Created if it does not exist.
    #[arg(long)]
    topic: String,
    /// Partitions that are used, and created if need be.
    #[arg(long, value_name = "N", default_value_t = 1)]
    partitions: i32,
    /// Bytes of a record's value, 16 or more.
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    size: usize,
    /// Bytes of a record's key; 0 is no key.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    key_bytes: usize,
    /// Records of a batch; a request carries one batch.
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    #[arg(long, value_parser = codec, default_value = "none", value_name = "none|gzip|snappy|lz4|zstd")]
    compression: Codec,
    #[arg(long, value_enum, default_value = "all")]
    acks: AcksArg,
    /// How long is measured, such as 10s, 500ms or 2m.
    #[arg(long, value_parser = duration, default_value = "10s")]
    duration: Duration,
    /// What starts in this time before is not measured.
    #[arg(long, value_parser = duration, default_value = "2s")]
    warmup: Duration,
    #[arg(long, value_enum, default_value = "uniform")]
    arrivals: ArrivalsArg,
    #[arg(long, value_enum, default_value = "both")]
    mode: ModeArg,
    /// Connections that produce.
    #[arg(long, value_name = "C", default_value_t = 1)]
    connections: usize,
    /// Requests in flight on each connection at rate max.
    #[arg(long, value_name = "N", default_value_t = 16)]
    in_flight: usize,
    /// Connections that consume.
    #[arg(long, value_name = "C", default_value_t = 1)]
    consumers: usize,
    /// CPUs for the threads of the benchmark, by turns, such as 0,2-3.
    #[arg(long, value_name = "CPUS", value_parser = cpus)]
    pin: Option<Cpus>,
}

#[derive(Clone, Copy, ValueEnum)]
enum DriverArg {
    Kafka,
}

#[derive(Clone, Copy, ValueEnum)]
enum AcksArg {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

#[derive(Clone, Copy, ValueEnum)]
enum ArrivalsArg {
    /// Evenly spaced.
    Uniform,
    /// Exponential gaps, as independent callers make.
    Poisson,
}

#[derive(Clone, Copy, ValueEnum)]
enum ModeArg {
    /// Write only.
    Produce,
    /// Read what the topic holds, once, as fast as can be.
    Consume,
    /// Write, and read at the end of the log.
    Both,
    /// Read at the end of the log what another run of this host writes.
    Tail,
    /// Write, and read what the topic held before.
    CatchUp,
}

/// A list, which clap would otherwise take for repeated values.
#[derive(Clone)]
struct Cpus(Vec<usize>);

fn cpus(text: &str) -> Result<Cpus, String> {
    parse_cpus(text).map(Cpus)
}

fn codec(text: &str) -> Result<Codec, String> {
    text.parse()
        .map_err(|_| "give none, gzip, snappy, lz4 or zstd".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    const WRONG: &str = "give a time such as 10s, 500ms or 2m";
    let split = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(WRONG.to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| WRONG.to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| WRONG.to_owned())
}

impl LoadArgs {
    fn settings(self, rate: Rate, out: PathBuf) -> Settings {
        Settings {
            target: Target {
                driver: match self.driver {
                    DriverArg::Kafka => Driver::Kafka,
                },
                bootstrap: self.bootstrap,
                topic: self.topic,
                partitions: self.partitions,
            },
            load: Load {
                rate,
                arrivals: match self.arrivals {
                    ArrivalsArg::Uniform => Arrivals::Uniform,
                    ArrivalsArg::Poisson => Arrivals::Poisson,
                },
                acks: match self.acks {
                    AcksArg::None => Acks::None,
                    AcksArg::Leader => Acks::Leader,
                    AcksArg::All => Acks::All,
                },
                size: self.size,
                key_bytes: self.key_bytes,
                batch: self.batch,
                compression: self.compression,
                connections: self.connections,
                in_flight: self.in_flight,
                consumers: self.consumers,
            },
            mode: match self.mode {
                ModeArg::Produce => Mode::Produce,
                ModeArg::Consume => Mode::Consume,
                ModeArg::Both => Mode::Both,
                ModeArg::Tail => Mode::Tail,
                ModeArg::CatchUp => Mode::CatchUp,
            },
            duration: self.duration,
            warmup: self.warmup,
            pin: self.pin.map(|cpus| cpus.0).unwrap_or_default(),
            out,
        }
    }
}

impl Bench {
    pub(crate) fn run(self) -> ExitCode {
        match self.command {
            Command::Run(command) => run(measuring(move |stop| command.run(stop))),
            Command::Sweep(command) => run(measuring(move |stop| command.run(stop))),
            Command::Compare(command) => run(async move { command.run() }),
            Command::Env(command) => {
                run(async move { print_json(&corelog_bench::environment(&command.dir)) })
            }
            Command::Floor(command) => run(measuring(move |stop| command.run(stop))),
        }
    }
}

/// Works on a thread of its own; Ctrl-C asks it to stop, and what it measured is kept.
async fn measuring(
    work: impl FnOnce(&Stop) -> Result<(), Failure> + Send + 'static,
) -> Result<(), Failure> {
    let stop = Stop::default();
    let told = stop.clone();
    let mut work = tokio::task::spawn_blocking(move || work(&told));
    let ended = tokio::select! {
        ended = &mut work => ended,
        _ = tokio::signal::ctrl_c() => {
            stop.request();
            work.await
        }
    };
    ended.unwrap_or_else(|error| Err(refused(error.to_string())))
}

impl Run {
    fn run(self, stop: &Stop) -> Result<(), Failure> {
        let settings = self.load.settings(self.rate, self.out);
        let mut say = |line: &str| eprintln!("{line}");
        let outcome = corelog_bench::run(&settings, &command(), stop, &mut say);
        let outcome = outcome.map_err(|error| failure(&error))?;
        print(&text(&outcome))?;
        print(&format!(
            "\n{}\n",
            settings.out.join("result.json").display()
        ))?;
        judge(&outcome)
    }
}

impl Sweep {
    fn run(self, stop: &Stop) -> Result<(), Failure> {
        let rates = match self.rates.is_empty() {
            true => Rates::From(self.from),
            false => Rates::Listed(self.rates),
        };
        // Each run has its own rate.
        let settings = self.load.settings(Rate::Max, self.out);
        let mut say = |line: &str| eprintln!("{line}");
        let sweep = corelog_bench::sweep(&settings, &rates, &command(), stop, &mut say);
        let sweep = sweep.map_err(|error| failure(&error))?;
        let cell = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.0}"));
        let rows: Vec<Vec<String>> = sweep
            .points
            .iter()
            .map(|point| {
                let summary = point.publish_latency_us;
                vec![
                    format!("{:.0}", point.requested_rate_per_s),
                    format!("{:.0}", point.rate_per_s),
                    cell(summary.and_then(|s| s.p50)),
                    cell(summary.and_then(|s| s.p99)),
                    cell(summary.and_then(|s| s.p99_9)),
                    cell(summary.map(|s| s.max)),
                    point.reasons.join("; "),
                ]
            })
            .collect();
        let head = [
            "RATE",
            "REACHED",
            "P50 US",
            "P99 US",
            "P99.9 US",
            "MAX US",
            "NOT VALID",
        ];
        print(&table(&head, &rows))?;
        match sweep.highest_valid_rate_per_s {
            Some(rate) => print(&format!(
                "\n{rate:.0} records/s is the highest valid rate\n"
            )),
            None => Err(refused("no run is valid".to_owned())),
        }
    }
}

impl Compare {
    fn run(self) -> Result<(), Failure> {
        let compared = corelog_bench::compare(&self.a, &self.b, self.out.as_deref());
        let compared = compared.map_err(|error| failure(&error))?;
        if self.format == Format::Json {
            print_json(&serde_json::json!(compared))?;
        } else {
            let cell = |e: &Estimate| format!("{:.1} [{:.1}, {:.1}]", e.value, e.low, e.high);
            let rows: Vec<Vec<String>> = compared
                .lines
                .iter()
                .map(|line| {
                    let what = format!("{} ({})", line.what, line.unit);
                    vec![what, cell(&line.a), cell(&line.b), line.verdict.clone()]
                })
                .collect();
            print(&table(&["FIGURE", "A", "B", "VERDICT"], &rows))?;
            for warning in &compared.warnings {
                print(&format!("({warning})\n"))?;
            }
            print(&format!("\n{}\n", compared.verdict))?;
        }
        match compared.valid {
            true => Ok(()),
            false => Err(refused("a run is not valid".to_owned())),
        }
    }
}

impl Floor {
    fn run(self, stop: &Stop) -> Result<(), Failure> {
        let floor = corelog_bench::floor(&self.dir, stop).map_err(|error| failure(&error))?;
        if self.format == Format::Json {
            return print_json(&serde_json::json!(floor));
        }
        let cell = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.1}"));
        let rows: Vec<Vec<String>> = floor
            .lines
            .iter()
            .map(|line| {
                vec![
                    line.what.to_owned(),
                    cell(line.time_us.p50),
                    cell(line.time_us.p99),
                    format!("{:.0}", line.per_s),
                    format!("{:.1}", line.bytes_per_s / 1e6),
                ]
            })
            .collect();
        print(&table(
            &["FLOOR", "P50 US", "P99 US", "PER S", "MB/S"],
            &rows,
        ))
    }
}

/// What was typed.
fn command() -> Vec<String> {
    let arguments = std::env::args_os();
    arguments
        .map(|a| a.to_string_lossy().into_owned())
        .collect()
}

fn judge(outcome: &Outcome) -> Result<(), Failure> {
    match outcome.valid {
        true => Ok(()),
        false => Err(refused(format!(
            "the run is not valid: {}",
            outcome.reasons.join("; ")
        ))),
    }
}

fn refused(message: String) -> Failure {
    Failure {
        code: EXIT_REFUSED,
        message,
        hint: None,
    }
}

fn failure(error: &Error) -> Failure {
    Failure {
        code: match error.kind {
            Kind::Usage => EXIT_USAGE,
            Kind::Unreachable => EXIT_UNREACHABLE,
            Kind::Refused | Kind::Protocol | Kind::Io => EXIT_REFUSED,
        },
        message: error.to_string(),
        hint: None,
    }
}

fn text(outcome: &Outcome) -> String {
    let head = [
        "MICROSECONDS",
        "P50",
        "P90",
        "P99",
        "P99.9",
        "P99.99",
        "MAX",
        "SAMPLES",
    ];
    let lines = [
        ("publish", &outcome.publish_latency_us),
        ("end to end", &outcome.end_to_end_latency_us),
        ("service time", &outcome.service_time_us),
        ("send lag", &outcome.send_lag_us),
        ("fetch", &outcome.fetch_time_us),
    ];
    let rows: Vec<Vec<String>> = lines
        .iter()
        .filter_map(|(name, summary)| Some(row(name, summary.as_ref()?)))
        .collect();
    let mut text = table(&head, &rows);
    text += &format!(
        "\n{:.0} records/s, {:.1} MB/s\n",
        outcome.rate_per_s,
        outcome.bytes_per_s / 1e6
    );
    if outcome.counted.records_read > 0 {
        text += &format!(
            "{:.0} records/s read, {:.1} MB/s\n",
            outcome.counted.read_records_per_s,
            outcome.counted.read_bytes_per_s / 1e6
        );
    }
    for note in &outcome.notes {
        text += &format!("({note})\n");
    }
    text
}

fn row(name: &str, summary: &Summary) -> Vec<String> {
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
    let mut row = vec![name.to_owned()];
    row.extend(summary.percentiles().map(cell));
    row.extend([cell(Some(summary.max)), summary.samples.to_string()]);
    row
}
