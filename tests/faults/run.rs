//! One run of a scenario: its directory, its seed, its outcome.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use corelog_base::Random;

use crate::{Anomalies, Bench, Counts, History, Name, Setup};

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Plan {
    pub binary: PathBuf,
    /// Everything of this run lies under it.
    pub dir: PathBuf,
    /// This port and the nine after it are the run's.
    pub port: u16,
    pub rounds: u64,
    pub seed: u64,
    /// Print progress.
    pub progress: bool,
    /// Of every broker.
    pub environment: Vec<(String, String)>,
}

/// A run that goes on.
pub struct Run {
    pub plan: Plan,
    pub random: Random,
    pub outcome: Outcome,
    histories: u32,
}

/// What a run found.
#[derive(Default, Debug)]
pub struct Outcome {
    pub name: String,
    pub rounds: u64,
    pub seed: u64,
    pub counts: Counts,
    pub anomalies: Anomalies,
    pub recoveries: Vec<Duration>,
    /// Figures of this scenario alone.
    pub notes: Vec<(&'static str, String)>,
    pub binary: String,
    /// Histories that contain anomalies, kept.
    pub kept: Vec<PathBuf>,
    /// Why nothing was tried.
    pub skipped: Option<String>,
}

impl Run {
    /// # Errors
    /// If the directory cannot be made, or the binary cannot be read.
    pub fn new(name: &str, plan: Plan) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("{}: {e}", plan.dir.display());
        fs::create_dir_all(&plan.dir).map_err(failed)?;
        let outcome = Outcome {
            name: name.to_owned(),
            seed: plan.seed,
            binary: hash(&plan.binary)?,
            ..Outcome::default()
        };
        Ok(Self {
            random: Random::new(plan.seed),
            plan,
            outcome,
            histories: 0,
        })
    }

    /// A fresh data directory.
    ///
    /// # Errors
    /// If what was there cannot be removed.
    pub fn setup(&self) -> Result<Setup, String> {
        let data = self.plan.dir.join("data");
        remove(&data)?;
        Ok(Setup {
            binary: self.plan.binary.clone(),
            data,
            port: self.plan.port,
            cores: 1,
            settings: Vec::new(),
            environment: self.plan.environment.clone(),
            log: self.plan.dir.join("broker.log"),
        })
    }

    /// A fresh history.
    ///
    /// # Errors
    /// If its file cannot be created.
    pub fn bench(&mut self, setup: &Setup, partitions: i32) -> Result<Bench, String> {
        self.histories += 1;
        let topic = format!("faults-{}", self.histories);
        let path = self
            .plan
            .dir
            .join(format!("history-{}.jsonl", self.histories));
        let history = History::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Bench::new(setup.address(), &topic, partitions, history))
    }

    /// Adds what a history has found, and keeps its file if it found something.
    pub fn close(&mut self, bench: &Bench) {
        let mut history = bench.history();
        let (anomalies, counts) = history.findings();
        self.outcome.anomalies.absorb(anomalies);
        self.outcome.counts.add(counts);
        if anomalies.is_empty() {
            // It has said what it had to say.
            let _ = fs::remove_file(history.path());
        } else {
            self.outcome.kept.push(history.path().to_owned());
        }
    }

    pub fn fail(&mut self, what: String) {
        self.outcome.anomalies.add(Name::Unavailable, || what);
    }

    pub fn note(&mut self, name: &'static str, value: impl fmt::Display) {
        self.outcome.notes.push((name, value.to_string()));
    }

    /// Counts a round; prints now and then.
    pub fn round(&mut self, what: impl FnOnce() -> String) {
        self.outcome.rounds += 1;
        let done = self.outcome.rounds;
        let step = (self.plan.rounds / 20).max(1);
        if self.plan.progress && (done.is_multiple_of(step) || done == self.plan.rounds) {
            println!("{done}/{} {}", self.plan.rounds, what());
        }
    }

    /// A time between two bounds.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX);
        from + Duration::from_micros(self.random.below(span.max(1)))
    }
}

/// Removes a folder, if it is there.
///
/// # Errors
/// If it cannot be removed.
pub fn remove(dir: &Path) -> Result<(), String> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("remove {}: {e}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Names the binary in what is published.
fn hash(binary: &Path) -> Result<String, String> {
    let output = Command::new("sha256sum").arg(binary).output();
    let output = output.map_err(|e| format!("sha256sum: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.chars().take(12).collect())
}

impl Outcome {
    pub fn is_clean(&self) -> bool {
        self.anomalies.is_empty()
    }

    /// Of the recoveries, in ms.
    fn percentile(&self, per_cent: usize) -> u128 {
        let mut sorted = self.recoveries.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
        sorted.get(at).map_or(0, Duration::as_millis)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.skipped {
            return write!(f, "{}: SKIPPED: {why}", self.name);
        }
        write!(f, "{}", self.anomalies)?;
        for path in &self.kept {
            writeln!(f, "  history: {}", path.display())?;
        }
        let lost = self.anomalies.count(Name::LostWrite) + self.anomalies.count(Name::Unseen);
        let duplicated = self.anomalies.count(Name::Duplicate);
        write!(
            f,
            "{}: rounds {} seed {}",
            self.name, self.rounds, self.seed
        )?;
        let counts = self.counts;
        write!(
            f,
            " sent {} acknowledged {} unknown {} failed {} read {} lost {lost} duplicated {duplicated}",
            counts.sent, counts.acknowledged, counts.unknown, counts.failed, counts.read
        )?;
        for (name, value) in &self.notes {
            write!(f, " {name} {value}")?;
        }
        if !self.recoveries.is_empty() {
            let (p50, p99) = (self.percentile(50), self.percentile(99));
            write!(f, " recovery p50 {p50} ms p99 {p99} ms")?;
        }
        let verdict = if self.is_clean() { "PASSED" } else { "FAILED" };
        write!(f, " binary {} {verdict}", self.binary)
    }
}
