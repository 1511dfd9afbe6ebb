//! Everything that one simulation is: the clock, what will happen, who is ready to run.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use corelog_base::{CoreId, Monotonic, Random};

use crate::disk::Disk;
use crate::executor::Sim;
use crate::links::Links;
use crate::listener::Backlog;
use crate::request::Underway;
use corelog_rt::Shared;

/// What a simulation is told beside its seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// A simulation that runs longer, in simulated time, has hung: it panics.
    pub time_max: Duration,
    /// As above, in polls of tasks and events.
    pub steps_max: u64,
    /// How often a core stands still for up to 1 ms, in a million polls.
    pub stalls_ppm: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            time_max: Duration::from_secs(24 * 3600),
            steps_max: 200_000_000,
            stalls_ppm: 500,
        }
    }
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;
/// When, and the order among those at the same time.
pub(crate) type EventKey = (Monotonic, u64);

pub(crate) enum Event {
    Wake(Waker),
    Call(Box<dyn FnOnce(&Sim)>),
    /// A disk operation of a host completes.
    Disk {
        host: usize,
        operation: u64,
    },
    /// A core that stood still goes on.
    Resume,
}

/// A task that is not being polled has its future here.
pub(crate) struct TaskCell {
    pub(crate) core: usize,
    pub(crate) future: Option<Task>,
    pub(crate) waker: Arc<TaskWaker>,
}

/// Tasks that were woken, in order. Wakers may be called anywhere, also by what lives in `flume`.
pub(crate) type Woken = Arc<Mutex<Vec<u64>>>;

pub(crate) struct TaskWaker {
    task: u64,
    queued: AtomicBool,
    woken: Woken,
}

impl TaskWaker {
    pub(crate) fn will_run(&self) {
        self.queued.store(false, Ordering::Relaxed);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            woken.push(self.task);
        }
    }
}

/// A core runs its ready tasks in rounds, in random order: each once, then those that were woken
/// meanwhile. A task that yields skips a round, so that every other one that is ready runs first.
#[derive(Default)]
pub(crate) struct Core {
    pub(crate) host: usize,
    pub(crate) id: CoreId,
    pub(crate) life: u64,
    pub(crate) stopped: bool,
    round: Vec<u64>,
    next: Vec<u64>,
    pub(crate) yields: Vec<Waker>,
    yields_due: Vec<Waker>,
    stalled_until: Monotonic,
}

impl Core {
    fn is_ready(&self, now: Monotonic) -> bool {
        let tasks = self.round.len() + self.next.len();
        let yields = self.yields.len() + self.yields_due.len();
        let work = tasks + yields > 0;
        work && self.stalled_until <= now
    }
}

pub(crate) struct HostState {
    pub(crate) life: u64,
    pub(crate) disk: Disk,
    /// Disk operations in flight, by number.
    pub(crate) underway: BTreeMap<u64, Underway>,
    pub(crate) wall_skew_ms: i64,
    pub(crate) descriptors_gone: bool,
    pub(crate) listeners: BTreeMap<u16, Vec<Shared<Backlog>>>,
    pub(crate) next_port: u16,
}

pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) random: Random,
    pub(crate) now: Monotonic,
    pub(crate) steps: u64,
    pub(crate) hash: u64,
    events: BTreeMap<EventKey, Event>,
    next_event: u64,
    pub(crate) tasks: BTreeMap<u64, TaskCell>,
    next_task: u64,
    pub(crate) cores: Vec<Core>,
    /// Those cores whose process lives.
    running: Vec<usize>,
    pub(crate) hosts: Vec<HostState>,
    pub(crate) links: Links,
    pub(crate) next_operation: u64,
    woken: Woken,
}

/// What happens next.
pub(crate) enum Next {
    Poll {
        task: u64,
        future: Task,
        waker: Arc<TaskWaker>,
    },
    Fire(Event),
    /// Nothing ever will, unless somebody outside does something.
    Nothing,
}

impl World {
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        Self {
            options,
            random: Random::new(seed),
            now: Monotonic(1_000_000),
            steps: 0,
            hash: seed,
            events: BTreeMap::new(),
            next_event: 0,
            tasks: BTreeMap::new(),
            next_task: 0,
            cores: Vec::new(),
            running: Vec::new(),
            hosts: Vec::new(),
            links: Links::default(),
            next_operation: 0,
            woken: Woken::default(),
        }
    }

    /// Mixes a number into the trace hash.
    pub(crate) fn trace(&mut self, number: u64) {
        let mixed = (self.hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.hash = mixed ^ (mixed >> 29);
    }

    pub(crate) fn add_host(&mut self) -> usize {
        self.hosts.push(HostState {
            life: 0,
            disk: Disk::default(),
            underway: BTreeMap::new(),
            wall_skew_ms: 0,
            descriptors_gone: false,
            listeners: BTreeMap::new(),
            next_port: 40_000,
        });
        self.hosts.len() - 1
    }

    pub(crate) fn host(&mut self, host: usize) -> &mut HostState {
        &mut self.hosts[host]
    }

    pub(crate) fn after(&mut self, delay: Duration, event: Event) -> EventKey {
        self.next_event += 1;
        let key = (self.now + delay, self.next_event);
        self.events.insert(key, event);
        key
    }

    pub(crate) fn at(&mut self, when: Monotonic, event: Event) -> EventKey {
        self.after(when.since(self.now), event)
    }

    /// The event, if it has not happened; the caller drops it outside.
    pub(crate) fn cancel(&mut self, key: EventKey) -> Option<Event> {
        self.events.remove(&key)
    }

    /// A random time, mostly near the least, now and then 20 times the most.
    pub(crate) fn latency(&mut self, least_us: u64, most_us: u64) -> Duration {
        let spread = most_us - least_us + 1;
        let mut us = least_us + self.random.below(spread).min(self.random.below(spread));
        if self.random.chance(10) {
            us += self.random.below(20 * most_us);
        }
        Duration::from_nanos(us * 1000 + self.random.below(1000))
    }

    /// The number of a core's present life, made at the first use.
    pub(crate) fn core(&mut self, host: usize, id: CoreId) -> usize {
        let life = self.hosts[host].life;
        let mut running = self.running.iter().copied();
        let found = running.find(|core| {
            let core = &self.cores[*core];
            core.host == host && core.id == id && core.life == life
        });
        found.unwrap_or_else(|| {
            self.cores.push(Core {
                host,
                id,
                life,
                ..Core::default()
            });
            self.running.push(self.cores.len() - 1);
            self.cores.len() - 1
        })
    }

    pub(crate) fn spawn(&mut self, core: usize, future: Task) {
        let task = self.next_task;
        self.next_task += 1;
        let waker = Arc::new(TaskWaker {
            task,
            queued: AtomicBool::new(false),
            woken: Arc::clone(&self.woken),
        });
        waker.wake_by_ref();
        let cell = TaskCell {
            core,
            future: Some(future),
            waker,
        };
        self.tasks.insert(task, cell);
    }

    /// The tasks of a core, taken out; the caller drops them outside.
    pub(crate) fn take_tasks(&mut self, core: usize) -> Vec<TaskCell> {
        let mine = self.tasks.iter().filter(|(_, cell)| cell.core == core);
        let gone: Vec<u64> = mine.map(|(task, _)| *task).collect();
        let cells = gone.iter().filter_map(|task| self.tasks.remove(task));
        cells.collect()
    }

    pub(crate) fn take_host_tasks(&mut self, host: usize) -> Vec<TaskCell> {
        let is_mine = |core: &usize| self.cores[*core].host == host;
        let mine: Vec<usize> = self.running.iter().copied().filter(is_mine).collect();
        self.running.retain(|core| !mine.contains(core));
        let cells = mine.iter().flat_map(|core| self.take_tasks(*core));
        cells.collect()
    }

    /// What would happen, and the disks with what is underway on them; the caller drops it outside.
    pub(crate) fn take_rest(&mut self) -> impl Sized + use<> {
        let events = std::mem::take(&mut self.events);
        let disks = self.hosts.iter_mut().map(|host| {
            let underway = std::mem::take(&mut host.underway);
            (std::mem::take(&mut host.disk), underway)
        });
        (events, disks.collect::<Vec<_>>())
    }

    pub(crate) fn pause(&mut self, host: usize, duration: Duration) {
        let until = self.now + duration;
        for core in self.cores.iter_mut().filter(|c| c.host == host) {
            core.stalled_until = core.stalled_until.max(until);
        }
        self.at(until, Event::Resume);
    }

    fn sort_woken(&mut self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        for task in woken.drain(..) {
            if let Some(cell) = self.tasks.get(&task) {
                self.cores[cell.core].next.push(task);
            }
        }
    }

    pub(crate) fn next(&mut self) -> Next {
        loop {
            self.sort_woken();
            self.steps += 1;
            if self
                .events
                .first_key_value()
                .is_some_and(|(key, _)| key.0 <= self.now)
                && let Some((key, event)) = self.events.pop_first()
            {
                self.trace(key.1 ^ self.now.0);
                return Next::Fire(event);
            }
            let ready = |core: &&usize| self.cores[**core].is_ready(self.now);
            let count = self.running.iter().filter(ready).count();
            if count == 0 {
                let Some((key, _)) = self.events.first_key_value() else {
                    return Next::Nothing;
                };
                self.now = key.0;
                continue;
            }
            let pick = self.random.below(count as u64) as usize;
            let found = self.running.iter().filter(ready).nth(pick).copied();
            if let Some(next) = found.and_then(|core| self.run(core)) {
                return next;
            }
        }
    }

    /// The next task of a core; None if there was none in this round after all.
    fn run(&mut self, at: usize) -> Option<Next> {
        self.now = Monotonic(self.now.0 + 100 + self.random.below(900));
        if self.random.below(1_000_000) < u64::from(self.options.stalls_ppm) {
            let until = self.now + Duration::from_micros(self.random.below(1000));
            self.cores[at].stalled_until = until;
            self.at(until, Event::Resume);
            return None;
        }
        let core = &mut self.cores[at];
        if core.round.is_empty() {
            for waker in core.yields_due.drain(..) {
                waker.wake();
            }
            core.yields_due = std::mem::take(&mut core.yields);
            core.round = std::mem::take(&mut core.next);
            for place in (1..core.round.len()).rev() {
                let other = self.random.below(place as u64 + 1) as usize;
                core.round.swap(place, other);
            }
        }
        let task = core.round.pop()?;
        let cell = self.tasks.get_mut(&task)?;
        let future = cell.future.take()?;
        let waker = Arc::clone(&cell.waker);
        self.trace(task ^ self.now.0.rotate_left(20));
        Some(Next::Poll {
            task,
            future,
            waker,
        })
    }

    /// Stops a simulation that does not end.
    pub(crate) fn assert_alive(&self) {
        let ran = Duration::from_nanos(self.now.0);
        assert!(ran < self.options.time_max, "still running after {ran:?}");
        let steps = self.steps;
        assert!(
            steps < self.options.steps_max,
            "still running after {steps} steps"
        );
    }
}

/// Parts that wait in order; kept here so that streams and backlogs share one bound.
pub(crate) type Queue<T> = VecDeque<T>;
