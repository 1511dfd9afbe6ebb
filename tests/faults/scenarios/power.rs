//! Row 3: power fails under the real stack: broker, io_uring, ext4, block layer.
//!
//! Fault model: the disk has what was written before the last flush that ended, and of what was
//! written since either the first few writes, or any of them, or any of their sectors of 512 bytes.
//! The disk is a file behind FUSE and a loop device, so every write and flush of the kernel is seen.
//! At the cut the disk stops to answer and the broker is killed before it answers again: nobody
//! can hear of anything that was written after. The file system of what is left is mounted, with its
//! own journal, and a broker is started on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fuse::{Disk, NAME, SURVIVORS, Survivors};
use crate::mount::{self, Inodes, Mount, check_unmended};
use crate::{Bench, Broker, Run, STYLES, Setup, pause};

const DISK_BYTES: u64 = 128 << 20;
/// Power losses of one file system.
const ROUNDS_OF_AN_EPOCH: u64 = 5;
const UNDER_LOAD_MAX: Duration = Duration::from_millis(500);
/// The cut waits until so many writes are unflushed, but not for ever: most of the time a single
/// one is.
const UNFLUSHED_MAX: u64 = 6;
const UNFLUSHED_WAIT: Duration = Duration::from_millis(100);
/// So many starts are cut off, too.
const AGAIN_PER_MILLE: u64 = 250;

/// # Errors
/// What keeps the scenario from being run.
pub async fn power(run: &mut Run) -> Result<(), String> {
    let mut tally = Tally::default();
    let mut stages = 0;
    while run.outcome.rounds < run.plan.rounds {
        let image = run.plan.dir.join("image");
        mount::make_image(&image, DISK_BYTES, Inodes::Plenty)?;
        let mut epoch = match Epoch::begin(run, image, &mut stages).await {
            Ok(epoch) => epoch,
            Err(Begin::Impossible(why)) => {
                run.outcome.skipped = Some(why);
                return Ok(());
            }
            Err(Begin::Failed(why)) => return Err(why),
        };
        for _ in 0..ROUNDS_OF_AN_EPOCH {
            if run.outcome.rounds == run.plan.rounds {
                break;
            }
            match epoch.round(run, &mut tally, &mut stages).await {
                Ok(next) => epoch = next,
                Err((what, bench)) => {
                    run.fail(what);
                    run.close(&bench);
                    run.round(String::new);
                    return Ok(());
                }
            }
            run.round(|| {
                format!(
                    "{} power losses, {} writes unflushed",
                    tally.cuts, tally.unflushed
                )
            });
        }
        epoch.end(run)?;
    }
    run.note("power losses", tally.cuts);
    run.note("of these in a start", tally.in_starts);
    run.note("unflushed writes", tally.unflushed);
    Ok(())
}

#[derive(Default)]
struct Tally {
    cuts: u64,
    in_starts: u64,
    unflushed: usize,
}

/// Why an epoch does not begin.
enum Begin {
    /// This machine has no FUSE or loop devices.
    Impossible(String),
    Failed(String),
}

/// A mounted disk.
struct Stage {
    mounted: Mount,
    disk: Disk,
    image: PathBuf,
    number: u64,
}

impl Stage {
    fn of(dir: &Path, image: PathBuf, number: &mut u64) -> Result<Self, String> {
        *number += 1;
        // Never the same folder twice: a process that has just been killed may hold the last one.
        let served = dir.join(format!("served-{number}"));
        std::fs::create_dir_all(&served).map_err(|e| e.to_string())?;
        let disk = Disk::serve(&image, &served)?;
        let mounted = Mount::of(&served.join(NAME), &dir.join(format!("disk-{number}")))?;
        Ok(Self {
            mounted,
            disk,
            image,
            number: *number,
        })
    }
}

/// A broker on a disk of its own.
struct Epoch {
    stage: Stage,
    setup: Setup,
    bench: Bench,
    broker: Broker,
}

impl Epoch {
    async fn begin(run: &mut Run, image: PathBuf, stages: &mut u64) -> Result<Self, Begin> {
        let stage = Stage::of(&run.plan.dir, image, stages).map_err(Begin::Impossible)?;
        let mut setup = run.setup().map_err(Begin::Failed)?;
        setup.data = stage.mounted.dir.join("data");
        setup.settings = vec![
            ("log.journal_file_bytes", "1MiB".to_owned()),
            ("log.disk_reserve_bytes", "16MiB".to_owned()),
            ("log.unsettled_bytes", "8MiB".to_owned()),
        ];
        let bench = run.bench(&setup, 3).map_err(Begin::Failed)?;
        let (broker, _) = setup.serve().await.map_err(Begin::Failed)?;
        let created = bench.create_topic(&[("segment.bytes", "1048576")]).await;
        created.map_err(|e| Begin::Failed(e.to_string()))?;
        Ok(Self {
            stage,
            setup,
            bench,
            broker,
        })
    }

    /// Load, a power loss, and a broker on what is left.
    async fn round(
        mut self,
        run: &mut Run,
        tally: &mut Tally,
        stages: &mut u64,
    ) -> Result<Self, (String, Bench)> {
        let bench = self.bench.clone();
        let load = bench.start(&STYLES, 1, run.random.next_u64()).await;
        let load = load.map_err(|e| (format!("start the load: {e}"), bench.clone()))?;
        pause(run.between(Duration::ZERO, UNDER_LOAD_MAX)).await;
        let failed = |what: String| (what, bench.clone());
        self.stage = self.cut(run, tally, stages).map_err(failed)?;
        while run.random.chance(AGAIN_PER_MILLE) {
            let started = self.setup.start();
            self.broker = started.map_err(|e| failed(format!("start: {e}")))?;
            pause(run.between(Duration::ZERO, Duration::from_millis(100))).await;
            self.stage = self.cut(run, tally, stages).map_err(failed)?;
            tally.in_starts += 1;
        }
        let (broker, took) = self.setup.serve().await.map_err(failed)?;
        run.outcome.recoveries.push(took);
        self.broker = broker;
        load.stop().await;
        let read = bench.read_whole().await;
        read.map_err(|e| failed(format!("read everything: {e}")))?;
        Ok(self)
    }

    /// Power fails; what is left is mounted.
    fn cut(&mut self, run: &mut Run, tally: &mut Tally, stages: &mut u64) -> Result<Stage, String> {
        let dir = run.plan.dir.clone();
        let left = dir.join(format!("left-{}", self.stage.number));
        let survivors = SURVIVORS[usize::try_from(run.random.below(3)).unwrap_or(0)];
        self.bench.fault(match survivors {
            Survivors::Prefix => "power: the first writes are left",
            Survivors::Any => "power: some writes are left",
            Survivors::Sectors => "power: some sectors are left",
        });
        let count = usize::try_from(1 + run.random.below(UNFLUSHED_MAX)).unwrap_or(1);
        let frozen = self.stage.disk.freeze(count, UNFLUSHED_WAIT);
        let unflushed = frozen.lose_power(&left, survivors, &mut run.random);
        let ceased = self.broker.cease();
        drop(frozen);
        ceased?;
        self.broker.wait();
        tally.unflushed += unflushed?;
        tally.cuts += 1;
        let next = Stage::of(&dir, left, stages)?;
        self.setup.data = next.mounted.dir.join("data");
        // It is held by nobody any more.
        let _ = std::fs::remove_file(&self.stage.image);
        Ok(next)
    }

    fn end(self, run: &mut Run) -> Result<(), String> {
        self.broker.kill();
        run.close(&self.bench);
        let Stage {
            mounted,
            disk,
            image,
            ..
        } = self.stage;
        drop(mounted);
        drop(disk);
        check_unmended(&image)?;
        std::fs::remove_file(&image).map_err(|e| format!("{}: {e}", image.display()))
    }
}
