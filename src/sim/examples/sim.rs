//! Runs any number of seeds of a workload: `just sim --workload three --seeds 1000 --seed 7`.

use std::process::ExitCode;
use std::time::Instant;

use corelog_sim::workload::{cluster, log, seeds};

const USAGE: &str = "usage: sim [--workload log|one|three|five] [--seeds N] [--seed FIRST]";

struct Arguments {
    workload: String,
    seeds: u64,
    first: u64,
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
    let known = ["log", "one", "three", "five"];
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
    let (reports, failures) = seeds(name, range, 10, |seed| match name {
        "log" => format!("{:?}", log::run(seed, &log::Setting::default())),
        _ => format!("{:?}", cluster::run(seed, &cluster::Setting::of(nodes))),
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
    println!("{name}: {sound} seeds sound, {failed} failed, {seconds:.1} s");
    ExitCode::from(u8::from(failed > 0))
}
