//! The door of one core: its accept loop, its table of connections, its sweep, its drain.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use corelog_rt::{Gate, Listener, Notify, Runtime, Shared, Stream};
use futures_lite::future::or;

use super::budget::Budget;
use super::connection::Connection;
use super::frames::{Frames, Framing};
use super::lane::{End, Lane, Pressed};
use super::options::{ACCEPT_PAUSE_MAX, ACCEPT_PAUSE_MIN, Options, SWEEP_EVERY};
use super::service::Service;

/// What the door has done on this core, for metrics.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    pub connections_open: u64,
    pub connections_accepted: u64,
    /// Above the cap.
    pub connections_refused: u64,
    /// Idle, or too slow in sending or receiving.
    pub connections_expired: u64,
    pub requests: u64,
    pub received_bytes: u64,
    pub responses: u64,
    pub sent_bytes: u64,
}

impl Counters {
    pub(crate) fn received(&mut self, bytes: u64) {
        self.requests += 1;
        self.received_bytes += bytes;
    }

    pub(crate) fn sent(&mut self, responses: u64, bytes: u64) {
        self.responses += responses;
        self.sent_bytes += bytes;
    }
}

/// Makes what a connection's requests are given to.
pub(crate) type Services = Box<dyn Fn(SocketAddr) -> Box<dyn Service>>;

/// One core's door. Clones share it.
pub struct Door<R: Runtime>(Rc<Inner<R>>);

impl<R: Runtime> Clone for Door<R> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

struct Inner<R: Runtime> {
    rt: R,
    options: Options,
    address: SocketAddr,
    budget: Budget,
    framing: Framing,
    services: Services,
    /// Bounded by `connections_max`.
    open: Shared<BTreeMap<u64, (Lane, R::Stream)>>,
    counters: Shared<Counters>,
    /// Every connection is inside.
    gate: Gate,
    stop_accepting: Notify,
    stop_sweeping: Notify,
}

impl<R: Runtime> Door<R> {
    /// Listens and starts to serve.
    ///
    /// # Errors
    /// What listening says.
    ///
    /// # Panics
    /// If the memory for frames cannot hold one of the largest size.
    pub(crate) async fn listen(
        rt: R,
        address: SocketAddr,
        options: Options,
        budget: Budget,
        framing: Framing,
        services: Services,
    ) -> io::Result<Self> {
        assert!(budget.frames.total() >= u64::from(options.request_bytes_max));
        let listener = rt.listen(address).await?;
        let door = Self(Rc::new(Inner {
            address: listener.local_addr()?,
            rt,
            options,
            budget,
            framing,
            services,
            open: Shared::new(BTreeMap::new()),
            counters: Shared::new(Counters::default()),
            gate: Gate::new(),
            stop_accepting: Notify::new(),
            stop_sweeping: Notify::new(),
        }));
        let inner = Rc::clone(&door.0);
        door.0.rt.spawn(async move {
            or(inner.accept(&listener), inner.stop_accepting.notified()).await;
        });
        let inner = Rc::clone(&door.0);
        door.0.rt.spawn(async move {
            or(inner.sweep(), inner.stop_sweeping.notified()).await;
        });
        Ok(door)
    }

    /// Where it listens; the port that was given if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.address
    }

    /// Bytes of the frames' memory that nobody holds, for metrics.
    pub fn free_frame_bytes(&self) -> u64 {
        self.0.budget.frames.free()
    }

    /// For frames, for decoding, for records.
    #[cfg(test)]
    pub(crate) fn pools(&self) -> [corelog_rt::Credits; 3] {
        let budget = self.0.budget.clone();
        [budget.frames, budget.work, budget.records]
    }

    #[cfg(test)]
    pub(crate) fn stream_bytes_free(&self) -> u64 {
        self.0.budget.streams.free()
    }

    pub fn counters(&self) -> Counters {
        self.0.counters.with(|counters| *counters)
    }

    /// Accepts and reads nothing more; answers what was started, except for what waits for
    /// records; returns when every connection is closed, after at most a few seconds.
    pub async fn drain(&self) {
        self.0.stop_accepting.notify();
        let lanes: Vec<Lane> = self
            .0
            .open
            .with(|open| open.values().map(|(lane, _)| lane.clone()).collect());
        let closed = self.0.gate.close();
        for lane in lanes {
            lane.end(End::Drained);
        }
        closed.await;
        self.0.stop_sweeping.notify();
    }
}

impl<R: Runtime> Inner<R> {
    async fn accept(self: &Rc<Self>, listener: &R::Listener) {
        let mut pause = ACCEPT_PAUSE_MIN;
        loop {
            match listener.accept().await {
                Ok(stream) => {
                    pause = ACCEPT_PAUSE_MIN;
                    self.admit(stream);
                }
                // No descriptors, or no memory in the kernel: it goes on once others have closed.
                Err(error) => {
                    tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "accept failed");
                    self.rt.sleep(pause).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                }
            }
        }
    }

    fn admit(self: &Rc<Self>, stream: R::Stream) {
        let (Some(place), Some(pass)) = (self.budget.connections.try_take(1), self.gate.enter())
        else {
            self.counters
                .with(|counters| counters.connections_refused += 1);
            stream.close();
            return;
        };
        let id = self.counters.with(|counters| {
            counters.connections_open += 1;
            counters.connections_accepted += 1;
            counters.connections_accepted
        });
        let lane = Lane::new(self.rt.now(), &self.options);
        let frames = Frames::new(
            stream.clone(),
            lane.clone(),
            self.budget.frames.clone(),
            self.framing,
            self.options.request_bytes_max,
        );
        let connection = Connection {
            rt: self.rt.clone(),
            stream: stream.clone(),
            lane: lane.clone(),
            service: (self.services)(stream.peer_addr()),
            counters: self.counters.clone(),
        };
        self.open.with(|open| open.insert(id, (lane, stream)));
        let inner = Rc::clone(self);
        self.rt.spawn(async move {
            connection.serve(frames).await;
            inner.open.with(|open| open.remove(&id));
            inner
                .counters
                .with(|counters| counters.connections_open -= 1);
            drop((place, pass));
        });
    }

    /// Closes what is overdue. One timer a core, instead of several a request.
    async fn sweep(&self) {
        loop {
            self.rt.sleep(SWEEP_EVERY).await;
            let now = self.rt.now();
            let pressed = Pressed {
                frames: self.budget.frames.is_awaited(),
                any: self.budget.is_awaited(),
            };
            let idle_max = self.options.idle_max;
            let overdue: Vec<_> = self.open.with(|open| {
                let swept = open.values();
                let look = |(lane, stream): &(Lane, R::Stream)| {
                    Some((lane.sweep(now, idle_max, pressed)?, stream.clone()))
                };
                swept.filter_map(look).collect()
            });
            for (why, stream) in overdue {
                tracing::debug!(peer = %stream.peer_addr(), ?why, "connection closed");
                self.counters
                    .with(|counters| counters.connections_expired += 1);
                stream.close();
            }
        }
    }
}
