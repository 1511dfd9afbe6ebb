//! Changes of the metadata, sent to the core that owns it.

use std::time::Duration;

use corelog_base::{ProducerEpoch, ProducerId};
use corelog_rt::Runtime;

use crate::admin::{AdminReply, AdminRequest};
use crate::api::Quorum;
use crate::message::{Reply, Request};
use crate::shard::METADATA_CORE;
use crate::{Broker, Result};

/// How long a block of producer ids may take to commit.
const IDS_WAIT_MAX: Duration = Duration::from_secs(10);
/// The metadata's core answers from memory.
const QUORUM_WAIT_MAX: Duration = Duration::from_secs(10);

impl<R: Runtime> Broker<R> {
    /// Asks the metadata's leader on this node, and waits at most `limit` until the change is
    /// committed and served by every core. After a timeout it may still happen.
    pub async fn admin(&self, request: AdminRequest, limit: Duration) -> Result<AdminReply> {
        let request = Request::Admin(request);
        match self.0.ask_within(METADATA_CORE, request, limit).await? {
            Reply::Admin(reply) => reply,
            _ => unreachable!("an admin request is answered by its reply"),
        }
    }

    /// The metadata's replicas, asked of this node: another leader is an error.
    pub async fn quorum(&self) -> Result<Quorum> {
        let asked = self
            .0
            .ask_within(METADATA_CORE, Request::Quorum, QUORUM_WAIT_MAX);
        match asked.await? {
            Reply::Quorum(found) => found,
            _ => unreachable!("a question for the quorum is answered by it"),
        }
    }

    /// An id for an idempotent producer, with epoch 0. Ids come from blocks that this core
    /// reserves, so most calls wait for nothing; an id is given once, ever.
    pub async fn producer_id(&self) -> Result<(ProducerId, ProducerEpoch)> {
        loop {
            if let Some(id) = self.0.shard.with(|shard| shard.next_producer_id()) {
                return Ok((id, ProducerEpoch(0)));
            }
            let block = self.admin(AdminRequest::ReserveProducerIds, IDS_WAIT_MAX);
            let AdminReply::ProducerIds(block) = block.await? else {
                unreachable!("a reservation is answered by a block")
            };
            self.0.shard.with(|shard| shard.add_producer_ids(block));
        }
    }
}
