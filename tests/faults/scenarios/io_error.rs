//! Row 8: one request of the disk fails with EIO: a write of a journal frame, of a map, any other
//! write, a flush, a read.
//!
//! Fault model: the error comes from the block device, once; the file system above it is ext4 and
//! may turn itself read-only. Afterwards the disk is sound: the file system is checked and mounted
//! again, and the broker is started on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fuse::{Disk, NAME, TARGETS, Target};
use crate::mount::{self, Inodes, Mount};
use crate::{Acks, Bench, Run, STYLES, Setup, Style, pause};

const DISK_BYTES: u64 = 192 << 20;
/// How long a request of the kind is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// # Errors
/// What keeps the scenario from being run.
pub async fn io_error(run: &mut Run) -> Result<(), String> {
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    while run.outcome.rounds < run.plan.rounds {
        let number = run.outcome.rounds;
        let target = TARGETS[usize::try_from(number).unwrap_or(0) % TARGETS.len()];
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
        let round = Round {
            disk,
            file: served.join(NAME),
            target,
        };
        let ended = round.run(run, number).await;
        let what = match ended {
            Ok(what) => what,
            Err(why) => {
                run.fail(format!("round {number}, {target:?}: {why}"));
                "WRONG"
            }
        };
        // A new one each time: a process that has just been killed may hold the last one.
        let _ = std::fs::remove_file(&image);
        *hits.entry(format!("{target:?} {what}")).or_default() += 1;
        run.round(|| format!("{target:?}: {what}"));
    }
    run.note("ends", format!("{hits:?}"));
    Ok(())
}

struct Round {
    disk: Disk,
    file: PathBuf,
    target: Target,
}

impl Round {
    async fn run(self, run: &mut Run, number: u64) -> Result<&'static str, String> {
        let folder = run.plan.dir.join(format!("disk-{number}"));
        let mounted = Mount::of(&self.file, &folder)?;
        let mut setup = run.setup()?;
        setup.data = folder.join("data");
        setup.settings = vec![
            ("log.journal_file_bytes", "1MiB".to_owned()),
            ("log.disk_reserve_bytes", "16MiB".to_owned()),
            ("log.unsettled_bytes", "8MiB".to_owned()),
            // So that reads reach the disk.
            ("log.tail_cache_bytes", "0".to_owned()),
            ("log.block_cache_bytes", "1MiB".to_owned()),
        ];
        let bench = run.bench(&setup, 3)?;
        let outcome = self.fail_once(run, &setup, &bench).await;
        // Whatever was found, the disk is sound again, and everything must be there.
        self.disk.heal();
        drop(mounted);
        let what = match outcome {
            Ok(what) => what,
            Err(why) => {
                run.close(&bench);
                return Err(why);
            }
        };
        check_file_system(&self.file)?;
        let again = run.plan.dir.join(format!("again-{number}"));
        let mounted = Mount::of(&self.file, &again)?;
        setup.data = again.join("data");
        let (broker, took) = setup.serve().await?;
        run.outcome.recoveries.push(took);
        let read = bench.read_whole().await;
        let written = bench.write(Style::Once(Acks::All), 1, 1).await;
        broker.kill();
        drop(mounted);
        run.close(&bench);
        read.map_err(|e| format!("read everything after a restart: {e}"))?;
        match written {
            Ok(1) => Ok(what),
            other => Err(format!("write after a restart: {other:?}")),
        }
    }

    /// Load, one failure, and what came of it.
    async fn fail_once(
        &self,
        run: &mut Run,
        setup: &Setup,
        bench: &Bench,
    ) -> Result<&'static str, String> {
        let failed = |e: corelog_client::Error| e.to_string();
        let (mut broker, _) = setup.serve().await?;
        let segment = [("segment.bytes", "1048576")];
        bench.create_topic(&segment).await.map_err(failed)?;
        bench
            .write(Style::Idempotent, 3000, 1)
            .await
            .map_err(failed)?;
        let load = bench.start(&STYLES[2..], 1, run.random.next_u64()).await;
        let load = load.map_err(failed)?;
        pause(run.between(Duration::ZERO, Duration::from_millis(200))).await;
        bench.fault(format!("{:?} fails", self.target));
        self.disk.arm(self.target, run.random.below(20));
        let since = Instant::now();
        while self.disk.failed() == 0 && since.elapsed() < PATIENCE {
            if self.target == Target::Read {
                // Its error is the reader's to see, and passes.
                let _ = bench.read_whole().await;
            }
            pause(Duration::from_millis(10)).await;
        }
        let hit = self.disk.failed() > 0;
        pause(Duration::from_millis(200)).await;
        let written = bench.write(Style::Once(Acks::All), 1, 1).await;
        let running = broker.is_running();
        // The end of the load is written down with the broker up or down.
        load.stop().await;
        let what = match (hit, running, written) {
            (false, ..) => "not reached",
            (true, false, _) => "process ended",
            (true, true, Ok(1)) => "went on",
            (true, true, _) => "fenced",
        };
        if what == "went on" && matches!(self.target, Target::JournalWrite) {
            return Err("a failed write of the journal was passed over".to_owned());
        }
        if what == "fenced" {
            let read = bench.read_whole().await;
            read.map_err(|e| format!("read from a fenced broker: {e}"))?;
        }
        broker.kill();
        Ok(what)
    }
}

/// After an error ext4 wants to be looked at.
fn check_file_system(file: &Path) -> Result<(), String> {
    let checked = Command::new("e2fsck").args(["-f", "-y"]).arg(file).output();
    let checked = checked.map_err(|e| format!("e2fsck: {e}"))?;
    // 1: it has mended something.
    match checked.status.code() {
        Some(0 | 1) => Ok(()),
        code => Err(format!(
            "e2fsck ended with {code:?}: {}",
            String::from_utf8_lossy(&checked.stdout)
        )),
    }
}
