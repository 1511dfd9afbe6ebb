//! Messages between cores: one FIFO lane for each (source, destination).
//!
//! `post` puts a message into the outbox of its lane and returns; a task a lane sends the whole
//! outbox as one parcel, so many messages cost one wake-up. Nobody else ever awaits a lane. The
//! outbox is bounded by the poster: a request takes a credit before it is posted, and its reply
//! is covered by the same credit.

use flume::{Receiver, Sender};

use corelog_base::CoreId;

use crate::{Notify, Runtime, Shared};

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

struct Lane<M> {
    outbox: Shared<Vec<M>>,
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

/// A core's way to the others.
pub struct Mesh<M> {
    core: CoreId,
    lanes: Vec<Lane<M>>,
}

impl<M> Clone for Mesh<M> {
    fn clone(&self) -> Self {
        Self {
            core: self.core,
            lanes: self.lanes.clone(),
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
            rt.spawn(async move {
                while let Ok(parcel) = lane.recv_async().await {
                    on_parcel.with(|f| f(CoreId(source), parcel));
                }
            });
        }
        let lanes: Vec<Lane<M>> = (0u16..)
            .zip(self.lanes_out)
            .map(|(destination, sender)| {
                let lane = Lane {
                    outbox: Shared::new(Vec::new()),
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
        let parcel = lane.outbox.with(std::mem::take);
        if !parcel.is_empty() && sender.send_async(parcel).await.is_err() {
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
        lane.outbox.with(|outbox| outbox.push(message));
        lane.filled.notify();
    }
}
