//! A machine: it starts, it is killed, its power fails.

use std::future::Future;
use std::time::Duration;

use corelog_base::CoreId;

use crate::disk::Disk;
use crate::executor::Sim;
use crate::request::End;
use crate::runtime::SimRuntime;

/// A machine with cores, one disk, and an address. Clones are the same machine.
#[derive(Clone)]
pub struct Host {
    sim: Sim,
    index: usize,
}

impl Host {
    pub(crate) fn new(sim: Sim, index: usize) -> Self {
        Self { sim, index }
    }

    /// The host's number, by the order in which hosts were added; as [`crate::Links`] names it.
    pub fn index(&self) -> usize {
        self.index
    }

    /// A core of the process that runs now. After a crash a new one is needed: what is spawned on
    /// the old one is dropped, and its operations never end.
    pub fn runtime(&self, core: CoreId) -> SimRuntime {
        self.sim.runtime(self.index, core)
    }

    /// Starts `main` on each of `cores` cores.
    pub fn start<Fut>(&self, cores: u16, main: impl Fn(SimRuntime) -> Fut)
    where
        Fut: Future<Output = ()> + 'static,
    {
        for core in (0..cores).map(CoreId) {
            let rt = self.runtime(core);
            rt.spawn_task(Box::pin(main(rt.clone())));
        }
    }

    /// Looks at the disk, to change its faults or its bits.
    pub fn disk<O>(&self, change: impl FnOnce(&mut Disk) -> O) -> O {
        self.sim
            .0
            .with(|world| change(&mut world.host(self.index).disk))
    }

    /// The process dies at once (SIGKILL); the operating system lives on.
    pub fn kill(&self) {
        self.end(End::Kill);
    }

    /// The machine loses its power.
    pub fn power_loss(&self) {
        self.end(End::PowerLoss);
    }

    fn end(&self, end: End) {
        let gone = self.sim.0.with(|world| {
            let host = &mut world.hosts[self.index];
            host.life += 1;
            host.descriptors_gone = false;
            let listeners = std::mem::take(&mut host.listeners);
            let underway = std::mem::take(&mut host.underway);
            for operation in underway.values() {
                operation.interrupt(&mut host.disk, &mut world.random);
            }
            if end == End::PowerLoss {
                host.disk.power_loss(&mut world.random);
            }
            world.trace(self.index as u64);
            (world.take_host_tasks(self.index), underway, listeners)
        });
        // Outside: what is dropped may look at the world.
        drop(gone);
    }

    /// Ends one core in order: its tasks are dropped, and what they spawn meanwhile.
    pub fn stop_core(&self, core: CoreId) {
        let index = self.sim.0.with(|world| {
            let index = world.core(self.index, core);
            world.cores[index].stopped = true;
            index
        });
        drop(self.sim.0.with(|world| world.take_tasks(index)));
    }

    /// All cores stand still for a while (SIGSTOP, a hypervisor that is busy).
    pub fn pause(&self, duration: Duration) {
        self.sim.0.with(|world| world.pause(self.index, duration));
    }

    /// Sets this host's wall clock apart from simulated time, in milliseconds.
    pub fn set_wall_skew(&self, skew_ms: i64) {
        self.sim
            .0
            .with(|world| world.host(self.index).wall_skew_ms = skew_ms);
    }

    /// With true, connect, listen and accept fail with EMFILE.
    pub fn exhaust_descriptors(&self, gone: bool) {
        self.sim
            .0
            .with(|world| world.host(self.index).descriptors_gone = gone);
    }
}
