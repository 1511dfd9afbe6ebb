//! JoinGroup: who is in, and under which id.

use std::time::Duration;

use super::{Classic, Member, State};
use crate::groups::cx::Cx;
use crate::groups::{Join, Joined, JoinedMember, Reply};
use crate::{Error, Result, Token};

/// How long a member may stay in its first rebalance without a sign of life.
const FIRST_JOIN_MAX: Duration = Duration::from_secs(5 * 60);

/// What becomes of the members that there are when one comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// They are told the generation that there is.
    Generation,
    /// A new generation begins.
    Nothing,
}

impl Join {
    pub(in super::super) fn check_session(&self, cx: &Cx<'_>) -> Result<()> {
        let session = u64::try_from(self.session_ms).map_err(|_| Error::InvalidSessionTimeout)?;
        let session = Duration::from_millis(session);
        let settings = cx.settings();
        match session < settings.session_min || session > settings.session_max {
            true => Err(Error::InvalidSessionTimeout),
            false => Ok(()),
        }
    }
}

impl Classic {
    /// Answers, now or when the group's next generation begins.
    pub(in super::super) fn join(&mut self, join: &Join, token: Token, cx: &mut Cx<'_>) {
        if let Err(error) = self.try_join(join, token, cx) {
            cx.reply(token, Err(error));
        }
    }

    fn try_join(&mut self, join: &Join, token: Token, cx: &mut Cx<'_>) -> Result<()> {
        join.check_session(cx)?;
        self.check_room(join, cx.settings().members_max)?;
        if !self.supports(join) {
            return Err(Error::InconsistentProtocol);
        }
        match (join.member.is_empty(), &join.instance) {
            (true, Some(instance)) => self.join_static(join, instance, token, cx),
            (true, None) => self.join_new(join, token, cx),
            (false, _) => self.join_known(join, token, cx)?,
        }
        Ok(())
    }

    fn check_room(&self, join: &Join, members_max: u32) -> Result<()> {
        let full = |members: usize| members >= usize::try_from(members_max).unwrap_or(usize::MAX);
        let known = self.members.get(&join.member);
        let is_static = join.instance.as_ref();
        let holds = is_static.is_some_and(|instance| self.statics.contains_key(instance));
        let room = match (self.state, known) {
            (State::Empty, _) => true,
            // Whoever joins first in a rebalance stays; others wait for the next.
            (State::Preparing, Some(member)) if member.joining.is_some() => true,
            (State::Preparing, _) if !holds => !full(self.joining_count()),
            (_, Some(_)) => true,
            _ => holds || !full(self.members.len()),
        };
        match room {
            true => Ok(()),
            false => Err(Error::GroupFull),
        }
    }

    fn joining_count(&self) -> usize {
        let joining = self.members.values().filter(|m| m.joining.is_some());
        joining.count() + self.invited.len()
    }

    fn supports(&self, join: &Join) -> bool {
        if join.protocol_type.is_empty() || join.protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        // Who joins again is asked by what it says now.
        let others = self.members.iter().filter(|(id, _)| **id != join.member);
        let common = |name: &str| others.clone().all(|(_, member)| member.has(name));
        self.protocol_type == join.protocol_type
            && join.protocols.iter().any(|(name, _)| common(name))
    }

    fn join_new(&mut self, join: &Join, token: Token, cx: &mut Cx<'_>) {
        let id = format!("{}-{}", join.client.id, cx.uuid());
        if join.abilities.takes_id {
            let session = u64::try_from(join.session_ms).unwrap_or(0);
            let until = cx.wake_in(Duration::from_millis(session));
            self.invited.insert(id.clone(), until);
            return cx.reply(token, Ok(Reply::JoinAs(id)));
        }
        self.add(id, join, token, cx);
    }

    fn join_static(&mut self, join: &Join, instance: &str, token: Token, cx: &mut Cx<'_>) {
        let id = format!("{instance}-{}", cx.uuid());
        match self.statics.get(instance).cloned() {
            None => self.add(id, join, token, cx),
            Some(old) => self.replace(&old, id, join, token, cx),
        }
    }

    fn join_known(&mut self, join: &Join, token: Token, cx: &mut Cx<'_>) -> Result<()> {
        if self.invited.remove(&join.member).is_some() {
            if join.instance.is_some() {
                return Err(Error::InvalidRequest);
            }
            self.add(join.member.clone(), join, token, cx);
            return Ok(());
        }
        let id = self.member_of(&crate::groups::Membership {
            generation: self.generation,
            member: join.member.clone(),
            instance: join.instance.clone(),
        })?;
        let id = id.to_owned();
        let same = self.members.get(&id).map(|m| m.protocols == join.protocols);
        let leads = self.leader.as_ref() == Some(&id);
        let kept = match (self.state, same) {
            (State::Empty, _) => return Err(Error::UnknownMember),
            // It has not heard the answer to its request, or wants nothing new.
            (State::Completing, Some(true)) => Kept::Generation,
            (State::Stable, Some(true)) if !leads => Kept::Generation,
            _ => Kept::Nothing,
        };
        match kept {
            Kept::Generation => {
                self.touch(&id, cx);
                let shown = self.state == State::Completing;
                let joined = self.joined(&id, shown);
                cx.reply(token, Ok(Reply::Joined(joined)));
            }
            Kept::Nothing => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.update(join);
                    wait(&mut member.joining, token, cx);
                }
                self.touch(&id, cx);
                self.rebalance(cx);
            }
        }
        Ok(())
    }

    /// A new member, which waits for the next generation.
    fn add(&mut self, id: String, join: &Join, token: Token, cx: &mut Cx<'_>) {
        let mut member = Member::new(join, cx.wake_in(FIRST_JOIN_MAX));
        member.joining = Some(token);
        if let Some(instance) = &join.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type.clone_from(&join.protocol_type);
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        self.members.insert(id, member);
        if let Some(preparing) = &mut self.preparing {
            preparing.grown = true;
        }
        self.rebalance(cx);
    }

    /// A static member comes back without its id: the one that has its place is fenced. If the group
    /// is stable and goes on with the same protocol, nobody else notices.
    fn replace(&mut self, old: &str, id: String, join: &Join, token: Token, cx: &mut Cx<'_>) {
        let Some(mut member) = self.members.remove(old) else {
            return self.add(id, join, token, cx);
        };
        let waiting = [member.joining.take(), member.syncing.take()];
        for waiting in waiting.into_iter().flatten() {
            cx.reply(waiting, Err(Error::FencedInstance));
        }
        let before = self.leader.clone();
        member.update(join);
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        if before.as_deref() == Some(old) {
            self.leader = Some(id.clone());
        }
        self.members.insert(id.clone(), member);
        self.touch(&id, cx);
        if self.state == State::Stable && self.choose() == self.protocol {
            let leads = self.leader.as_ref() == Some(&id);
            let skips = leads && join.abilities.skips_assignment;
            let mut joined = self.joined(&id, skips);
            joined.skip_assignment = skips;
            if leads && !skips {
                // It cannot be told to leave the assignment alone, so it is not told that it leads.
                joined.leader = before.unwrap_or_default();
            }
            cx.store(self.record());
            return cx.reply(token, Ok(Reply::Joined(joined)));
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = Some(token);
        }
        self.rebalance(cx);
    }

    /// The answer to a member of this generation. `shown`: the leader gets the members.
    pub(super) fn joined(&self, id: &str, shown: bool) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let leader = self.leader.clone().unwrap_or_default();
        let members = match shown && leader == id {
            true => self
                .members
                .iter()
                .map(|(id, member)| JoinedMember {
                    id: id.clone(),
                    instance: member.instance.clone(),
                    metadata: member.metadata(&protocol),
                })
                .collect(),
            false => Vec::new(),
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol,
            leader,
            member: id.to_owned(),
            skip_assignment: false,
            members,
        }
    }
}

/// The place of a request that waits; one before it is told to join again.
pub(super) fn wait(place: &mut Option<Token>, token: Token, cx: &mut Cx<'_>) {
    if let Some(before) = place.replace(token) {
        cx.reply(before, Err(Error::RebalanceInProgress));
    }
}
