//! Members of the classic protocol in a group of KIP-848, and groups that change from one to the
//! other while they work: with the first member of the new protocol, and with its last.

use bytes::Bytes;
use corelog_wire::kafka::internal::{
    ConsumerProtocolAssignment, ConsumerProtocolPartitions, ConsumerProtocolSubscription,
};

use super::Assignment;
use super::group::Consumer;
use super::member::{ClassicWishes, Member, Phase, Standing, Wishes};
use super::records;
use crate::groups::classic::{Classic, Part};
use crate::groups::cx::Cx;
use crate::groups::records::made;
use crate::groups::{Join, Joined, Leaver, Membership, Reply, Synced};
use crate::{Error, Result, Topics};

/// The newest version of what consumers say to each other.
const PROTOCOL_VERSION_MAX: i16 = 3;

/// The partitions of topics by name, as far as the topics exist.
fn by_id<'a>(
    named: impl Iterator<Item = ConsumerProtocolPartitions<'a>>,
    topics: &dyn Topics,
) -> Assignment {
    let mut all = Assignment::default();
    for topic in named {
        if let Some((id, _)) = topics.named(topic.topic) {
            for partition in topic.partitions.iter() {
                all.insert(id, partition);
            }
        }
    }
    all
}

/// An assignment in the version that the member's subscription was said in.
fn in_words(assignment: &Assignment, subscription: &[u8], topics: &dyn Topics) -> Bytes {
    let said = subscription.first_chunk().copied().map(i16::from_be_bytes);
    let version = said.unwrap_or(0).clamp(0, PROTOCOL_VERSION_MAX);
    let named = assignment.topics().filter_map(|(id, partitions)| {
        Some(ConsumerProtocolPartitions {
            topic: topics.with_id(id)?.0,
            partitions: partitions.iter().copied().collect(),
        })
    });
    let value = ConsumerProtocolAssignment {
        assigned_partitions: named.collect(),
        user_data: None,
    };
    made(value.encode(version))
}

fn wishes(part: &Part) -> Option<Wishes> {
    let (_, metadata) = part.protocols.first()?;
    let subscription = ConsumerProtocolSubscription::decode(metadata).ok()?;
    Some(Wishes {
        instance: part.instance.clone(),
        rack: subscription.rack_id.map(str::to_owned),
        client: part.client.clone(),
        topics: subscription.topics.iter().map(str::to_owned).collect(),
        pattern: None,
        rebalance_ms: part.rebalance_ms,
        assignor: None,
        classic: Some(ClassicWishes {
            session_ms: part.session_ms,
            protocols: part.protocols.clone(),
        }),
    })
}

impl Consumer {
    /// The group that a classic one becomes; None if its members' words are not understood.
    pub(in super::super) fn of_classic(classic: &Classic, cx: &mut Cx<'_>) -> Option<Consumer> {
        let mut group = Consumer::new(&classic.id);
        group.epoch = classic.generation();
        group.target_epoch = group.epoch;
        for part in classic.parts() {
            let wishes = wishes(&part)?;
            let said = ConsumerProtocolAssignment::decode(&part.assignment);
            let assigned = match part.assignment.is_empty() {
                true => Assignment::default(),
                false => by_id(said.ok()?.assigned_partitions.iter(), cx.at.topics),
            };
            if let Some(instance) = &wishes.instance {
                group.statics.insert(instance.clone(), part.id.clone());
            }
            let member = Member {
                wishes,
                ..Member::default()
            };
            group.members.insert(part.id.clone(), member);
            group.target.insert(part.id.clone(), assigned.clone());
            let standing = Standing {
                epoch: group.epoch,
                previous: group.epoch,
                phase: Phase::Stable,
                assigned,
                revoking: Assignment::default(),
            };
            group.place(&part.id, standing);
        }
        group.store_all(cx);
        group.resume(cx);
        Some(group)
    }

    fn store_all(&self, cx: &mut Cx<'_>) {
        for (id, member) in &self.members {
            cx.store(records::wishes(&self.id, id, &member.wishes));
        }
        cx.store(records::epoch(&self.id, self.epoch, self.hash));
        for (id, target) in &self.target {
            cx.store(records::target(&self.id, id, target));
        }
        cx.store(records::target_epoch(&self.id, self.target_epoch));
        for (id, member) in &self.members {
            cx.store(records::standing(&self.id, id, &member.standing));
        }
    }

    /// What a classic group that follows this one is made of.
    pub(in super::super) fn to_classic(&self, cx: &Cx<'_>) -> Classic {
        let parts = self.members.iter().filter_map(|(id, member)| {
            let classic = member.wishes.classic.as_ref()?;
            let (_, subscription) = classic.protocols.first()?;
            let assigned = &member.standing.assigned;
            Some(Part {
                id: id.clone(),
                instance: member.wishes.instance.clone(),
                client: member.wishes.client.clone(),
                session_ms: classic.session_ms,
                rebalance_ms: member.wishes.rebalance_ms,
                protocols: classic.protocols.clone(),
                assignment: in_words(assigned, subscription, cx.at.topics),
            })
        });
        Classic::of_parts(&self.id, self.epoch, parts.collect(), cx)
    }

    /// JoinGroup: the member gets its epoch as a generation, and leads nobody.
    pub(in super::super) fn classic_join(&mut self, join: &Join, cx: &mut Cx<'_>) -> Result<Reply> {
        join.check_session(cx)?;
        if join.member.is_empty() && join.instance.is_none() && join.abilities.takes_id {
            return Ok(Reply::JoinAs(format!("{}-{}", join.client.id, cx.uuid())));
        }
        let (protocol, metadata) = join.protocols.first().ok_or(Error::InconsistentProtocol)?;
        let words = ConsumerProtocolSubscription::decode(metadata);
        let words = words.map_err(|_| Error::InconsistentProtocol)?;
        if join.protocol_type != crate::groups::classic::CONSUMER {
            return Err(Error::InconsistentProtocol);
        }
        let owned = by_id(words.owned_partitions.iter(), cx.at.topics);
        let holder = join
            .instance
            .as_ref()
            .and_then(|i| self.statics.get(i))
            .cloned();
        if holder
            .as_ref()
            .is_some_and(|holder| !join.member.is_empty() && *holder != join.member)
        {
            return Err(Error::FencedInstance);
        }
        let id = match join.member.is_empty() {
            true => format!("{}-{}", join.client.id, cx.uuid()),
            false => join.member.clone(),
        };
        let is_new = !self.members.contains_key(&id);
        if is_new {
            let members_max = cx.settings().members_max;
            let full = u32::try_from(self.members.len()).is_ok_and(|n| n >= members_max);
            if full && holder.is_none() {
                return Err(Error::GroupFull);
            }
            self.succeed(holder.as_deref(), &id, cx);
            if let Some(instance) = &join.instance {
                self.statics.insert(instance.clone(), id.clone());
            }
        }
        let part = Part::of_join(&id, join);
        let wished = wishes(&part).ok_or(Error::InconsistentProtocol)?;
        let before = self
            .members
            .get(&id)
            .map(|m| m.wishes.clone())
            .unwrap_or_default();
        if let Some(member) = self.members.get_mut(&id) {
            member.wishes = wished;
        }
        let wished = self.note_wishes(&id, &before, cx);
        self.topics_changed |= wished;
        let looked = self.look(cx);
        if is_new || wished || looked {
            self.bump(cx);
        }
        self.aim(cx);
        self.reconcile(&id, Some(&owned), cx);
        self.touch(&id, cx);
        self.wake(cx);
        let standing = self.members.get(&id).map(|m| m.standing.epoch);
        Ok(Reply::Joined(Joined {
            generation: standing.unwrap_or_default(),
            protocol_type: join.protocol_type.clone(),
            protocol: protocol.clone(),
            leader: String::new(),
            member: id,
            skip_assignment: false,
            members: Vec::new(),
        }))
    }

    /// The member, if it speaks the classic protocol and is in its generation.
    fn classic_member(&self, membership: &Membership) -> Result<&Member> {
        if let Some(instance) = &membership.instance {
            let holder = self.statics.get(instance).ok_or(Error::UnknownMember)?;
            if *holder != membership.member {
                return Err(Error::FencedInstance);
            }
        }
        let member = self.members.get(&membership.member);
        let member = member.filter(|member| member.wishes.classic.is_some());
        let member = member.ok_or(Error::UnknownMember)?;
        match membership.generation == member.standing.epoch {
            true => Ok(member),
            false => Err(Error::IllegalGeneration),
        }
    }

    pub(in super::super) fn classic_sync(
        &mut self,
        membership: &Membership,
        cx: &mut Cx<'_>,
    ) -> Result<Reply> {
        let member = self.classic_member(membership)?;
        let classic = member.wishes.classic.as_ref();
        let (protocol, subscription) = classic
            .and_then(|classic| classic.protocols.first())
            .ok_or(Error::UnknownMember)?;
        let synced = Synced {
            protocol_type: crate::groups::classic::CONSUMER.to_owned(),
            protocol: protocol.clone(),
            assignment: in_words(&member.standing.assigned, subscription, cx.at.topics),
        };
        self.touch(&membership.member, cx);
        Ok(Reply::Synced(synced))
    }

    /// Tells the member to join again when there is something for it to do.
    pub(in super::super) fn classic_heartbeat(
        &mut self,
        membership: &Membership,
        cx: &mut Cx<'_>,
    ) -> Result<Reply> {
        self.classic_member(membership)?;
        self.touch(&membership.member, cx);
        if self.look(cx) {
            self.bump(cx);
        }
        self.aim(cx);
        let member = self.classic_member(membership)?;
        let standing = &member.standing;
        let waits_for_others = || {
            let nothing = Assignment::default();
            let target = self.target.get(&membership.member).unwrap_or(&nothing);
            let wanted = target.minus(&standing.assigned);
            wanted
                .each()
                .all(|partition| self.owners.contains_key(&partition))
        };
        let rejoins = match standing.phase {
            _ if standing.epoch < self.epoch => true,
            Phase::Stable => false,
            Phase::Unrevoked => true,
            Phase::Unreleased => !waits_for_others(),
        };
        match rejoins {
            true => Err(Error::RebalanceInProgress),
            false => Ok(Reply::Done),
        }
    }

    pub(in super::super) fn classic_leave(&mut self, leavers: &[Leaver], cx: &mut Cx<'_>) -> Reply {
        let mut outcomes = Vec::new();
        for leaver in leavers {
            let holder = leaver
                .instance
                .as_ref()
                .map(|i| self.statics.get(i).cloned());
            let id = match holder {
                Some(None) => Err(Error::UnknownMember),
                Some(Some(holder)) if leaver.member.is_empty() || holder == leaver.member => {
                    Ok(holder)
                }
                Some(Some(_)) => Err(Error::FencedInstance),
                None => Ok(leaver.member.clone()),
            };
            let known = id.and_then(|id| match self.members.contains_key(&id) {
                true => Ok(id),
                false => Err(Error::UnknownMember),
            });
            outcomes.push(known.map(|id| self.remove(&id, cx)));
        }
        if outcomes.iter().any(Result::is_ok) {
            self.bump(cx);
        }
        Reply::Left(outcomes)
    }
}
