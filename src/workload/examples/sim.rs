//! Runs any number of seeds of a workload: `just sim --workload three --seeds 1000 --seed 7`.

use std::fmt;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use corelog_workload::{cluster, compact, log, seeds};

const USAGE: &str = "usage: sim [--workload log|compact|one|three|five] [--seeds N] [--seed FIRST]";

const SAY_EVERY: Duration = Duration::from_secs(10);

struct Arguments {
    workload: String,
    seeds: u64,
    first: u64,
}

/// What all seeds went through so far; said every ten seconds.
struct Totals {
    seeds: u64,
    power_losses: u64,
    kills: u64,
    acknowledged: u64,
    said: Instant,
}

impl Totals {
    fn new() -> Self {
        Self {
            seeds: 0,
            power_losses: 0,
            kills: 0,
            acknowledged: 0,
            said: Instant::now(),
        }
    }

    fn add(&mut self, (power_losses, kills, acknowledged): (u32, u32, u64), of: u64) {
        self.seeds += 1;
        self.power_losses += u64::from(power_losses);
        self.kills += u64::from(kills);
        self.acknowledged += acknowledged;
        if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            eprintln!("{} of {of} seeds, {self}", self.seeds);
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            power_losses,
            kills,
            acknowledged,
            ..
        } = self;
        write!(
            f,
            "{power_losses} power losses, {kills} kills, {acknowledged} acknowledged"
        )
    }
}

fn arguments() -> Option<Arguments> {
    let mut found = Arguments {
        workload: "log".into(),
        seeds: 200,
        first: 0,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--workload" => found.workload = value,
            "--seeds" => found.seeds = value.parse().ok()?,
            "--seed" => found.first = value.parse().ok()?,
            _ => return None,
        }
    }
    let known = ["log", "compact", "one", "three", "five"];
    known.contains(&found.workload.as_str()).then_some(found)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let name = arguments.workload.as_str();
    let nodes = match name {
        "one" => 1,
        "five" => 5,
        _ => 3,
    };
    let begin = Instant::now();
    let range = arguments.first..arguments.first + arguments.seeds;
    let totals = Mutex::new(Totals::new());
    let add = |faults| {
        if let Ok(mut totals) = totals.lock() {
            totals.add(faults, arguments.seeds);
        }
    };
    let (reports, failures) = seeds(name, range, 10, |seed| match name {
        "log" => {
            let report = log::run(seed, &log::Setting::default());
            add((report.power_losses, report.kills, report.acknowledged));
            format!("{report:?}")
        }
        "compact" => {
            let report = compact::run(seed, &compact::Setting::default());
            add((report.power_losses, report.kills, report.acknowledged));
            format!("{report:?}")
        }
        _ => {
            let report = cluster::run(seed, &cluster::Setting::of(nodes));
            let harm = &report.harm;
            let acknowledged = report.counts.acknowledged as u64;
            add((harm.power_losses, harm.kills, acknowledged));
            format!("{report:?}")
        }
    });
    if arguments.seeds <= 20 {
        for (seed, report) in &reports {
            println!("seed {seed}: {report}");
        }
    }
    for failure in &failures {
        println!("seed {} FAILED: {}", failure.seed, failure.message);
    }
    let seconds = begin.elapsed().as_secs_f64();
    let (sound, failed) = (reports.len(), failures.len());
    let totals = totals.lock().map(|t| t.to_string()).unwrap_or_default();
    println!("{name}: {sound} seeds sound, {failed} failed, {totals}, {seconds:.1} s");
    ExitCode::from(u8::from(failed > 0))
}
