//! `corelog-faults NAME --rounds N --seed S`: one scenario against the binary that `BINARY` names.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use corelog_faults::{Outcome, Plan, Run, remove, scenarios};

/// Injects one kind of fault into a broker under load and checks what its clients saw. Exit code 1:
/// an anomaly was found, and the history is kept.
#[derive(Parser)]
struct Arguments {
    name: Name,
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The broker to test.
    #[arg(long, env = "BINARY", default_value = "target/release/corelog")]
    binary: PathBuf,
    /// Data, histories and logs lie under it; on ext4 or XFS.
    #[arg(long, default_value = "target/faults")]
    dir: PathBuf,
    /// The first of ten ports on 127.0.0.1.
    #[arg(long, default_value_t = 24_000)]
    port: u16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    Kill,
    Cores,
    Stop,
    TornTail,
    Hole,
    BitFlip,
    Sectors,
    DiskFull,
    IoError,
    Power,
    SlowDisk,
    Clock,
    /// The harness itself, with a build of `--features corelog-log/planted`.
    Planted,
}

impl Name {
    fn text(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    async fn run(self, run: &mut Run) -> Result<(), String> {
        match self {
            Self::Kill => scenarios::kill(run).await,
            Self::Cores => scenarios::cores(run).await,
            Self::Stop => scenarios::stop(run).await,
            Self::TornTail => scenarios::torn_tail(run).await,
            Self::Hole => scenarios::hole(run).await,
            Self::BitFlip => scenarios::bit_flip(run).await,
            Self::Sectors => scenarios::sectors(run).await,
            Self::DiskFull => scenarios::disk_full(run).await,
            Self::IoError => scenarios::io_error(run).await,
            Self::Power => scenarios::power(run).await,
            Self::SlowDisk => scenarios::slow_disk(run).await,
            Self::Clock => scenarios::clock(run).await,
            Self::Planted => scenarios::planted(run).await,
        }
    }
}

async fn run(arguments: Arguments) -> Result<Outcome, String> {
    let name = arguments.name.text();
    let dir = arguments.dir.join(&name);
    remove(&dir)?;
    let plan = Plan {
        binary: arguments.binary,
        dir: dir.clone(),
        port: arguments.port,
        rounds: arguments.rounds,
        seed: arguments.seed,
        progress: true,
        environment: Vec::new(),
    };
    let mut run = Run::new(&name, plan)?;
    arguments.name.run(&mut run).await?;
    if run.outcome.is_clean() {
        remove(&dir)?;
    }
    Ok(run.outcome)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(outcome) => {
            println!("{outcome}");
            ExitCode::from(u8::from(!outcome.is_clean()))
        }
        Err(what) => {
            eprintln!("corelog-faults: {what}");
            ExitCode::from(2)
        }
    }
}
