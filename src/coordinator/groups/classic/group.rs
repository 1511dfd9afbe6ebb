//! What a classic group is, and what it says without changing its phase.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{Monotonic, TimestampMs};
use corelog_wire::kafka::Array;
use corelog_wire::kafka::internal::{
    ConsumerProtocolSubscription, GroupMetadataKey, GroupMetadataMember, GroupMetadataValue,
};

use super::Member;
use crate::groups::cx::Cx;
use crate::groups::records::made;
use crate::groups::{Client, Described, DescribedMember, Membership, Reply};
use crate::{Error, Result, Stored};

/// The protocol type of Kafka's own consumers: its metadata names topics.
pub(in super::super) const CONSUMER: &str = "consumer";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum State {
    Empty,
    Preparing,
    Completing,
    Stable,
}

impl State {
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Preparing => "PreparingRebalance",
            State::Completing => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// While a group prepares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Preparing {
    /// When those who have not joined are left behind.
    pub(super) until: Monotonic,
    /// The group was empty: it waits for more members, and may for that much longer.
    pub(super) initial: Option<Duration>,
    /// A member has come since the wait was set.
    pub(super) grown: bool,
}

pub(in super::super) struct Classic {
    pub(in super::super) id: String,
    pub(super) state: State,
    /// Since when it is in its state.
    pub(in super::super) since: TimestampMs,
    pub(super) generation: i32,
    /// Empty before the first member.
    pub(in super::super) protocol_type: String,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Members by the instance of a static member.
    pub(super) statics: BTreeMap<String, String>,
    /// Ids that were given out, until when they may be used.
    pub(super) invited: BTreeMap<String, Monotonic>,
    pub(super) preparing: Option<Preparing>,
    /// While it completes: when members that did not ask for their assignment are left behind.
    pub(super) sync_until: Option<Monotonic>,
}

impl Classic {
    pub(in super::super) fn new(id: &str, wall: TimestampMs) -> Self {
        Self {
            id: id.to_owned(),
            state: State::Empty,
            since: wall,
            generation: 0,
            protocol_type: String::new(),
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            invited: BTreeMap::new(),
            preparing: None,
            sync_until: None,
        }
    }

    pub(in super::super) fn state(&self) -> State {
        self.state
    }

    /// Nobody is in it, and nobody is about to be.
    pub(in super::super) fn is_vacant(&self) -> bool {
        self.state == State::Empty && self.members.is_empty() && self.invited.is_empty()
    }

    pub(in super::super) fn was_stored(&self) -> bool {
        self.generation > 0
    }

    pub(super) fn go(&mut self, state: State, cx: &Cx<'_>) {
        self.state = state;
        self.since = cx.wall();
        if state != State::Preparing {
            self.preparing = None;
        }
        if state != State::Completing {
            self.sync_until = None;
        }
    }

    /// The member that says who it is, if it is that.
    pub(super) fn member_of(&self, membership: &Membership) -> Result<&str> {
        if let Some(instance) = &membership.instance {
            let holder = self.statics.get(instance).ok_or(Error::UnknownMember)?;
            return match *holder == membership.member {
                true => Ok(holder),
                false => Err(Error::FencedInstance),
            };
        }
        let known = self.members.get_key_value(&membership.member);
        known.map(|(id, _)| id.as_str()).ok_or(Error::UnknownMember)
    }

    pub(super) fn check_generation(&self, membership: &Membership) -> Result<()> {
        match membership.generation == self.generation {
            true => Ok(()),
            false => Err(Error::IllegalGeneration),
        }
    }

    /// It has been heard of: its session begins anew.
    pub(super) fn touch(&mut self, member: &str, cx: &mut Cx<'_>) {
        if let Some(member) = self.members.get_mut(member) {
            member.deadline = cx.wake_in(member.session());
        }
    }

    pub(in super::super) fn heartbeat(
        &mut self,
        membership: &Membership,
        cx: &mut Cx<'_>,
    ) -> Result<Reply> {
        let member = self.member_of(membership)?.to_owned();
        self.check_generation(membership)?;
        match self.state {
            State::Empty => Err(Error::UnknownMember),
            State::Preparing => {
                self.touch(&member, cx);
                Err(Error::RebalanceInProgress)
            }
            State::Completing | State::Stable => {
                self.touch(&member, cx);
                Ok(Reply::Done)
            }
        }
    }

    /// Whether offsets may be committed. `transactional`: the producer vouches for itself.
    pub(in super::super) fn check_commit(
        &mut self,
        membership: &Membership,
        transactional: bool,
        cx: &mut Cx<'_>,
    ) -> Result<()> {
        let outside = membership.generation < 0;
        if outside && self.state == State::Empty {
            return Ok(());
        }
        let named = !membership.member.is_empty() || membership.instance.is_some();
        if !outside || named {
            let member = self.member_of(membership)?.to_owned();
            self.check_generation(membership)?;
            if self.state == State::Completing {
                return Err(Error::RebalanceInProgress);
            }
            self.touch(&member, cx);
            return Ok(());
        }
        match transactional {
            // A transaction without a member comes from a producer of before KIP-447.
            true => Ok(()),
            false => Err(Error::UnknownMember),
        }
    }

    /// Whether a consumer of this group reads the topic, or may: one that does not say which topics
    /// it reads may read any.
    pub(in super::super) fn subscribes(&self, topic: &str) -> bool {
        self.members.values().any(|member| {
            let chosen = self.protocol.as_deref();
            let metadata = member.metadata(chosen.unwrap_or_default());
            let subscription = ConsumerProtocolSubscription::decode(&metadata);
            subscription.map_or(true, |s| s.topics.iter().any(|name| name == topic))
        })
    }

    pub(in super::super) fn is_consumers(&self) -> bool {
        self.protocol_type == CONSUMER
    }

    pub(in super::super) fn describe(&self) -> Described {
        let settled = self.state == State::Stable;
        let chosen = self.protocol.clone().filter(|_| settled);
        let protocol = chosen.unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| DescribedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            metadata: match settled {
                true => member.metadata(&protocol),
                false => Bytes::new(),
            },
            assignment: match settled {
                true => member.assignment.clone(),
                false => Bytes::new(),
            },
        });
        Described {
            state: self.state.name(),
            protocol_type: self.protocol_type.clone(),
            members: members.collect(),
            protocol,
        }
    }

    /// The record of the group as it is.
    pub(in super::super) fn record(&self) -> Stored {
        let chosen = self.protocol.as_deref();
        let kept: Vec<(&String, &Member, Bytes)> = self
            .members
            .iter()
            .map(|(id, member)| (id, member, member.metadata(chosen.unwrap_or_default())))
            .collect();
        let members: Vec<GroupMetadataMember<'_>> = kept
            .iter()
            .map(|(id, member, metadata)| GroupMetadataMember {
                member_id: id,
                group_instance_id: member.instance.as_deref(),
                client_id: &member.client.id,
                client_host: &member.client.host,
                rebalance_timeout: member.rebalance_ms,
                session_timeout: member.session_ms,
                subscription: metadata,
                assignment: &member.assignment,
            })
            .collect();
        let value = GroupMetadataValue {
            protocol_type: &self.protocol_type,
            generation: self.generation,
            protocol: chosen,
            leader: self.leader.as_deref(),
            current_state_timestamp: self.since.0,
            members: Array::from(members),
        };
        Stored {
            key: made(GroupMetadataKey { group: &self.id }.encode()),
            value: Some(made(value.encode(3))),
        }
    }

    /// The group of a record. Its members have yet to be heard of; see [`Classic::resume`].
    pub(in super::super) fn restore(id: &str, value: &GroupMetadataValue<'_>) -> Self {
        let mut group = Self::new(id, TimestampMs(value.current_state_timestamp));
        group.generation = value.generation;
        group.protocol_type = value.protocol_type.to_owned();
        group.protocol = value.protocol.map(str::to_owned);
        group.leader = value.leader.map(str::to_owned);
        for stored in value.members.iter() {
            let protocol = value.protocol.unwrap_or_default().to_owned();
            let session_ms = stored.session_timeout;
            let member = Member {
                instance: stored.group_instance_id.map(str::to_owned),
                client: Client {
                    id: stored.client_id.to_owned(),
                    host: stored.client_host.to_owned(),
                },
                session_ms,
                rebalance_ms: match stored.rebalance_timeout {
                    -1 => session_ms,
                    given => given,
                },
                protocols: vec![(protocol, Bytes::copy_from_slice(stored.subscription))],
                assignment: Bytes::copy_from_slice(stored.assignment),
                joining: None,
                syncing: None,
                is_new: false,
                synced: true,
                deadline: Monotonic(0),
            };
            if let Some(instance) = &member.instance {
                let holder = stored.member_id.to_owned();
                group.statics.insert(instance.clone(), holder);
            }
            group.members.insert(stored.member_id.to_owned(), member);
        }
        if !group.members.is_empty() {
            group.state = State::Stable;
        }
        group
    }

    /// The state is loaded: every member has its session to be heard of.
    pub(in super::super) fn resume(&mut self, cx: &mut Cx<'_>) {
        let members: Vec<String> = self.members.keys().cloned().collect();
        for member in members {
            self.touch(&member, cx);
        }
    }
}
