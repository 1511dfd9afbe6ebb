//! The lives of one node, and the last look at its disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use corelog_base::{CoreId, Random};
use corelog_log::{Log, NoCheckpoints};
use corelog_rt::{Runtime, Shared, oneshot, timeout};
use corelog_sim::{Host, Sim, SimRuntime, Site};

use super::boot::{Kit, boot};
use super::model::Model;
use super::reader::{Disk, Reader};
use super::writer::{Writer, config};
use crate::placement::{owner, small_options};

/// What a seed did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub trace_hash: u64,
    pub acknowledged: u64,
    pub kills: u32,
    pub power_losses: u32,
    pub closes: u32,
    /// Logs that stopped because of a disk's error.
    pub fenced: u64,
    /// Reads that named damage.
    pub damaged: u64,
    /// Went around the journal.
    pub bulk_bytes: u64,
    /// The operation of the setting failed.
    pub has_broken: bool,
}

/// How a run differs from the usual.
#[derive(Clone, Default)]
pub struct Setting {
    /// A disk that forgets flushes: power loss takes what was acknowledged. To be caught.
    pub forgets_flushes: bool,
    /// Bits of segments flip before the last look: each read is right, or names the damage.
    pub rots: bool,
    /// An operation that fails once, at its n-th time.
    pub breaks: Option<(Site, u64)>,
}

/// How often a seed asks the disk for what, and where in the code. None of it fails.
pub fn sites(seed: u64) -> BTreeMap<Site, u64> {
    run_on(seed, &Setting::default()).1
}

fn kit() -> Kit {
    Kit {
        options: small_options(),
        config: config(),
        checkpoints: |_| Box::new(NoCheckpoints),
    }
}

/// Runs one seed.
///
/// # Panics
/// If the property does not hold.
pub fn run(seed: u64, setting: &Setting) -> Report {
    run_on(seed, setting).0
}

fn run_on(seed: u64, setting: &Setting) -> (Report, BTreeMap<Site, u64>) {
    let sim = Sim::new(seed, corelog_sim::Options::default());
    let (driver, host) = (sim.add_host(), sim.add_host());
    host.disk(|disk| {
        disk.faults.forgets_flushes = setting.forgets_flushes;
        disk.faults.breaks = setting.breaks;
    });
    let random = sim.fork_random();
    let node = Node {
        driver: driver.runtime(CoreId(0)),
        host: host.clone(),
        model: Shared::new(Model::default()),
        rots: setting.rots,
        report: Report::default(),
        random,
    };
    let mut report = sim.block_on(&driver, node.live());
    let (has_broken, sites) = host.disk(|disk| (disk.has_broken, disk.sites.clone()));
    report.has_broken = has_broken;
    sim.shut_down();
    report.trace_hash = sim.trace_hash();
    (report, sites)
}

struct Node {
    driver: SimRuntime,
    host: Host,
    model: Shared<Model>,
    rots: bool,
    report: Report,
    random: Random,
}

impl Node {
    async fn live(mut self) -> Report {
        let rounds = 3 + self.random.below(5);
        let mut cores = 1;
        for _ in 0..rounds {
            if self.random.chance(300) {
                cores = 1 + self.random.below(3) as u16;
            }
            self.set_faults();
            self.round(cores).await;
        }
        self.host.disk(|disk| {
            disk.faults.slowness = 1;
            disk.is_past_breaking = true;
            disk.faults.breaks = None;
        });
        self.clear_faults();
        let logs = self
            .start(cores, None)
            .await
            .expect("the last start is not disturbed");
        let disk = match self.rots {
            true => self.rot(),
            false => Disk::Sound,
        };
        self.check_all(&logs, disk).await;
        self.report.damaged = self.model.with(|model| model.damaged);
        self.report.acknowledged = self.model.with(|model| model.acknowledged);
        self.report.fenced = self.model.with(|model| model.fenced);
        self.report
    }

    /// Some lives have a slow disk, some one that fails, some one that is nearly full.
    fn set_faults(&mut self) {
        let random = &mut self.random;
        let slowness = if random.chance(100) {
            1 + random.below(50) as u32
        } else {
            1
        };
        let failing = random.chance(100);
        let ppm = [100, 1000, 20_000][random.below(3) as usize];
        let which = random.below(3);
        self.host.disk(|disk| {
            disk.faults.slowness = slowness;
            if failing {
                disk.faults.read_errors_ppm = if which == 0 { ppm } else { 0 };
                disk.faults.write_errors_ppm = if which == 1 { ppm } else { 0 };
                disk.faults.flush_errors_ppm = if which == 2 { ppm } else { 0 };
            }
        });
    }

    fn clear_faults(&mut self) {
        self.host.disk(|disk| {
            disk.faults.read_errors_ppm = 0;
            disk.faults.write_errors_ppm = 0;
            disk.faults.flush_errors_ppm = 0;
        });
    }

    /// One life of the node: it starts, works, and ends in one of several ways.
    async fn round(&mut self, cores: u16) {
        let cut_short = self.random.chance(250).then(|| {
            let us = self.random.below(30_000);
            Duration::from_micros(us)
        });
        let logs = self.start(cores, cut_short).await;
        if let Some(logs) = &logs {
            if self.random.chance(300) && !self.is_faulty() {
                self.check_all(logs, Disk::Sound).await;
            }
            self.work(logs);
            let ms = 1 + self.random.below(400);
            self.driver.sleep(Duration::from_millis(ms)).await;
            let bulk = logs.iter().map(|log| log.core_stats().bulk_bytes_written);
            self.report.bulk_bytes += bulk.sum::<u64>();
            let is_fenced = logs.iter().any(|log| log.core_stats().fenced);
            assert!(
                !is_fenced || self.is_faulty(),
                "a sound disk fences nothing"
            );
        }
        self.clear_faults();
        match self.random.below(10) {
            0..=1 if logs.is_some() => {
                self.close(&logs.unwrap_or_default()).await;
            }
            2..=4 => self.kill(),
            _ => self.lose_power(),
        }
    }

    fn is_faulty(&self) -> bool {
        self.host.disk(|disk| {
            let faults = &disk.faults;
            let ppm = faults.read_errors_ppm + faults.write_errors_ppm + faults.flush_errors_ppm;
            ppm > 0 || faults.breaks.is_some()
        })
    }

    /// Flips one bit in about half of the segments.
    fn rot(&mut self) -> Disk {
        let random = &mut self.random;
        self.host.disk(|disk| {
            let is_segment = |path: &Path| path.extension().is_some_and(|e| e == "log");
            for (path, bytes) in disk.files() {
                if is_segment(&path) && bytes > 0 && random.chance(500) {
                    let (position, bit) = (random.below(bytes), random.below(8));
                    disk.flip(&path, position, 1 << bit);
                }
            }
        });
        Disk::Rotten
    }

    fn kill(&mut self) {
        self.report.kills += 1;
        self.host.kill();
    }

    fn lose_power(&mut self) {
        self.report.power_losses += 1;
        self.host.power_loss();
    }

    /// None if the node was cut short, or could not start for the disk's faults.
    async fn start(
        &mut self,
        cores: u16,
        cut_short: Option<Duration>,
    ) -> Option<Vec<Log<SimRuntime>>> {
        let rt = self.host.runtime(CoreId(0));
        let (tx, rx) = oneshot();
        let booting = boot(rt.clone(), cores, kit(), self.model.clone());
        rt.spawn(async move {
            // The driver may have given up.
            let _ = tx.send(booting.await);
        });
        let limit = cut_short.unwrap_or(Duration::from_secs(600));
        match timeout(&self.driver, limit, rx).await {
            Ok(Some(Ok(logs))) => Some(logs),
            Ok(Some(Err(error))) => {
                assert!(self.is_faulty(), "start: {error}");
                None
            }
            Ok(None) => panic!("the boot was dropped"),
            Err(_) => {
                assert!(cut_short.is_some(), "the start hangs");
                None
            }
        }
    }

    fn work(&mut self, logs: &[Log<SimRuntime>]) {
        for (core, log) in (0..).map(CoreId).zip(logs) {
            let rt = self.host.runtime(core);
            let writer = Writer {
                rt: rt.clone(),
                log: log.clone(),
                cores: logs.len() as u16,
                model: self.model.clone(),
            };
            let (one, two) = (self.random.next_u64(), self.random.next_u64());
            rt.spawn(writer.clone().pump(Random::new(one)));
            rt.spawn(writer.work(Random::new(two)));
        }
    }

    /// On each group's own core.
    async fn check_all(&self, logs: &[Log<SimRuntime>], disk: Disk) {
        let groups: Vec<_> = self
            .model
            .with(|model| model.groups.keys().copied().collect());
        for id in groups {
            let core = owner(id, logs.len() as u16);
            let log = logs[usize::from(core.0)].clone();
            let reader = Reader::new(log, id, self.model.clone());
            let (tx, rx) = oneshot();
            self.host.runtime(core).spawn(async move {
                reader.check_all(disk).await;
                // The driver waits for it.
                let _ = tx.send(());
            });
            let checked = timeout(&self.driver, Duration::from_secs(600), rx).await;
            assert_eq!(checked, Ok(Some(())), "reading {id:?} hangs");
        }
    }

    /// In order; then the process ends, and sometimes the power.
    async fn close(&mut self, logs: &[Log<SimRuntime>]) {
        for (core, log) in (0..).map(CoreId).zip(logs) {
            let (tx, rx) = oneshot();
            let log = log.clone();
            self.host.runtime(core).spawn(async move {
                // The driver waits for it.
                let _ = tx.send(log.close().await);
            });
            let closed = timeout(&self.driver, Duration::from_secs(600), rx).await;
            assert!(matches!(closed, Ok(Some(_))), "closing hangs");
        }
        self.report.closes += 1;
        match self.random.chance(500) {
            true => self.host.kill(),
            false => self.host.power_loss(),
        }
    }
}
