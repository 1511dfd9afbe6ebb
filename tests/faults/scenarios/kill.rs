//! Row 1: SIGKILL at a random time under load, also during recovery. Row 12's part for one node:
//! the same, with another number of cores at every start.
//!
//! Fault model: the process ends between any two instructions; the kernel and the disk do not.

use std::time::Duration;

use crate::run::remove;
use crate::{Bench, Broker, Run, STYLES, Setup, pause};

/// Rounds with one data directory and one history: what they wrote is read again in each.
const ROUNDS_OF_AN_EPOCH: u64 = 20;
const PARTITIONS: i32 = 3;
const UNDER_LOAD_MAX: Duration = Duration::from_millis(500);
/// A third of the kills is followed by one while the broker starts.
const AGAIN_PER_MILLE: u64 = 333;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cores {
    Fixed,
    Changing,
}

/// # Errors
/// What keeps the scenario from being run.
pub async fn kill(run: &mut Run) -> Result<(), String> {
    kills(run, Cores::Fixed).await
}

/// # Errors
/// What keeps the scenario from being run.
pub async fn cores(run: &mut Run) -> Result<(), String> {
    kills(run, Cores::Changing).await
}

async fn kills(run: &mut Run, cores: Cores) -> Result<(), String> {
    let mut kills = Kills {
        cores,
        under_load: 0,
        in_recovery: 0,
        recovery: Duration::from_millis(200),
    };
    while run.outcome.rounds < run.plan.rounds {
        kills.epoch(run).await?;
    }
    run.note("kills", kills.under_load + kills.in_recovery);
    run.note("in-recovery", kills.in_recovery);
    Ok(())
}

struct Kills {
    cores: Cores,
    under_load: u64,
    in_recovery: u64,
    /// How long the last one took.
    recovery: Duration,
}

impl Kills {
    /// Rounds on one data directory.
    async fn epoch(&mut self, run: &mut Run) -> Result<(), String> {
        let mut setup = run.setup()?;
        // Small journals are released and used again within an epoch, large ones are not.
        let journal = ["1MiB", "4MiB", "64MiB"][index(run, 3)];
        setup.settings = vec![
            ("log.journal_file_bytes", journal.to_owned()),
            ("log.disk_reserve_bytes", "16MiB".to_owned()),
        ];
        setup.cores = 1 + u16::try_from(index(run, 2)).unwrap_or(0);
        let bench = run.bench(&setup, PARTITIONS)?;
        let (mut broker, _) = setup.serve().await?;
        let segment = [("segment.bytes", "1048576")];
        let created = bench.create_topic(&segment).await;
        created.map_err(|e| format!("create a topic: {e}"))?;
        for _ in 0..ROUNDS_OF_AN_EPOCH {
            if run.outcome.rounds == run.plan.rounds {
                break;
            }
            match self.round(run, &mut setup, &bench, broker).await {
                Ok(next) => broker = next,
                Err(what) => {
                    run.fail(what);
                    run.round(String::new);
                    run.close(&bench);
                    return Ok(());
                }
            }
            let found = bench.history().findings().0.is_empty();
            let (kills, recovery) = (self.under_load + self.in_recovery, self.recovery);
            run.round(|| {
                let counts = bench.history().findings().1;
                let (read, clean) = (counts.read, if found { "clean" } else { "ANOMALIES" });
                let ms = recovery.as_millis();
                format!("{kills} kills, {read} records read, {clean}, recovery {ms} ms")
            });
            if !found {
                break;
            }
        }
        broker.kill();
        run.close(&bench);
        if run.outcome.is_clean() {
            remove(&setup.data)?;
        }
        Ok(())
    }

    async fn round(
        &mut self,
        run: &mut Run,
        setup: &mut Setup,
        bench: &Bench,
        broker: Broker,
    ) -> Result<Broker, String> {
        let seed = run.random.next_u64();
        let load = bench.start(&STYLES, 2, seed).await;
        let load = load.map_err(|e| format!("start the load: {e}"))?;
        pause(run.between(Duration::ZERO, UNDER_LOAD_MAX)).await;
        bench.fault("kill");
        broker.kill();
        self.under_load += 1;
        self.change_cores(run, setup);
        while run.random.chance(AGAIN_PER_MILLE) {
            let started = setup.start().map_err(|e| format!("start: {e}"))?;
            pause(run.between(Duration::ZERO, self.recovery * 3 / 2)).await;
            bench.fault("kill while it starts");
            started.kill();
            self.in_recovery += 1;
            self.change_cores(run, setup);
        }
        let (broker, recovery) = setup.serve().await?;
        bench.fault("ready");
        self.recovery = recovery;
        run.outcome.recoveries.push(recovery);
        pause(run.between(Duration::ZERO, UNDER_LOAD_MAX / 4)).await;
        load.stop().await;
        let read = bench.read_whole().await;
        read.map_err(|e| format!("read everything: {e}"))?;
        Ok(broker)
    }

    fn change_cores(&self, run: &mut Run, setup: &mut Setup) {
        if self.cores == Cores::Changing {
            setup.cores = 1 + u16::try_from(index(run, 3)).unwrap_or(0);
        }
    }
}

fn index(run: &mut Run, bound: u64) -> usize {
    usize::try_from(run.random.below(bound)).unwrap_or(0)
}
