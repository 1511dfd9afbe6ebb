//! The world as its driver sees it: hosts, links, and a loop that runs until something is true.

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corelog_base::{CoreId, Monotonic, Random};
use corelog_rt::{Shared, oneshot};

use crate::host::Host;
use crate::links::Links;
use crate::runtime::SimRuntime;
use crate::world::{Event, Next, Options, World};

/// One simulation. Clones share it.
#[derive(Clone)]
pub struct Sim(pub(crate) Shared<World>);

impl Sim {
    pub fn new(seed: u64, options: Options) -> Self {
        Self(Shared::new(World::new(seed, options)))
    }

    /// Adds a machine with an empty disk. The first one has the address 10.0.0.1, and so on.
    pub fn add_host(&self) -> Host {
        let index = self.0.with(World::add_host);
        Host::new(self.clone(), index)
    }

    /// Looks at the links between hosts, to change them.
    pub fn links<O>(&self, change: impl FnOnce(&mut Links) -> O) -> O {
        self.0.with(|world| change(&mut world.links))
    }

    pub fn now(&self) -> Monotonic {
        self.0.with(|world| world.now)
    }

    /// A generator of its own, seeded from this simulation's.
    pub fn fork_random(&self) -> Random {
        self.0.with(|world| Random::new(world.random.next_u64()))
    }

    /// Two runs with the same hash took the same steps in the same order at the same times, and
    /// wrote the same bytes.
    pub fn trace_hash(&self) -> u64 {
        self.0.with(|world| world.hash)
    }

    /// Mixes something that a test has observed into the trace hash.
    pub fn trace(&self, number: u64) {
        self.0.with(|world| world.trace(number));
    }

    /// Runs `main` on core 0 of a host until it ends, and everything else meanwhile.
    ///
    /// # Panics
    /// If a task panics; if nothing can happen any more and `main` has not ended; if a limit of
    /// [`Options`] is reached.
    pub fn block_on<T: 'static>(&self, host: &Host, main: impl Future<Output = T> + 'static) -> T {
        let (tx, mut rx) = oneshot();
        host.runtime(CoreId(0)).spawn_task(Box::pin(async move {
            let out = main.await;
            // The receiver is this call.
            let _ = tx.send(out);
        }));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match std::pin::Pin::new(&mut rx).poll(&mut context) {
                Poll::Ready(Some(out)) => return out,
                Poll::Ready(None) => panic!("the main task was killed"),
                Poll::Pending => assert!(self.step(), "deadlock: nothing will ever happen"),
            }
        }
    }

    /// Lets time pass, whatever happens in it.
    pub fn run_for(&self, duration: Duration) {
        let end = self.now() + duration;
        while self.now() < end {
            if !self.step() {
                self.0.with(|world| world.now = end);
            }
        }
    }

    /// One poll or one event. False if there is none.
    pub fn step(&self) -> bool {
        match self.0.with(World::next) {
            Next::Nothing => return false,
            Next::Fire(event) => self.fire(event),
            Next::Poll {
                task,
                mut future,
                waker,
            } => {
                waker.will_run();
                let waker = Waker::from(waker);
                let mut context = Context::from_waker(&waker);
                let done = future.as_mut().poll(&mut context).is_ready();
                // The task may have been killed by what it did.
                let rest = self.0.with(|world| match world.tasks.get_mut(&task) {
                    Some(_) if done => (world.tasks.remove(&task), Some(future)),
                    Some(cell) => {
                        cell.future = Some(future);
                        (None, None)
                    }
                    None => (None, Some(future)),
                });
                drop(rest);
            }
        }
        self.0.with(|world| world.assert_alive());
        true
    }

    fn fire(&self, event: Event) {
        match event {
            Event::Wake(waker) => waker.wake(),
            Event::Call(call) => call(self),
            Event::Disk { host, operation } => self.complete(host, operation),
            Event::Resume => {}
        }
    }

    /// A core of a host in its present life.
    pub(crate) fn runtime(&self, host: usize, core: CoreId) -> SimRuntime {
        let (life, index) = self.0.with(|world| {
            let index = world.core(host, core);
            (world.host(host).life, index)
        });
        SimRuntime {
            sim: self.clone(),
            host,
            core,
            life,
            index,
        }
    }

    /// Ends the simulation: every task of every host is dropped, and then what is to happen and
    /// what the disks hold. Whoever still has a runtime of it keeps an empty world alive.
    pub fn shut_down(&self) {
        loop {
            let gone = self.0.with(|world| {
                for host in &mut world.hosts {
                    host.life += 1;
                }
                let hosts = 0..world.hosts.len();
                let gone = hosts.map(|host| {
                    let listeners = std::mem::take(&mut world.hosts[host].listeners);
                    (world.take_host_tasks(host), listeners)
                });
                gone.collect::<Vec<_>>()
            });
            if gone
                .iter()
                .all(|(tasks, listeners)| tasks.is_empty() && listeners.is_empty())
            {
                break;
            }
        }
        let rest = self.0.with(World::take_rest);
        drop(rest);
    }
}
