//! Sleeping and yielding.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corelog_base::Monotonic;

use crate::executor::Sim;
use crate::runtime::SimRuntime;
use crate::world::{Event, EventKey};

/// Leaves nothing behind when dropped.
pub(crate) struct Sleep {
    sim: Sim,
    until: Monotonic,
    event: Option<EventKey>,
}

impl Sleep {
    pub(crate) fn new(sim: &Sim, duration: Duration) -> Self {
        Self {
            sim: sim.clone(),
            until: sim.now() + duration,
            event: None,
        }
    }

    fn cancel(&mut self) {
        if let Some(key) = self.event.take() {
            drop(self.sim.0.with(|world| world.cancel(key)));
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.cancel();
        let until = self.until;
        let waker = cx.waker().clone();
        let event = self.sim.0.with(|world| {
            if world.now >= until {
                return None;
            }
            // Timers are late now and then, never early.
            let late = Duration::from_nanos(world.random.below(20_000));
            Some(world.at(until + late, Event::Wake(waker)))
        });
        self.event = event;
        match event {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

pub(crate) struct Yield {
    rt: SimRuntime,
    yielded: bool,
}

impl Yield {
    pub(crate) fn new(rt: SimRuntime) -> Self {
        Self { rt, yielded: false }
    }
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        let waker = cx.waker().clone();
        let core = self.rt.index;
        self.rt
            .sim
            .0
            .with(|world| world.cores[core].yields.push(waker));
        Poll::Pending
    }
}
