//! The threads of the cores: started together or not at all, watched, joined.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use corelog_base::CoreId;

/// One core of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CorePlan {
    pub core: CoreId,
    /// The CPU that its thread is pinned to; None leaves it to the scheduler.
    pub cpu: Option<usize>,
}

/// How a core runs. The same for both runtimes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Never park: an idle core keeps polling, with a `sched_yield` in each idle turn. For hosts
    /// that run nothing else.
    pub spin: bool,
    /// How the ring makes a write durable. Glommio has only one way and does not look.
    pub commit: CommitMode,
}

/// How `File::commit` makes a write durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CommitMode {
    /// A write and an fdatasync behind it, linked, in one submission.
    #[default]
    LinkedFlush,
    /// One write with RWF_DSYNC.
    Dsync,
}

/// A counter for each core that moves with every turn of its loop, at least four times a second
/// while the core is alive. A watchdog that sees one stand still reports the core.
#[derive(Clone)]
pub struct Heartbeats(Arc<[(CoreId, Beat)]>);

impl Heartbeats {
    /// None for a core that does not exist.
    pub fn turns(&self, core: CoreId) -> Option<u64> {
        self.0
            .iter()
            .find(|(id, _)| *id == core)
            .map(|(_, beat)| beat.turns.load(Ordering::Relaxed))
    }

    pub fn cores(&self) -> impl Iterator<Item = CoreId> + '_ {
        self.0.iter().map(|(core, _)| *core)
    }
}

/// Apart from its neighbours by two cache lines, so that no core slows another by counting.
#[repr(align(128))]
#[derive(Default)]
struct Beat {
    turns: AtomicU64,
}

/// A core's own end of its heartbeat.
pub(crate) struct Pulse {
    beats: Heartbeats,
    place: usize,
}

impl Pulse {
    /// Called by the core alone, so that a load and a store are enough.
    pub(crate) fn beat(&self) {
        if let Some((_, beat)) = self.beats.0.get(self.place) {
            let turns = beat.turns.load(Ordering::Relaxed);
            beat.turns.store(turns.wrapping_add(1), Ordering::Relaxed);
        }
    }
}

/// Cores that run.
pub struct Cores {
    threads: Vec<JoinHandle<()>>,
    beats: Heartbeats,
}

impl Cores {
    /// Waits until the main future of every core has ended and its runtime has shut down.
    pub fn join(self) {
        for thread in self.threads {
            let ended = thread.join();
            assert!(ended.is_ok(), "a panic of a core ends the process");
        }
    }

    /// The last turn of a core; see [`Heartbeats`].
    pub fn heartbeat(&self, core: CoreId) -> Option<u64> {
        self.beats.turns(core)
    }

    /// A handle for a watchdog on another thread.
    pub fn heartbeats(&self) -> Heartbeats {
        self.beats.clone()
    }
}

/// What a core's thread uses to say whether it could be set up.
pub(crate) struct Ready {
    report: mpsc::Sender<io::Result<()>>,
    go: mpsc::Receiver<()>,
}

impl Ready {
    /// Reports and waits for the other cores. False if one of them failed: then nobody runs.
    pub(crate) fn up(self) -> bool {
        // A starter that is gone means the same as a refusal.
        let _ = self.report.send(Ok(()));
        drop(self.report);
        self.go.recv().is_ok()
    }

    pub(crate) fn failed(self, error: io::Error) {
        let _ = self.report.send(Err(error));
    }
}

/// Starts a thread for each plan. `body` sets its core up, calls [`Ready::up`] or
/// [`Ready::failed`], and runs until its main future has ended.
///
/// # Errors
/// The first failure of a core; the other cores have ended again.
pub(crate) fn launch<B>(plans: Vec<CorePlan>, body: B) -> io::Result<Cores>
where
    B: Fn(CorePlan, Ready, Pulse) + Send + Sync + 'static,
{
    let body = Arc::new(body);
    let beats = Heartbeats(plans.iter().map(|p| (p.core, Beat::default())).collect());
    let (report, reports) = mpsc::channel();
    let mut threads = Vec::new();
    let mut gates = Vec::new();
    for (place, plan) in plans.into_iter().enumerate() {
        let (open, go) = mpsc::channel();
        let ready = Ready {
            report: report.clone(),
            go,
        };
        let pulse = Pulse {
            beats: beats.clone(),
            place,
        };
        let body = Arc::clone(&body);
        let thread = std::thread::Builder::new()
            .name(format!("core-{}", plan.core))
            .spawn(move || {
                let ended = catch_unwind(AssertUnwindSafe(|| body(plan, ready, pulse)));
                if ended.is_err() {
                    die(plan.core);
                }
            })?;
        threads.push(thread);
        gates.push(open);
    }
    drop(report);
    let outcome: io::Result<Vec<()>> = reports.iter().collect();
    match outcome {
        Ok(_) => {
            for gate in gates {
                let _ = gate.send(());
            }
            Ok(Cores { threads, beats })
        }
        Err(error) => {
            drop(gates);
            Cores { threads, beats }.join();
            Err(error)
        }
    }
}

/// A panic that reaches the top of a core: a dead shard in a live process is the worst of all.
pub(crate) fn die(core: CoreId) -> ! {
    tracing::error!(core = core.0, "a panic on a core ends the process");
    eprintln!("corelog: a panic on core {core} ends the process");
    std::process::abort();
}

/// Pins the calling thread. A refusal (a container's CPU set) costs speed, not correctness.
pub(crate) fn pin(plan: CorePlan) {
    if let Some(cpu) = plan.cpu
        && !core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
    {
        tracing::warn!(
            core = plan.core.0,
            cpu,
            "the core could not be pinned to its CPU"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(count: u16) -> Vec<CorePlan> {
        (0..count)
            .map(|core| CorePlan {
                core: CoreId(core),
                cpu: None,
            })
            .collect()
    }

    #[test]
    fn one_failure_keeps_every_core_from_running() {
        let outcome = launch(plans(3), |plan, ready, _| {
            if plan.core == CoreId(1) {
                ready.failed(io::Error::other("no ring"));
            } else {
                assert!(!ready.up());
            }
        });
        assert_eq!(outcome.err().unwrap().to_string(), "no ring");
    }

    #[test]
    fn heartbeats_are_one_a_core() {
        let cores = launch(plans(2), |plan, ready, pulse| {
            assert!(ready.up());
            (0..=plan.core.0).for_each(|_| pulse.beat());
        })
        .unwrap();
        let beats = cores.heartbeats();
        cores.join();
        assert_eq!(beats.turns(CoreId(0)), Some(1));
        assert_eq!(beats.turns(CoreId(1)), Some(2));
        assert_eq!(beats.turns(CoreId(2)), None);
    }
}
