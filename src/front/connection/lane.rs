//! The state of one connection, shared by its loops: what was read, what runs, what is finished.
//!
//! A request moves down once: read, running, finished, sent. Its place among the others never
//! changes, so responses leave in the order of requests.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corelog_base::Monotonic;
use corelog_rt::Shared;

use super::options::{
    FINISHED_BYTES_MAX, OWN_FINISHED_BYTES_MAX, Options, PRESSED_FRAME_BYTES_PER_SECOND,
    PRESSED_FRAME_WAIT, PRESSED_SEND_WAIT, PUSHED_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX,
};
use super::service::{Frame, Reply, Response, Task};

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The peer has gone, or is of no use any more: nothing that is left is wanted.
    Gone,
    /// The broker stops: what was started is answered.
    Drained,
}

/// What leaves next.
pub(crate) enum Outgoing {
    Response(Response),
    Close,
}

#[derive(Default)]
struct State {
    read: VecDeque<Frame>,
    /// Beside each other, in order; the first may be out of the queue, being awaited.
    running: VecDeque<Task<Reply>>,
    first_runs: bool,
    /// A request that has been taken and is not in `running`.
    taken: bool,
    /// Streams that have begun and are not yet driven; bounded by what the service lets begin.
    begun: Vec<Task<()>>,
    finished: VecDeque<Outgoing>,
    /// Of what is finished, and of what is being sent: both are memory.
    finished_bytes: u64,
    /// Of what is being sent.
    sending_bytes: u64,
    /// Of both, what no pool accounts for.
    own_finished_bytes: u64,
    own_sending_bytes: u64,
    end: Option<End>,
    clock: Clock,
    /// The connection's task: all its loops are one task, so there is one to wake.
    waker: Option<Waker>,
}

/// What the sweep looks at.
#[derive(Default)]
struct Clock {
    /// The last request or response.
    active: Monotonic,
    /// When a frame whose begin has arrived must be whole; none while there is no such frame.
    frame_due: Option<Monotonic>,
    /// Since when the frame is received, and how much of it has come.
    frame_began: Monotonic,
    frame_bytes: u64,
    /// The frame waits for memory, which is none of the peer's doing.
    frame_paused: bool,
    /// Since when the socket takes what it was given; none while it was given nothing.
    send_began: Option<Monotonic>,
    /// Nothing is read before this.
    muted_until: Monotonic,
    /// The sweep's own time, so that the loops need not ask for it.
    now: Monotonic,
    /// [`Options::frame_wait`] and [`Options::send_wait`].
    frame_wait: Duration,
    send_wait: Duration,
}

/// Clones share one connection. Only the connection's own task waits here.
#[derive(Clone)]
pub(crate) struct Lane(Shared<State>);

/// Of which of the door's memory somebody waits for more.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Pressed {
    pub(crate) frames: bool,
    /// Of any: what is not sent pins answers, and requests behind them.
    pub(crate) any: bool,
}

/// What a sweep found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overdue {
    Frame,
    Send,
    Idle,
}

impl Lane {
    pub(crate) fn new(now: Monotonic, options: &Options) -> Self {
        Self(Shared::new(State {
            clock: Clock {
                active: now,
                now,
                frame_wait: options.frame_wait,
                send_wait: options.send_wait,
                ..Clock::default()
            },
            ..State::default()
        }))
    }

    /// Changes the state, then wakes the connection's task: any of its loops may go on.
    fn change<O>(&self, step: impl FnOnce(&mut State) -> O) -> O {
        let (out, waker) = self.0.with(|state| (step(state), state.waker.take()));
        if let Some(waker) = waker {
            waker.wake();
        }
        out
    }

    /// Waits until `look` finds what it looks for. It is asked at every poll of the task.
    fn until<O>(&self, mut look: impl FnMut(&mut State) -> Option<O>) -> impl Future<Output = O> {
        let state = self.0.clone();
        poll_fn(move |cx| {
            state.with(|state| match look(state) {
                Some(found) => Poll::Ready(found),
                None => {
                    state.keep(cx);
                    Poll::Pending
                }
            })
        })
    }

    // Time. The sweep runs each second, so these deadlines are exact to about two seconds.

    pub(crate) fn frame_begins(&self, bytes: u64) {
        self.0.with(|state| {
            let wait = state.clock.frame_wait + Duration::from_secs(bytes >> 20);
            if state.clock.frame_due.is_none() {
                state.clock.frame_began = state.clock.now;
                state.clock.frame_bytes = 0;
            }
            // From its first byte on: a length that drips does not prolong it.
            let due = state.clock.frame_began + wait;
            let known = state.clock.frame_due.unwrap_or(due);
            state.clock.frame_due = Some(known.max(due));
        });
    }

    /// While a frame waits for memory, its time stands still.
    pub(crate) fn pause_frame(&self, paused: bool) {
        self.0.with(|state| state.clock.frame_paused = paused);
    }

    pub(crate) fn frame_goes_on(&self, bytes: u64) {
        self.0.with(|state| state.clock.frame_bytes += bytes);
    }

    pub(crate) fn frame_ends(&self) {
        self.0.with(|state| {
            state.clock.frame_due = None;
            state.clock.active = state.clock.now;
        });
    }

    pub(crate) fn send_begins(&self) {
        self.0.with(|state| {
            state.clock.send_began = Some(state.clock.now);
        });
    }

    pub(crate) fn send_ends(&self) {
        self.0.with(|state| {
            state.clock.send_began = None;
            state.clock.active = state.clock.now;
        });
    }

    /// What is overdue at `now`, if anything.
    pub(crate) fn sweep(
        &self,
        now: Monotonic,
        idle_max: Option<Duration>,
        pressed: Pressed,
    ) -> Option<Overdue> {
        self.0.with(|state| {
            state.clock.pass(now);
            if state.clock.is_frame_overdue(pressed.frames) {
                return Some(Overdue::Frame);
            }
            if state.clock.is_send_overdue(pressed.any) {
                return Some(Overdue::Send);
            }
            let idle = now.since(state.clock.active);
            let is_idle = state.in_flight() == 0 && idle_max.is_some_and(|max| idle >= max);
            is_idle.then_some(Overdue::Idle)
        })
    }

    /// Until when nothing is read; zero if no throttle holds.
    pub(crate) fn muted_until(&self) -> Monotonic {
        self.0.with(|state| state.clock.muted_until)
    }

    pub(crate) fn mute(&self, until: Monotonic) {
        self.0.with(|state| {
            state.clock.muted_until = state.clock.muted_until.max(until);
        });
    }

    // The way of a request.

    /// Waits until one more request may be read.
    pub(crate) fn may_read(&self) -> impl Future<Output = ()> {
        self.until(|state| state.has_room().then_some(()))
    }

    /// Waits until no request stands between the next one and its start: who takes shared memory
    /// for a request must not hold it behind a poll of minutes.
    pub(crate) fn nothing_before(&self) -> impl Future<Output = ()> {
        self.until(|state| (state.read.is_empty() && !state.taken).then_some(()))
    }

    pub(crate) fn push(&self, frame: Frame) {
        self.change(|state| state.read.push_back(frame));
    }

    /// The next request, once responses have room. None when no more will come.
    pub(crate) fn next_request(&self) -> impl Future<Output = Option<Frame>> {
        self.until(|state| {
            debug_assert!(!state.taken);
            let is_full = state.finished_bytes >= FINISHED_BYTES_MAX
                || state.own_finished_bytes >= OWN_FINISHED_BYTES_MAX;
            if is_full && state.end.is_none() {
                return None;
            }
            match state.read.pop_front() {
                Some(frame) => {
                    state.taken = true;
                    Some(Some(frame))
                }
                None => state.end.is_some().then_some(None),
            }
        })
    }

    /// Waits until no request runs but the one that was taken last.
    pub(crate) fn earlier_finished(&self) -> impl Future<Output = ()> {
        self.until(|state| (state.running.is_empty() && !state.first_runs).then_some(()))
    }

    /// The request that was taken last now runs beside others.
    pub(crate) fn run(&self, task: Task<Reply>) {
        self.change(|state| {
            state.taken = false;
            state.running.push_back(task);
        });
    }

    /// The request that was taken last has its reply, and nothing before it runs.
    pub(crate) fn finish_taken(&self, reply: Reply) {
        self.change(|state| {
            debug_assert!(state.running.is_empty() && !state.first_runs);
            state.taken = false;
            state.finish(reply);
        });
    }

    /// The request that was taken last is dropped.
    pub(crate) fn drop_taken(&self) {
        self.change(|state| state.taken = false);
    }

    /// Drives the requests that run beside each other. Never returns.
    pub(crate) async fn finish_running(&self) {
        loop {
            let first = self.until(|state| {
                let first = state.running.pop_front();
                state.first_runs = first.is_some();
                first
            });
            let reply = first.await.await;
            self.change(|state| {
                state.first_runs = false;
                state.finish(reply);
            });
        }
    }

    /// A stream begins.
    pub(crate) fn stream(&self, task: Task<()>) {
        self.change(|state| state.begun.push(task));
    }

    /// Takes the streams that have begun since the last call; the next one wakes the task.
    pub(crate) fn begun(&self, cx: &Context<'_>, into: &mut Vec<Task<()>>) {
        self.0.with(|state| {
            into.append(&mut state.begun);
            state.keep(cx);
        });
    }

    /// Waits until a stream may push more; for ever once the connection ends.
    pub(crate) fn may_push(&self) -> impl Future<Output = ()> {
        self.until(|state| {
            let has_room = state.finished_bytes < PUSHED_BYTES_MAX
                && state.own_finished_bytes < OWN_FINISHED_BYTES_MAX;
            (has_room && state.end.is_none()).then_some(())
        })
    }

    /// A reply that has no place among the requests.
    pub(crate) fn finish_aside(&self, reply: Reply) {
        self.change(|state| state.finish(reply));
    }

    /// All that is finished, in order; at least one.
    pub(crate) fn outgoing(&self) -> impl Future<Output = Vec<Outgoing>> {
        self.until(|state| {
            if state.finished.is_empty() {
                return None;
            }
            state.sending_bytes = state.finished_bytes;
            state.own_sending_bytes = state.own_finished_bytes;
            Some(std::mem::take(&mut state.finished).into())
        })
    }

    /// What [`Lane::outgoing`] gave has left.
    pub(crate) fn sent(&self) {
        self.change(|state| {
            state.finished_bytes -= std::mem::take(&mut state.sending_bytes);
            state.own_finished_bytes -= std::mem::take(&mut state.own_sending_bytes);
        });
    }

    // The end.

    /// Ends the connection. The peer's going overrides a drain.
    pub(crate) fn end(&self, why: End) {
        self.change(|state| {
            if state.end != Some(End::Gone) {
                state.end = Some(why);
            }
        });
    }

    /// Waits for the end.
    pub(crate) fn ended(&self) -> impl Future<Output = End> {
        self.until(|state| state.end)
    }

    /// Waits until everything has been answered and sent, or the peer has gone.
    pub(crate) fn all_sent(&self) -> impl Future<Output = ()> {
        self.until(|state| (state.in_flight() == 0 || state.end == Some(End::Gone)).then_some(()))
    }
}

impl Clock {
    fn pass(&mut self, now: Monotonic) {
        if self.frame_paused {
            let passed = now.since(self.now);
            self.frame_began = self.frame_began + passed;
            self.frame_due = self.frame_due.map(|due| due + passed);
        }
        self.now = now;
    }

    /// A frame that others wait for must also come at some pace.
    fn is_frame_overdue(&self, pressed: bool) -> bool {
        let Some(due) = self.frame_due else {
            return false;
        };
        let took = self.now.since(self.frame_began);
        let least = took.as_secs() * PRESSED_FRAME_BYTES_PER_SECOND;
        let stalls = took >= PRESSED_FRAME_WAIT && self.frame_bytes < least;
        due <= self.now || pressed && stalls
    }

    fn is_send_overdue(&self, pressed: bool) -> bool {
        let wait = match pressed {
            true => self.send_wait.min(PRESSED_SEND_WAIT),
            false => self.send_wait,
        };
        let began = self.send_began;
        began.is_some_and(|began| self.now.since(began) >= wait)
    }
}

impl State {
    fn in_flight(&self) -> usize {
        let running = self.running.len() + usize::from(self.first_runs);
        let sending = usize::from(self.sending_bytes > 0);
        self.read.len() + usize::from(self.taken) + running + self.finished.len() + sending
    }

    /// Remembers whom to wake.
    fn keep(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight() < REQUESTS_IN_FLIGHT_MAX && self.finished_bytes < FINISHED_BYTES_MAX
    }

    fn finish(&mut self, reply: Reply) {
        match reply {
            Reply::Send(response) => {
                self.finished_bytes += response.bytes();
                self.own_finished_bytes += response.own_bytes();
                self.finished.push_back(Outgoing::Response(response));
            }
            Reply::Silence => {}
            Reply::Close => {
                self.finished.push_back(Outgoing::Close);
                // What was read behind it is not answered.
                self.read.clear();
            }
        }
    }
}
