//! Generations: how one ends and the next begins, and who is left behind.

use std::collections::BTreeMap;
use std::time::Duration;

use corelog_base::Monotonic;

use super::{Classic, Preparing, State};
use crate::Error;
use crate::groups::cx::Cx;
use crate::groups::{Leaver, Reply};
use crate::{Result, Token};

impl Classic {
    /// Members have come, gone or changed: the generation ends, unless it is ending already.
    pub(in super::super) fn rebalance(&mut self, cx: &mut Cx<'_>) {
        if self.state != State::Preparing {
            self.prepare(cx);
        }
        self.try_complete(cx);
    }

    fn prepare(&mut self, cx: &mut Cx<'_>) {
        for member in self.members.values_mut() {
            member.synced = false;
            if let Some(token) = member.syncing.take() {
                cx.reply(token, Err(Error::RebalanceInProgress));
            }
        }
        let longest = self.members.values().map(|m| m.rebalance()).max();
        let longest = longest.unwrap_or_default();
        let initial = self.state == State::Empty;
        let delay = cx.settings().initial_delay;
        let (wait, initial) = match initial {
            true => (delay, Some(longest.saturating_sub(delay))),
            false => (longest, None),
        };
        self.go(State::Preparing, cx);
        self.preparing = Some(Preparing {
            until: cx.wake_in(wait),
            initial,
            grown: false,
        });
    }

    /// Ends the preparation if everybody is there; an empty group waits its time for others.
    fn try_complete(&mut self, cx: &mut Cx<'_>) {
        let Some(preparing) = self.preparing else {
            return;
        };
        let all = self.invited.is_empty() && self.members.values().all(|m| m.joining.is_some());
        let early = preparing.initial.is_none() || self.members.is_empty();
        // Without any delay, the first member does not wait for others.
        let over = preparing.until <= cx.now() && !preparing.grown;
        if all && (early || over) {
            self.complete(cx);
        }
    }

    /// The time of the preparation is up.
    fn end_preparation(&mut self, preparing: Preparing, cx: &mut Cx<'_>) {
        if let Some(left) = preparing.initial
            && preparing.grown
            && !left.is_zero()
        {
            let wait = cx.settings().initial_delay.min(left);
            self.preparing = Some(Preparing {
                until: cx.wake_in(wait),
                initial: Some(left - wait),
                grown: false,
            });
            return;
        }
        self.complete(cx);
    }

    /// The next generation begins with those who have joined.
    fn complete(&mut self, cx: &mut Cx<'_>) {
        let late: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.joining.is_none() && member.instance.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            self.drop_member(&id, Error::UnknownMember, cx);
        }
        if !self.members.is_empty() && !self.elect() {
            // Only static members, none of which has come back: they have their sessions.
            let longest = self.members.values().map(|m| m.rebalance()).max();
            self.preparing = Some(Preparing {
                until: cx.wake_in(longest.unwrap_or_default()),
                initial: None,
                grown: false,
            });
            return;
        }
        // At the end of its numbers, a generation begins again with 1.
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.protocol = None;
            self.leader = None;
            self.go(State::Empty, cx);
            return cx.store(self.record());
        }
        self.protocol = self.choose();
        self.go(State::Completing, cx);
        self.announce(cx);
    }

    /// Tells the generation to all who wait for it.
    fn announce(&mut self, cx: &mut Cx<'_>) {
        let longest = self.members.values().map(|m| m.rebalance()).max();
        self.sync_until = Some(cx.wake_in(longest.unwrap_or_default()));
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id, true);
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.is_new = false;
            // A static member that is away need not ask.
            member.synced = member.joining.is_none();
            if let Some(token) = member.joining.take() {
                member.deadline = cx.wake_in(member.session());
                cx.reply(token, Ok(Reply::Joined(joined)));
            }
        }
    }

    /// A leader that has joined stays; else it is one of those who have. False if none has.
    fn elect(&mut self) -> bool {
        let joined = |id: &String| self.members.get(id).is_some_and(|m| m.joining.is_some());
        if self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        let first = self.members.keys().find(|id| joined(id)).cloned();
        let found = first.is_some();
        self.leader = first.or_else(|| self.leader.take());
        found
    }

    /// The protocol that all members have and most of them want.
    pub(super) fn choose(&self) -> Option<String> {
        let common = |name: &str| self.members.values().all(|member| member.has(name));
        let mut votes: BTreeMap<&str, u32> = BTreeMap::new();
        for member in self.members.values() {
            let wanted = member.protocols.iter().find(|(name, _)| common(name));
            if let Some((name, _)) = wanted {
                *votes.entry(name).or_default() += 1;
            }
        }
        // Of two that are wanted as much, the first by name: any may be chosen, but always the same.
        let best = votes.into_iter().rev().max_by_key(|(_, votes)| *votes);
        best.map(|(name, _)| name.to_owned())
    }

    /// Takes a member out and answers what it waits for.
    fn drop_member(&mut self, id: &str, error: Error, cx: &mut Cx<'_>) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        for waiting in [member.joining, member.syncing].into_iter().flatten() {
            cx.reply(waiting, Err(error));
        }
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    pub(in super::super) fn leave(&mut self, leavers: &[Leaver], token: Token, cx: &mut Cx<'_>) {
        let before = self.members.len();
        let outcomes: Vec<Result<()>> = leavers.iter().map(|l| self.leave_one(l, cx)).collect();
        self.shrunk(before, cx);
        cx.reply(token, Ok(Reply::Left(outcomes)));
    }

    /// There were that many members, and perhaps more invitations.
    fn shrunk(&mut self, before: usize, cx: &mut Cx<'_>) {
        match self.members.len() < before && self.state != State::Empty {
            true => self.rebalance(cx),
            false => self.try_complete(cx),
        }
    }

    fn leave_one(&mut self, leaver: &Leaver, cx: &mut Cx<'_>) -> Result<()> {
        let member = match &leaver.instance {
            Some(instance) => {
                let holder = self.statics.get(instance).ok_or(Error::UnknownMember)?;
                if !leaver.member.is_empty() && leaver.member != *holder {
                    return Err(Error::FencedInstance);
                }
                holder.clone()
            }
            None => leaver.member.clone(),
        };
        if self.invited.remove(&member).is_some() {
            return Ok(());
        }
        if !self.members.contains_key(&member) {
            return Err(Error::UnknownMember);
        }
        self.drop_member(&member, Error::UnknownMember, cx);
        Ok(())
    }

    /// Time has passed: sessions, invitations and phases that are over. Asks to be woken for the
    /// next of them.
    pub(in super::super) fn tick(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        let before = self.members.len();
        self.invited.retain(|_, until| *until > now);
        for id in self.silent(now) {
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            if !member.is_new && (member.joining.is_some() || member.syncing.is_some()) {
                // It waits for us, and cannot say anything meanwhile.
                member.deadline = now + member.session().max(Duration::from_millis(1));
                continue;
            }
            self.drop_member(&id, Error::UnknownMember, cx);
        }
        if self.sync_until.is_some_and(|until| until <= now) {
            self.leave_unsynced(cx);
        }
        self.shrunk(before, cx);
        if let Some(preparing) = self.preparing
            && preparing.until <= now
        {
            self.end_preparation(preparing, cx);
        }
        self.wake(cx);
    }

    fn silent(&self, now: Monotonic) -> Vec<String> {
        let silent = self.members.iter().filter(|(_, m)| m.deadline <= now);
        silent.map(|(id, _)| id.clone()).collect()
    }

    /// Members that never asked for their assignment.
    fn leave_unsynced(&mut self, cx: &mut Cx<'_>) {
        self.sync_until = None;
        let unsynced: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| !member.synced)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &unsynced {
            self.drop_member(id, Error::UnknownMember, cx);
        }
    }

    fn wake(&self, cx: &mut Cx<'_>) {
        let members = self.members.values().map(|m| m.deadline);
        let invited = self.invited.values().copied();
        let phases = self
            .preparing
            .map(|p| p.until)
            .into_iter()
            .chain(self.sync_until);
        if let Some(next) = members.chain(invited).chain(phases).min() {
            cx.wake_at(next);
        }
    }
}
