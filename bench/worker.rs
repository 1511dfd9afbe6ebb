//! A thread that produces: some connections, one schedule, one epoll.

use std::collections::VecDeque;
use std::time::Duration;

use corelog_base::Monotonic;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::driver::{Answer, Lane};
use crate::run::Stop;
use crate::schedule::Schedule;
use crate::socket::Socket;
use crate::tally::{Counts, Published, Sent, Window};
use crate::{Error, clock};

/// How long answers are waited for after the last request.
const DRAIN_MAX: Duration = Duration::from_secs(10);
const DRAIN_STOPPED_MAX: Duration = Duration::from_secs(2);
/// Requests that are started before answers are looked at again.
const STARTS_MAX: usize = 64;
/// What one worker has in flight at most; then the broker is far behind, and the run is invalid.
const IN_FLIGHT_MAX: usize = 1 << 20;
const WAITING_BYTES_MAX: usize = 256 << 20;
/// How often a worker that waits looks whether it was stopped.
const LOOK: Duration = Duration::from_millis(100);
const EVENTS_MAX: usize = 256;

/// What decides when a request starts.
#[derive(Debug)]
pub(crate) enum Pace {
    /// The schedule, whatever the broker does.
    Open(Schedule),
    /// The answer to an earlier one, so many at a time on each connection.
    Closed { in_flight: usize },
}

#[derive(Debug)]
struct Line {
    lane: Lane,
    socket: Socket,
    sent: VecDeque<Sent>,
    /// The kernel took not all, and will say when it takes more.
    blocked: bool,
}

#[derive(Debug)]
pub(crate) struct Worker {
    lines: Vec<Line>,
    pace: Pace,
    window: Window,
    counts: Counts<Published>,
    stop: Stop,
    /// No answers come (acks=0): a request is done when the kernel has it.
    unanswered: bool,
    epoll: OwnedFd,
    turn: usize,
    in_flight: usize,
}

impl Worker {
    pub(crate) fn new(
        lanes: Vec<Lane>,
        pace: Pace,
        counts: Counts<Published>,
        stop: Stop,
        unanswered: bool,
    ) -> Result<Self, Error> {
        let failed = |errno: Errno| Error::io("watch a socket")(errno.into());
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let mut lines = Vec::new();
        for (at, mut lane) in lanes.into_iter().enumerate() {
            let socket = lane.connect()?;
            socket.set_nonblocking()?;
            let data = EventData::new_u64(at as u64);
            epoll::add(&epoll, &socket, data, EventFlags::IN).map_err(failed)?;
            lines.push(Line {
                lane,
                socket,
                sent: VecDeque::new(),
                blocked: false,
            });
        }
        let window = counts.lock().window;
        Ok(Self {
            lines,
            pace,
            window,
            counts,
            stop,
            unanswered,
            epoll,
            turn: 0,
            in_flight: 0,
        })
    }

    /// Works from `start` on, until all that the window schedules is answered, or given up.
    pub(crate) fn run(mut self, start: Monotonic) -> Result<(), Error> {
        clock::sharpen_timers();
        let niceness = clock::go_first();
        self.counts.lock().niceness = niceness;
        clock::sleep_until(start);
        let ended = self.drive();
        self.give_up();
        ended
    }

    fn drive(&mut self) -> Result<(), Error> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            let now = clock::now();
            let stopped = self.stop.is_requested();
            if !stopped {
                self.start(now)?;
            }
            self.flush()?;
            let done = stopped || now >= self.window.end && self.is_all_started();
            if done && self.in_flight == 0 {
                return Ok(());
            }
            let drain = if stopped {
                DRAIN_STOPPED_MAX
            } else {
                DRAIN_MAX
            };
            if now >= self.end(stopped) + drain {
                return Ok(());
            }
            self.wait(&mut events)?;
        }
    }

    /// When the last request starts.
    fn end(&self, stopped: bool) -> Monotonic {
        match self.stop.moment() {
            Some(moment) if stopped => moment.min(self.window.end),
            _ => self.window.end,
        }
    }

    fn is_all_started(&self) -> bool {
        match &self.pace {
            Pace::Open(schedule) => schedule.peek() >= self.window.end,
            Pace::Closed { .. } => true,
        }
    }

    fn is_full(&self) -> bool {
        let waiting: usize = self.lines.iter().map(|l| l.socket.waiting_bytes()).sum();
        self.in_flight >= IN_FLIGHT_MAX || waiting >= WAITING_BYTES_MAX
    }

    fn start(&mut self, now: Monotonic) -> Result<(), Error> {
        let mut counts = self.counts.lock();
        match &mut self.pace {
            Pace::Open(schedule) => {
                let until = now.min(Monotonic(self.window.end.0.saturating_sub(1)));
                for _ in 0..STARTS_MAX {
                    let intended = schedule.peek();
                    let waiting = self.lines.iter().map(|l| l.socket.waiting_bytes());
                    let full = self.in_flight >= IN_FLIGHT_MAX
                        || waiting.sum::<usize>() >= WAITING_BYTES_MAX;
                    if intended > until || full {
                        break;
                    }
                    schedule.advance();
                    let turn = self.turn;
                    self.turn = (turn + 1) % self.lines.len();
                    let line = &mut self.lines[turn];
                    let sent = Sent {
                        intended,
                        started: clock::now(),
                    };
                    line.send(sent)?;
                    counts.started(sent);
                    self.in_flight += 1;
                }
            }
            Pace::Closed { in_flight } => {
                for line in &mut self.lines {
                    while now < self.window.end && line.sent.len() < *in_flight {
                        let started = clock::now();
                        let sent = Sent {
                            intended: started,
                            started,
                        };
                        line.send(sent)?;
                        counts.started(sent);
                        self.in_flight += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        for at in 0..self.lines.len() {
            if !self.lines[at].blocked {
                self.flush_line(at)?;
            }
        }
        Ok(())
    }

    fn flush_line(&mut self, at: usize) -> Result<(), Error> {
        let line = &mut self.lines[at];
        let blocked = !line.socket.flush()?;
        if blocked != line.blocked {
            line.blocked = blocked;
            let mut flags = EventFlags::IN;
            flags.set(EventFlags::OUT, blocked);
            let data = EventData::new_u64(at as u64);
            epoll::modify(&self.epoll, &line.socket, data, flags)
                .map_err(|errno| Error::io("watch a socket")(errno.into()))?;
        }
        if self.unanswered && !blocked && !line.sent.is_empty() {
            let now = clock::now();
            let mut counts = self.counts.lock();
            self.in_flight -= line.sent.len();
            for sent in line.sent.drain(..) {
                counts.acknowledged(sent, now);
            }
        }
        Ok(())
    }

    /// Waits for answers, but not past the next start.
    fn wait(&mut self, events: &mut Vec<Event>) -> Result<(), Error> {
        let now = clock::now();
        let until_next = match &self.pace {
            Pace::Open(schedule) if !self.is_all_started() && !self.is_full() => {
                schedule.peek().since(now)
            }
            _ => LOOK,
        };
        let timeout = clock::timespec(until_next.min(LOOK));
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io("wait for sockets")(errno.into())),
        }
        for event in events.iter() {
            let (data, flags) = (event.data, event.flags);
            let at = usize::try_from(data.u64()).unwrap_or(usize::MAX);
            if flags.intersects(EventFlags::OUT) {
                self.flush_line(at)?;
            }
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                self.receive(at)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self, at: usize) -> Result<(), Error> {
        let line = &mut self.lines[at];
        if !line.socket.fill()? {
            return Ok(());
        }
        let now = clock::now();
        let mut counts = self.counts.lock();
        while let Some(frame) = line.socket.frame()? {
            let (place, answer) = line.lane.answer(line.socket.bytes(frame))?;
            let Some(sent) = line.sent.remove(place) else {
                continue;
            };
            self.in_flight -= 1;
            match answer {
                Answer::Acknowledged => counts.acknowledged(sent, now),
                Answer::Refused(why) => counts.refused(why),
            }
        }
        Ok(())
    }

    /// Counts what has no answer, and what was never sent up to the end or the stop.
    fn give_up(&mut self) {
        let now = clock::now();
        let end = self.end(self.stop.is_requested());
        let mut counts = self.counts.lock();
        for line in &mut self.lines {
            for sent in line.sent.drain(..) {
                counts.unanswered(sent, now);
            }
        }
        if let Pace::Open(schedule) = &mut self.pace {
            while schedule.peek() < end.min(now) {
                counts.never_started(schedule.peek());
                schedule.advance();
            }
        }
    }
}

impl Line {
    fn send(&mut self, sent: Sent) -> Result<(), Error> {
        // It may have left when sending fails: then it is unanswered.
        self.sent.push_back(sent);
        self.lane.send(&mut self.socket, sent.intended)
    }
}
