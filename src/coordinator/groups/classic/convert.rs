//! What a classic group is made of, for a group of KIP-848 that follows it or comes before it.

use bytes::Bytes;
use corelog_base::Monotonic;

use super::{Classic, Member, State};
use crate::groups::cx::Cx;
use crate::groups::{Client, Join};
use crate::{Error, Result};

/// A member of consumers, as it is carried over.
pub(in super::super) struct Part {
    pub(in super::super) id: String,
    pub(in super::super) instance: Option<String>,
    pub(in super::super) client: Client,
    pub(in super::super) session_ms: i32,
    pub(in super::super) rebalance_ms: i32,
    /// The chosen one first.
    pub(in super::super) protocols: Vec<(String, Bytes)>,
    pub(in super::super) assignment: Bytes,
}

impl Part {
    pub(in super::super) fn of_join(id: &str, join: &Join) -> Part {
        Part {
            id: id.to_owned(),
            instance: join.instance.clone(),
            client: join.client.clone(),
            session_ms: join.session_ms,
            rebalance_ms: join.rebalance_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
        }
    }
}

impl Classic {
    pub(in super::super) fn generation(&self) -> i32 {
        self.generation
    }

    pub(in super::super) fn parts(&self) -> Vec<Part> {
        let chosen = self.protocol.as_deref();
        let members = self.members.iter();
        members
            .map(|(id, member)| {
                let mut protocols = member.protocols.clone();
                // A stable sort: the chosen one comes first, the others as they were.
                protocols.sort_by_key(|(name, _)| Some(name.as_str()) != chosen);
                Part {
                    id: id.clone(),
                    instance: member.instance.clone(),
                    client: member.client.clone(),
                    session_ms: member.session_ms,
                    rebalance_ms: member.rebalance_ms,
                    protocols,
                    assignment: member.assignment.clone(),
                }
            })
            .collect()
    }

    /// The group becomes another one: who waits joins that.
    pub(in super::super) fn dissolve(&mut self, cx: &mut Cx<'_>) {
        for member in self.members.values_mut() {
            let waiting = [member.joining.take(), member.syncing.take()];
            for token in waiting.into_iter().flatten() {
                cx.reply(token, Err(Error::RebalanceInProgress));
            }
        }
    }

    /// A group in which every member is told to join again.
    pub(in super::super) fn of_parts(
        id: &str,
        generation: i32,
        parts: Vec<Part>,
        cx: &Cx<'_>,
    ) -> Classic {
        let mut group = Classic::new(id, cx.wall());
        group.generation = generation;
        group.protocol_type = super::group::CONSUMER.to_owned();
        for part in parts {
            if let Some(instance) = &part.instance {
                group.statics.insert(instance.clone(), part.id.clone());
            }
            let member = Member {
                instance: part.instance,
                client: part.client,
                session_ms: part.session_ms,
                rebalance_ms: part.rebalance_ms,
                protocols: part.protocols,
                assignment: part.assignment,
                joining: None,
                syncing: None,
                is_new: false,
                synced: true,
                deadline: Monotonic(0),
            };
            group.leader.get_or_insert_with(|| part.id.clone());
            group.members.insert(part.id, member);
        }
        group.protocol = group.choose();
        group.go(State::Stable, cx);
        group
    }

    /// Whether its members' words are Kafka's own consumers'.
    pub(in super::super) fn check_convertible(&self, members_max: u32) -> Result<()> {
        let fits = u32::try_from(self.members.len()).is_ok_and(|n| n < members_max);
        match (self.is_consumers(), fits) {
            (false, _) => Err(Error::GroupNotFound),
            (true, false) => Err(Error::GroupFull),
            (true, true) => Ok(()),
        }
    }
}
