//! What the handlers of one core share.

use std::time::Duration;

use corelog_broker::Broker;
use corelog_rt::Runtime;

use crate::connection::Budget;
use crate::operation::Memory;

/// Where clients reach the cores of this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    pub host: String,
    /// Of core 0; the others have the ports after it.
    pub port: u16,
}

impl Address {
    /// The port of each core.
    pub(super) fn ports(&self, cores: u16) -> Vec<u16> {
        // A start with fewer ports than cores was refused.
        (0..cores)
            .map(|core| self.port.saturating_add(core))
            .collect()
    }
}

/// One a core, shared by its connections.
pub(super) struct Context<R: Runtime> {
    pub(super) broker: Broker<R>,
    pub(super) budget: Budget,
    pub(super) address: Address,
    /// The largest payload; decompressed batches are bounded by it too.
    pub(super) payload_bytes_max: u32,
    /// After so much silence a subscription sends an empty frame, so that both sides learn of a dead
    /// peer, and the connection is not taken for an idle one.
    pub(super) silence_max: Duration,
}

const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Less where idle connections are closed sooner.
pub(super) fn silence_max(idle_max: Option<Duration>) -> Duration {
    idle_max.map_or(SILENCE_MAX, |idle| (idle / 2).min(SILENCE_MAX))
}

impl<R: Runtime> Context<R> {
    pub(super) fn memory(&self) -> Memory<'_, R> {
        Memory {
            broker: &self.broker,
            records: &self.budget.records,
        }
    }
}
