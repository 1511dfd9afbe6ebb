//! Messages between cores: one FIFO lane for each (source, destination).
//!
//! `post` puts a message into the outbox of its lane and returns; a task a lane sends the whole
//! outbox as one parcel, so many messages cost one wake-up. Nobody else ever awaits a lane. The
//! outbox is bounded by the poster: a request takes a credit before it is posted, and its reply
//! is covered by the same credit.
//!
//! A message to a core that has shut down is dropped, and so is what a core had not carried yet
//! when it shut down itself: who waits for a reply learns it from his own shutdown.

use std::mem::take;
use std::rc::Rc;

use flume::{Receiver, Sender};

use corelog_base::CoreId;

use crate::{Notify, Runtime, Shared};

/// Parcels that a lane takes in before it lets other tasks run.
const PARCELS_A_TURN: u32 = 16;

/// The ends of one core before it has started: sendable to its thread.
pub struct MeshEnd<M> {
    core: CoreId,
    /// Indexed by destination; the own one is unused.
    lanes_out: Vec<Sender<Vec<M>>>,
    /// Indexed by source; the own one is unused.
    lanes_in: Vec<Receiver<Vec<M>>>,
}

/// Makes the lanes of `cores` cores; each lane holds at most `parcels_max` parcels.
///
/// # Panics
/// If either is 0.
pub fn build<M: Send + 'static>(cores: u16, parcels_max: usize) -> Vec<MeshEnd<M>> {
    assert!(cores > 0 && parcels_max > 0);
    let count = usize::from(cores);
    let mut ends: Vec<MeshEnd<M>> = (0..cores)
        .map(|core| MeshEnd {
            core: CoreId(core),
            lanes_out: Vec::with_capacity(count),
            lanes_in: Vec::with_capacity(count),
        })
        .collect();
    for source in 0..count {
        for destination in 0..count {
            let (tx, rx) = flume::bounded(parcels_max);
            ends[source].lanes_out.push(tx);
            ends[destination].lanes_in.push(rx);
        }
    }
    ends
}

/// What waits to be carried. Bounded by the poster.
struct Outbox<M> {
    messages: Vec<M>,
    /// The other core has shut down: what is posted is dropped at once.
    closed: bool,
}

struct Lane<M> {
    outbox: Shared<Outbox<M>>,
    filled: Notify,
}

impl<M> Clone for Lane<M> {
    fn clone(&self) -> Self {
        Self {
            outbox: self.outbox.clone(),
            filled: self.filled.clone(),
        }
    }
}

/// A core's way to the others. Clones share it: whoever posts takes one, and lanes are many where
/// cores are.
pub struct Mesh<M> {
    core: CoreId,
    lanes: Rc<[Lane<M>]>,
}

impl<M> Clone for Mesh<M> {
    fn clone(&self) -> Self {
        Self {
            core: self.core,
            lanes: Rc::clone(&self.lanes),
        }
    }
}

impl<M: Send + 'static> MeshEnd<M> {
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// Starts the lanes' tasks. `on_parcel` is called for each parcel that arrives, in the order
    /// of its lane; it must not block.
    pub fn attach<R: Runtime>(
        self,
        rt: &R,
        on_parcel: impl FnMut(CoreId, Vec<M>) + 'static,
    ) -> Mesh<M> {
        let on_parcel = Shared::new(on_parcel);
        for (source, lane) in (0u16..).zip(self.lanes_in) {
            if source == self.core.0 {
                continue;
            }
            let on_parcel = on_parcel.clone();
            let rt2 = rt.clone();
            rt.spawn(async move {
                let mut parcels = 0u32;
                while let Ok(parcel) = lane.recv_async().await {
                    on_parcel.with(|f| f(CoreId(source), parcel));
                    parcels = parcels.wrapping_add(1);
                    // A lane that is never empty is always ready, and would run for ever.
                    if parcels.is_multiple_of(PARCELS_A_TURN) {
                        rt2.yield_now().await;
                    }
                }
            });
        }
        let lanes = (0u16..)
            .zip(self.lanes_out)
            .map(|(destination, sender)| {
                let lane = Lane {
                    outbox: Shared::new(Outbox {
                        messages: Vec::new(),
                        closed: false,
                    }),
                    filled: Notify::new(),
                };
                if destination != self.core.0 {
                    rt.spawn(carry(lane.clone(), sender));
                }
                lane
            })
            .collect();
        Mesh {
            core: self.core,
            lanes,
        }
    }
}

/// Carries one lane's outbox to the other core, a parcel at a time.
async fn carry<M: Send + 'static>(lane: Lane<M>, sender: Sender<Vec<M>>) {
    loop {
        lane.filled.notified().await;
        let parcel = lane.outbox.with(|outbox| take(&mut outbox.messages));
        if !parcel.is_empty() && sender.send_async(parcel).await.is_err() {
            let rest = lane.outbox.with(|outbox| {
                outbox.closed = true;
                take(&mut outbox.messages)
            });
            // Outside the borrow: a message's destructor may post.
            drop(rest);
            return;
        }
    }
}

impl<M: Send + 'static> Mesh<M> {
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// How many cores the mesh joins.
    pub fn cores(&self) -> u16 {
        self.lanes.len() as u16
    }

    /// Puts a message on its way. Never blocks; the caller holds a credit for it.
    ///
    /// # Panics
    /// If sent to the own core: the caller handles that without a message.
    pub fn post(&self, to: CoreId, message: M) {
        assert_ne!(to, self.core);
        let lane = &self.lanes[usize::from(to.0)];
        let undeliverable = lane.outbox.with(|outbox| {
            if outbox.closed {
                return Some(message);
            }
            outbox.messages.push(message);
            None
        });
        // Dropped here, outside the borrow.
        if undeliverable.is_none() {
            lane.filled.notify();
        }
    }
}
