//! What the handlers of one core share.

use std::collections::BTreeSet;

use corelog_base::NodeId;
use corelog_broker::Broker;
use corelog_rt::{Credit, Credits, Runtime, Shared};
use corelog_wire::kafka::NodeEndpoint;

use super::sessions::Sessions;
use super::share_sessions::ShareSessions;

/// One a core, shared by its connections.
pub(super) struct Context<R: Runtime> {
    pub(super) broker: Broker<R>,
    pub(super) sessions: Shared<Sessions>,
    pub(super) shares: Shared<ShareSessions>,
    /// Memory for decoding and for responses without records. Who waits for it holds a frame at
    /// most, and who holds it waits for `records` at most, so it always comes free.
    pub(super) work: Credits,
    /// Memory for records on their way out, and for recompressed batches. Who holds it waits for
    /// a socket or a disk, and those have deadlines: shorter ones while somebody waits for it.
    pub(super) records: Credits,
    /// `socket.request.max.bytes`: decompressed batches are bounded by it too.
    pub(super) request_bytes_max: u32,
}

/// Where a broker can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Endpoint {
    pub(super) node: NodeId,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) rack: Option<String>,
}

impl Endpoint {
    pub(super) fn to_wire(&self) -> NodeEndpoint<'_> {
        NodeEndpoint {
            node_id: self.node.0,
            host: &self.host,
            port: i32::from(self.port),
            rack: self.rack.as_deref(),
        }
    }
}

impl<R: Runtime> Context<R> {
    /// Waits for memory, at most for all that there is. Who holds some of it already must not.
    pub(super) async fn take_work(&self, bytes: u64) -> Credit {
        self.work.take(bytes.min(self.work.total())).await
    }

    /// The brokers that are registered, by id.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        self.broker.image(|image| {
            image
                .nodes()
                .map(|node| Endpoint {
                    node: node.id,
                    host: node.host.clone(),
                    port: node.port,
                    rack: node.rack.clone(),
                })
                .collect()
        })
    }

    /// The brokers among `nodes`, each once.
    pub(super) fn endpoints_of(&self, nodes: impl Iterator<Item = NodeId>) -> Vec<Endpoint> {
        let wanted: BTreeSet<NodeId> = nodes.collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut endpoints = self.endpoints();
        endpoints.retain(|endpoint| wanted.contains(&endpoint.node));
        endpoints
    }
}
