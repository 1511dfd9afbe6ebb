//! The lives of one node whose groups are compacted.

use std::time::Duration;

use corelog_base::{CoreId, GroupId, Random};
use corelog_log::{BulkOptions, CompactionConfig, GroupConfig, Log, Options};
use corelog_rt::{Runtime, Shared, oneshot, timeout};
use corelog_sim::{Host, Sim, SimRuntime};

use super::checker::Checker;
use super::facts::Told;
use super::writer::Writer;
use crate::log::boot::{Kit, boot};
use crate::log::model::Model;
use crate::placement::small_options;

const GROUPS: u64 = 2;
const PATIENCE: Duration = Duration::from_secs(600);

/// What a seed did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub trace_hash: u64,
    pub acknowledged: u64,
    pub kills: u32,
    pub power_losses: u32,
    /// Passes of compaction that came to their end.
    pub passes: u64,
    pub given_up: u64,
    /// Records that were gone in the end.
    pub removed: u64,
}

/// How a run differs from the usual.
#[derive(Clone, Copy, Default)]
pub struct Setting {
    /// No life ends by a power loss: for what a process alone must survive.
    pub keeps_power: bool,
}

fn options(random: &mut Random) -> Options {
    let small = small_options();
    Options {
        tail_cache_bytes_max: [0, 16 << 10, 256 << 10][random.below(3) as usize],
        settle_bytes: 4 << 10,
        bulk: BulkOptions {
            bytes_ahead_min: 16 << 10,
            ..small.bulk
        },
        // Some hold a handful of keys: then a pass ends within a segment.
        compaction_bytes_max: [1 << 10, 64 << 10][random.below(2) as usize],
        ..small
    }
}

fn config(random: &mut Random) -> GroupConfig {
    let ms =
        |random: &mut Random, of: [u64; 3]| Duration::from_millis(of[random.below(3) as usize]);
    GroupConfig {
        segment_bytes_max: [6 << 10, 12 << 10, 24 << 10][random.below(3) as usize],
        retention_age: None,
        compaction: Some(CompactionConfig {
            lag_min: ms(random, [0, 0, 50]),
            lag_max: random.chance(300).then(|| ms(random, [10, 50, 200])),
            dirty_ppm_min: [0, 200_000, 500_000][random.below(3) as usize],
            delete_retention: ms(random, [0, 30, 3_600_000]),
        }),
        ..GroupConfig::default()
    }
}

/// Runs one seed.
///
/// # Panics
/// If the property does not hold.
pub fn run(seed: u64, setting: &Setting) -> Report {
    let sim = Sim::new(seed, corelog_sim::Options::default());
    let (driver, host) = (sim.add_host(), sim.add_host());
    let mut random = sim.fork_random();
    let kit = Kit {
        options: options(&mut random),
        config: config(&mut random),
        checkpoints: |model| Box::new(Told(model)),
    };
    let node = Node {
        driver: driver.runtime(CoreId(0)),
        host: host.clone(),
        model: Shared::new(Model::default()),
        keys: 2 + random.below(30),
        kit,
        setting: *setting,
        report: Report::default(),
        random,
    };
    let mut report = sim.block_on(&driver, node.live());
    sim.shut_down();
    report.trace_hash = sim.trace_hash();
    report
}

struct Node {
    driver: SimRuntime,
    host: Host,
    model: Shared<Model>,
    keys: u64,
    kit: Kit,
    setting: Setting,
    report: Report,
    random: Random,
}

impl Node {
    async fn live(mut self) -> Report {
        self.model.with(|model| {
            for _ in 0..GROUPS {
                model.add_group();
            }
        });
        for _ in 0..3 + self.random.below(4) {
            self.round().await;
        }
        let log = self.start(None).await.expect("it is not cut short");
        self.check_all(&log).await;
        self.compact_all(&log).await;
        self.check_all(&log).await;
        self.check_compacted(&log).await;
        self.report.acknowledged = self.model.with(|model| model.acknowledged);
        self.report
    }

    /// One life of the node: it starts, works, and ends in one of several ways.
    async fn round(&mut self) {
        let cut_short = self.random.chance(150).then(|| {
            let us = self.random.below(20_000);
            Duration::from_micros(us)
        });
        if let Some(log) = self.start(cut_short).await {
            self.check_all(&log).await;
            self.work(&log);
            let ms = 1 + self.random.below(150);
            self.driver.sleep(Duration::from_millis(ms)).await;
            let stats = log.core_stats();
            assert!(!stats.fenced, "a sound disk fences nothing");
            self.report.passes += stats.compaction.passes;
            self.report.given_up += stats.compaction.given_up;
        }
        if self.setting.keeps_power || self.random.chance(350) {
            self.report.kills += 1;
            self.host.kill();
        } else {
            self.report.power_losses += 1;
            self.host.power_loss();
        }
    }

    async fn start(&mut self, cut_short: Option<Duration>) -> Option<Log<SimRuntime>> {
        let rt = self.host.runtime(CoreId(0));
        let (tx, rx) = oneshot();
        let booting = boot(rt.clone(), 1, self.kit.clone(), self.model.clone());
        rt.spawn(async move {
            // The driver may have given up.
            let _ = tx.send(booting.await);
        });
        match timeout(&self.driver, cut_short.unwrap_or(PATIENCE), rx).await {
            Ok(Some(Ok(logs))) => logs.into_iter().next(),
            Ok(Some(Err(error))) => panic!("start: {error}"),
            Ok(None) => panic!("the boot was dropped"),
            Err(_) => {
                assert!(cut_short.is_some(), "the start hangs");
                None
            }
        }
    }

    fn writer(&self, log: &Log<SimRuntime>) -> Writer {
        Writer {
            rt: self.host.runtime(CoreId(0)),
            log: log.clone(),
            model: self.model.clone(),
            keys: self.keys,
        }
    }

    fn work(&mut self, log: &Log<SimRuntime>) {
        let (rt, writer) = (self.host.runtime(CoreId(0)), self.writer(log));
        let (one, two) = (self.random.next_u64(), self.random.next_u64());
        rt.spawn(writer.clone().pump());
        rt.spawn(writer.clone().compact(Random::new(one)));
        rt.spawn(writer.work(Random::new(two)));
    }

    /// Runs something on the node's core and waits for it.
    async fn on_core<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> T {
        let (tx, rx) = oneshot();
        self.host.runtime(CoreId(0)).spawn(async move {
            // The driver waits for it.
            let _ = tx.send(task.await);
        });
        let done = timeout(&self.driver, PATIENCE, rx).await;
        done.ok().flatten().expect("it hangs")
    }

    fn groups(&self) -> Vec<GroupId> {
        self.model
            .with(|model| model.groups.keys().copied().collect())
    }

    async fn check_all(&mut self, log: &Log<SimRuntime>) {
        for id in self.groups() {
            let checker = Checker::new(log.clone(), id, self.model.clone());
            let mut random = Random::new(self.random.next_u64());
            self.on_core(async move { checker.check_all(&mut random).await })
                .await;
        }
    }

    async fn check_compacted(&mut self, log: &Log<SimRuntime>) {
        for id in self.groups() {
            let checker = Checker::new(log.clone(), id, self.model.clone());
            let checked = self.on_core(async move { checker.check_compacted().await });
            self.report.removed += checked.await;
        }
    }

    /// Until it has nothing to do: of everything, without waiting.
    async fn compact_all(&mut self, log: &Log<SimRuntime>) {
        for id in self.groups() {
            let mut config = self.kit.config.clone();
            if let Some(compaction) = &mut config.compaction {
                compaction.lag_min = Duration::ZERO;
                compaction.dirty_ppm_min = 0;
            }
            log.configure(id, config);
        }
        let writer = self.writer(log);
        let mut quiet = 0;
        let mut passes = log.core_stats().compaction.passes;
        while quiet < 5 {
            let asking = writer.clone();
            self.on_core(async move { asking.ask_for_compaction() })
                .await;
            self.driver.sleep(Duration::from_millis(200)).await;
            let stats = log.core_stats().compaction;
            quiet = if stats.passes == passes { quiet + 1 } else { 0 };
            passes = stats.passes;
            assert_eq!(stats.given_up, 0, "nothing is in the way");
            assert!(passes < 5_000, "compaction comes to no end");
        }
        self.report.passes += passes;
    }
}
