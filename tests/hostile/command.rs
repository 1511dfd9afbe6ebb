//! `corelog-hostile NAME`: one scenario against the binary that `BINARY` names.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use corelog_faults::remove;
use corelog_hostile::{Plan, Report, Size, scenarios};

/// Attacks a broker while a healthy client works. Exit code 1: something did not hold.
#[derive(Parser)]
struct Arguments {
    name: Name,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// As in `cargo test`: seconds instead of minutes.
    #[arg(long)]
    short: bool,
    /// The broker to test.
    #[arg(long, env = "BINARY", default_value = "target/release/corelog")]
    binary: PathBuf,
    /// Data and logs lie under it; on ext4 or XFS.
    #[arg(long, default_value = "target/hostile")]
    dir: PathBuf,
    /// The first of three ports on 127.0.0.1.
    #[arg(long, default_value_t = 24_500)]
    port: u16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    Flood,
    SlowLoris,
    Lengths,
    Hoarders,
    SlowReaders,
    Bombs,
    Fuzz,
    Partitions,
    Limits,
}

impl Name {
    async fn run(self, plan: &Plan) -> Result<Report, String> {
        match self {
            Self::Flood => scenarios::flood(plan).await,
            Self::SlowLoris => scenarios::slow_loris(plan).await,
            Self::Lengths => scenarios::lengths(plan).await,
            Self::Hoarders => scenarios::hoarders(plan).await,
            Self::SlowReaders => scenarios::slow_readers(plan).await,
            Self::Bombs => scenarios::bombs(plan).await,
            Self::Fuzz => scenarios::fuzz(plan).await,
            Self::Partitions => scenarios::partitions(plan).await,
            Self::Limits => scenarios::limits(plan).await,
        }
    }
}

async fn run(arguments: Arguments) -> Result<Report, String> {
    let value = arguments.name.to_possible_value();
    let name = value.map_or(String::new(), |value| value.get_name().to_owned());
    let plan = Plan {
        binary: arguments.binary,
        dir: arguments.dir.join(name),
        port: arguments.port,
        seed: arguments.seed,
        size: match arguments.short {
            true => Size::Short,
            false => Size::Long,
        },
    };
    let report = arguments.name.run(&plan).await?;
    if report.is_clean() {
        remove(&plan.dir)?;
    }
    Ok(report)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(report) => {
            println!("{report}");
            ExitCode::from(u8::from(!report.is_clean()))
        }
        Err(what) => {
            eprintln!("corelog-hostile: {what}");
            ExitCode::from(2)
        }
    }
}
