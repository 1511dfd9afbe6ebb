//! A run: threads, their window, and what they counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corelog_base::{Monotonic, entropy};

use crate::driver::{Layout, Reader};
use crate::outcome::Facts;
use crate::overhead::Overhead;
use crate::schedule::{Schedule, Share};
use crate::tally::{Consumed, Counts, Published, Wanted, Window};
use crate::totals::Totals;
use crate::worker::{Pace, Worker};
use crate::{Acks, Error, Mode, Outcome, Settings, clock, environment, files, progress};

/// Between making the threads and the first request, so that all of them are ready.
const LEAD: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// How long consumers may still read after the last acknowledgement.
const CATCH_MAX: Duration = Duration::from_secs(5);
/// How often they are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Ends a run early; what was measured until then is kept. Clones share it.
#[derive(Clone, Default, Debug)]
pub struct Stop(Arc<AtomicU64>);

impl Stop {
    pub fn request(&self) {
        let now = clock::now().0.max(1);
        // Only the first moment counts.
        let _ = self
            .0
            .compare_exchange(0, now, Ordering::Release, Ordering::Relaxed);
    }

    pub fn is_requested(&self) -> bool {
        self.moment().is_some()
    }

    /// When it was asked for.
    pub(crate) fn moment(&self) -> Option<Monotonic> {
        let moment = self.0.load(Ordering::Acquire);
        (moment > 0).then_some(Monotonic(moment))
    }
}

/// Runs, writes the folder, and says what was found. `command` is what was typed; `say` gets a line
/// a second.
///
/// # Errors
/// If the run cannot begin, or the folder cannot be written. What goes wrong later makes the run
/// invalid, and stands in its reasons.
pub fn run(
    settings: &Settings,
    command: &[String],
    stop: &Stop,
    say: &mut dyn FnMut(&str),
) -> Result<Outcome, Error> {
    settings.check()?;
    files::make(&settings.out)?;
    // What looks at the host would disturb the run: it is done before.
    let environment = environment(&settings.out);
    let overhead = Overhead::measure(&settings.load)?;
    let layout = Layout::open(settings)?;
    let mut threads = Threads::start(settings, &layout, stop)?;
    let window = threads.window;
    let begin = window.begin.since(clock::now());
    let started = SystemTime::now() + begin;
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let cpu = clock::cpu_time();
    let mut totals = Totals::new(window, threads.wanted);
    threads.watch(&mut totals, settings, say);
    let failures = threads.join(&mut totals);
    let end = stop.moment().unwrap_or(window.end).min(window.end);
    let facts = Facts {
        command: command.to_vec(),
        started_ms: u64::try_from(started.as_millis()).unwrap_or(0),
        durability: layout.durability().to_vec(),
        overhead,
        cpu: clock::cpu_time().saturating_sub(cpu),
        workers: threads.published.len(),
        measured: end.since(window.begin),
        interrupted: stop.is_requested(),
        failures,
    };
    let outcome = Outcome::of(settings, &totals, facts);
    files::write(&settings.out, &outcome, &totals, &environment)?;
    Ok(outcome)
}

/// The threads of a run, and where they count.
struct Threads {
    window: Window,
    wanted: Wanted,
    published: Vec<Counts<Published>>,
    consumed: Vec<Counts<Consumed>>,
    workers: Vec<JoinHandle<Result<(), Error>>>,
    readers: Vec<JoinHandle<Result<(), Error>>>,
    /// Ends when all workers, or without them all readers, have ended.
    alive: Receiver<()>,
    /// Ends the workers and, where there are none, the readers.
    stop: Stop,
    /// Ends the readers.
    finish: Stop,
    mode: Mode,
}

impl Threads {
    fn start(settings: &Settings, layout: &Layout, stop: &Stop) -> Result<Self, Error> {
        let run = entropy();
        let mode = settings.mode;
        let lanes = match mode.produces() {
            true => layout.lanes(settings, run)?,
            false => Vec::new(),
        };
        let readers = match mode.consumes() {
            true => layout.readers(settings)?,
            false => Vec::new(),
        };
        let start = clock::now() + LEAD;
        // What was there before is read once, so nothing of it is left out.
        let warmup = match mode {
            Mode::Consume => Duration::ZERO,
            _ => settings.warmup,
        };
        let window = Window {
            begin: start + warmup,
            end: start + warmup + settings.duration,
        };
        let (alive, ended) = channel();
        let mut threads = Self {
            window,
            wanted: match mode {
                Mode::Tail => Wanted::AnyRun,
                Mode::Consume | Mode::CatchUp => Wanted::History,
                Mode::Produce | Mode::Both => Wanted::Run(run),
            },
            published: Vec::new(),
            consumed: Vec::new(),
            workers: Vec::new(),
            readers: Vec::new(),
            alive: ended,
            stop: stop.clone(),
            finish: Stop::default(),
            mode,
        };
        let mut cpus = settings.pin.iter().copied().cycle();
        let produces = !lanes.is_empty();
        for reader in readers {
            let alive = alive.clone();
            let alive = (!produces).then_some(alive);
            threads.add_reader(reader, cpus.next(), alive)?;
        }
        let count = workers(settings, lanes.len());
        let mut parts: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
        for (at, lane) in lanes.into_iter().enumerate() {
            parts[at % count].push(lane);
        }
        for (index, lanes) in parts.into_iter().enumerate() {
            let pace = pace(settings, Share { index, of: count }, start);
            let unanswered = settings.load.acks == Acks::None;
            let counts = Counts::new(Published::new(window));
            threads.published.push(counts.clone());
            let worker = Worker::new(lanes, pace, counts, stop.clone(), unanswered)?;
            let (cpu, alive) = (cpus.next(), alive.clone());
            let work = move || {
                pin(cpu)?;
                let _alive = alive;
                worker.run(start)
            };
            threads.workers.push(spawn(work)?);
        }
        Ok(threads)
    }

    fn add_reader(
        &mut self,
        mut reader: Reader,
        cpu: Option<usize>,
        alive: Option<Sender<()>>,
    ) -> Result<(), Error> {
        let counts = Counts::new(Consumed::new(self.window, self.wanted));
        self.consumed.push(counts.clone());
        let end = self.window.end;
        let finish = match self.mode.produces() {
            true => self.finish.clone(),
            false => self.stop.clone(),
        };
        let follows = self.mode == Mode::Both;
        let work = move || {
            pin(cpu)?;
            clock::go_first();
            let _alive = alive;
            while !finish.is_requested() && !reader.is_done() && (follows || clock::now() < end) {
                reader.wait()?;
                reader.count(&mut counts.lock())?;
            }
            Ok(())
        };
        self.readers.push(spawn(work)?);
        Ok(())
    }

    /// Collects once a second until the threads are done.
    fn watch(&mut self, totals: &mut Totals, settings: &Settings, say: &mut dyn FnMut(&str)) {
        let mut last = clock::now();
        let mut next = last + SECOND;
        // Nothing is ever sent: the channel ends with the last thread.
        while self.alive.recv_timeout(next.since(clock::now())) == Err(RecvTimeoutError::Timeout) {
            let now = clock::now();
            totals.collect(now, &self.published, &self.consumed);
            say(&progress::line(settings, totals, now, now.since(last)));
            last = now;
            next = next + SECOND;
        }
        if self.mode == Mode::Both {
            let until = clock::now() + CATCH_MAX;
            while clock::now() < until && !self.readers.iter().all(JoinHandle::is_finished) {
                totals.collect(clock::now(), &self.published, &self.consumed);
                let all = totals.published.acknowledged_in_all;
                if totals.consumed.batches_in_all >= all {
                    break;
                }
                clock::sleep_until(clock::now() + LOOK);
            }
        }
        self.finish.request();
    }

    /// Waits for all threads. Why those failed that did.
    fn join(&mut self, totals: &mut Totals) -> Vec<String> {
        let mut failures = Vec::new();
        for thread in self.workers.drain(..).chain(self.readers.drain(..)) {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failures.push(error.to_string()),
                Err(_) => failures.push("a thread of the generator panicked".to_owned()),
            }
        }
        totals.collect(clock::now(), &self.published, &self.consumed);
        failures.sort();
        failures.dedup();
        failures
    }
}

impl Drop for Threads {
    /// Where the start fails half way, readers run already.
    fn drop(&mut self) {
        self.finish.request();
    }
}

fn pace(settings: &Settings, share: Share, start: Monotonic) -> Pace {
    match settings.requests_per_s() {
        Some(rate) => Pace::Open(Schedule::new(settings.load.arrivals, rate, share, start)),
        None => Pace::Closed {
            in_flight: settings.load.in_flight,
        },
    }
}

/// One for each CPU that the run is pinned to, or half of the machine's; at least one if there are
/// connections, never more than those.
fn workers(settings: &Settings, lanes: usize) -> usize {
    let available = std::thread::available_parallelism().map_or(1, |n| n.get() / 2);
    let wanted = match settings.pin.len() {
        0 => available,
        pinned => pinned,
    };
    wanted.max(1).min(lanes)
}

fn pin(cpu: Option<usize>) -> Result<(), Error> {
    match cpu {
        Some(id) if !core_affinity::set_for_current(core_affinity::CoreId { id }) => Err(
            Error::usage(format!("a thread cannot be pinned to CPU {id}")),
        ),
        _ => Ok(()),
    }
}

fn spawn(
    work: impl FnOnce() -> Result<(), Error> + Send + 'static,
) -> Result<JoinHandle<Result<(), Error>>, Error> {
    std::thread::Builder::new()
        .name("bench".to_owned())
        .spawn(work)
        .map_err(Error::io("start a thread"))
}
