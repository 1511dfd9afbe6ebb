//! SyncGroup: the leader says what each member gets, and every member asks for it.

use super::join::wait;
use super::{Classic, State};
use crate::groups::cx::Cx;
use crate::groups::{Reply, Sync, Synced};
use crate::{Error, Result, Token};

impl Classic {
    /// Answers, now or when the leader has said what each member gets.
    pub(in super::super) fn sync(&mut self, sync: &Sync, token: Token, cx: &mut Cx<'_>) {
        if let Err(error) = self.try_sync(sync, token, cx) {
            cx.reply(token, Err(error));
        }
    }

    fn try_sync(&mut self, sync: &Sync, token: Token, cx: &mut Cx<'_>) -> Result<()> {
        let id = self.member_of(&sync.membership)?.to_owned();
        self.check_generation(&sync.membership)?;
        let differs = |said: &Option<String>, is: &str| said.as_deref().is_some_and(|s| s != is);
        let protocol = self.protocol.clone().unwrap_or_default();
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &protocol) {
            return Err(Error::InconsistentProtocol);
        }
        match self.state {
            State::Empty => Err(Error::UnknownMember),
            State::Preparing => Err(Error::RebalanceInProgress),
            State::Stable => {
                self.touch(&id, cx);
                self.give(&id, token, cx);
                Ok(())
            }
            State::Completing => {
                if let Some(member) = self.members.get_mut(&id) {
                    wait(&mut member.syncing, token, cx);
                    member.synced = true;
                }
                self.touch(&id, cx);
                if self.leader.as_ref() == Some(&id) {
                    self.settle(sync, cx);
                }
                Ok(())
            }
        }
    }

    /// The leader has spoken. Whom it does not name gets nothing.
    fn settle(&mut self, sync: &Sync, cx: &mut Cx<'_>) {
        for member in self.members.values_mut() {
            member.assignment.clear();
        }
        for (id, assignment) in &sync.assignments {
            if let Some(member) = self.members.get_mut(id) {
                member.assignment = assignment.clone();
            }
        }
        let late = self.sync_until;
        self.go(State::Stable, cx);
        // Who has not asked yet still has the time that it was given.
        self.sync_until = late.filter(|_| self.members.values().any(|member| !member.synced));
        cx.store(self.record());
        let waiting: Vec<(String, Token)> = self
            .members
            .iter_mut()
            .filter_map(|(id, member)| Some((id.clone(), member.syncing.take()?)))
            .collect();
        for (id, token) in waiting {
            self.touch(&id, cx);
            self.give(&id, token, cx);
        }
    }

    fn give(&mut self, id: &str, token: Token, cx: &mut Cx<'_>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.synced = true;
        let synced = Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone().unwrap_or_default(),
            assignment: member.assignment.clone(),
        };
        cx.reply(token, Ok(Reply::Synced(synced)));
    }
}
