//! `corelog bench`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use corelog_bench::{Error, Estimate, Kind, Outcome, Rate, Rates, Stop, Summary};

use super::common::{
    EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, Failure, Format, print, print_json, run, table,
};
use super::load::LoadArgs;

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
    ended.unwrap_or_else(|error| Err(Failure::refused(error.to_string())))
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
            None => Err(Failure::refused("no run is valid".to_owned())),
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
            false => Err(Failure::refused("a run is not valid".to_owned())),
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
        false => Err(Failure::refused(format!(
            "the run is not valid: {}",
            outcome.reasons.join("; ")
        ))),
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
