//! Row 9: every write and flush of the disk takes 10 ms to 5 s.
//!
//! Fault model: the disk answers late and loses nothing. All cores share it, so writes of all
//! topics are slow; what is in memory must be read as fast as ever, the node must say that it lives,
//! and its memory must stay bounded while producers go on.

use std::time::{Duration, Instant};

use crate::fuse::{Disk, NAME};
use crate::mount::{self, Inodes, Mount};
use crate::{Bench, Broker, Run, STYLES, Setup, pause};

const DISK_BYTES: u64 = 192 << 20;
const DELAYS_MS: [u64; 4] = [10, 100, 1000, 5000];
/// Resident memory may grow by so much: the bounds of requests, caches and unsettled records.
const GROWTH_BYTES_MAX: u64 = 256 << 20;
/// A read from memory that takes longer waits for the disk.
const READ_MAX: Duration = Duration::from_millis(500);
const SLOW_FOR_MIN: Duration = Duration::from_secs(2);

/// # Errors
/// What keeps the scenario from being run.
pub async fn slow_disk(run: &mut Run) -> Result<(), String> {
    let mut reads = Vec::new();
    let mut growth = 0;
    while run.outcome.rounds < run.plan.rounds {
        let number = run.outcome.rounds;
        let image = run.plan.dir.join(format!("image-{number}"));
        let served = run.plan.dir.join(format!("served-{number}"));
        mount::make_image(&image, DISK_BYTES, Inodes::Plenty)?;
        std::fs::create_dir_all(&served).map_err(|e| e.to_string())?;
        let disk = match Disk::serve(&image, &served) {
            Ok(disk) => disk,
            Err(why) => {
                run.outcome.skipped = Some(why);
                return Ok(());
            }
        };
        let mounted = Mount::of(
            &served.join(NAME),
            &run.plan.dir.join(format!("disk-{number}")),
        )?;
        let mut setup = run.setup()?;
        setup.data = mounted.dir.join("data");
        setup.cores = 2;
        setup.settings = vec![
            ("log.journal_file_bytes", "4MiB".to_owned()),
            ("log.disk_reserve_bytes", "16MiB".to_owned()),
        ];
        let bench = run.bench(&setup, 4)?;
        let at = usize::try_from(number).unwrap_or(0) % DELAYS_MS.len();
        let delay = Duration::from_millis(DELAYS_MS[at]);
        let outcome = round(run, &setup, &bench, &disk, delay).await;
        disk.delay(Duration::ZERO);
        drop(mounted);
        run.close(&bench);
        let _ = std::fs::remove_file(&image);
        match outcome {
            Ok(round) => {
                growth = growth.max(round.growth);
                reads.extend(round.reads);
            }
            Err(what) => run.fail(format!("{delay:?} a write: {what}")),
        }
        run.round(|| format!("{delay:?} a write and a flush"));
    }
    reads.sort_unstable();
    let p99_9 = reads.get(reads.len() * 999 / 1000).copied();
    run.note("reads from memory", reads.len());
    run.note("their p99.9", format!("{:?}", p99_9.unwrap_or_default()));
    run.note("memory grew by at most", format!("{} MiB", growth >> 20));
    Ok(())
}

struct Round {
    reads: Vec<Duration>,
    growth: u64,
}

async fn round(
    run: &mut Run,
    setup: &Setup,
    bench: &Bench,
    disk: &Disk,
    delay: Duration,
) -> Result<Round, String> {
    let failed = |e: corelog_client::Error| e.to_string();
    let (broker, _) = setup.serve().await?;
    bench.create_topic(&[]).await.map_err(failed)?;
    let written = bench.write(STYLES[0], 1000, run.random.next_u64()).await;
    written.map_err(failed)?;
    let before = resident(&broker)?;
    let load = bench.start(&STYLES, 1, run.random.next_u64()).await;
    let load = load.map_err(failed)?;
    bench.fault(format!("{delay:?} a write"));
    disk.delay(delay);
    let slow_for = SLOW_FOR_MIN.max(delay * 2);
    let (mut reads, mut growth, since) = (Vec::new(), 0, Instant::now());
    while since.elapsed() < slow_for {
        let begin = Instant::now();
        bench.read_first().await.map_err(failed)?;
        let took = begin.elapsed();
        if took > READ_MAX {
            return Err(format!("a read of what is in memory took {took:?}"));
        }
        reads.push(took);
        growth = growth.max(resident(&broker)?.saturating_sub(before));
        pause(Duration::from_millis(5)).await;
    }
    disk.delay(Duration::ZERO);
    bench.fault("healed");
    if growth > GROWTH_BYTES_MAX {
        return Err(format!("memory grew by {} MiB", growth >> 20));
    }
    load.stop().await;
    bench.read_whole().await.map_err(failed)?;
    broker.drain().await?;
    Ok(Round { reads, growth })
}

/// Bytes of the process in memory.
fn resident(broker: &Broker) -> Result<u64, String> {
    let path = format!("/proc/{}/statm", broker.id());
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    let pages = text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    pages
        .map(|pages| pages * 4096)
        .ok_or_else(|| format!("{path}: {text}"))
}
