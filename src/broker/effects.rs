//! What a shard wants done after a step: collected while its state is borrowed, carried out after.

use std::sync::Arc;

use corelog_base::{CoreId, GroupId, NodeId};
use corelog_replica::PeerMessage;

use crate::api::Leadership;
use crate::message::{MetadataUpdate, Reply, ReplyTo};
use crate::shard::job::Job;

#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) replies: Vec<(ReplyTo, Reply)>,
    pub(crate) peers: Vec<(NodeId, PeerMessage)>,
    pub(crate) jobs: Vec<Job>,
    /// To every other core.
    pub(crate) leaders: Vec<(GroupId, Leadership)>,
    /// To every other core, in order. Only the metadata's core makes them.
    pub(crate) metadata: Vec<Arc<MetadataUpdate>>,
    /// To the metadata's core: this core is done with these updates.
    pub(crate) applied: Vec<(CoreId, u64)>,
    /// Proposals wait in the groups: run the flush task.
    pub(crate) flush: bool,
}

impl Effects {
    pub(crate) fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.replies.push((to, reply));
    }
}
