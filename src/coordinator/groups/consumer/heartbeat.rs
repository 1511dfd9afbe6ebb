//! ConsumerGroupHeartbeat: joins, stays and leaves.

use std::collections::BTreeSet;

use super::group::{AWAY, Consumer};
use super::member::{Member, Wishes};
use super::{Assignment, assignor, pattern, records};
use crate::groups::cx::Cx;
use crate::groups::{Beat, ConsumerHeartbeat};
use crate::{Error, Result};

impl ConsumerHeartbeat {
    /// What a request must say and must not say, whatever the group (KIP-848).
    ///
    /// # Errors
    /// `InvalidRequest` and `UnsupportedAssignor`.
    pub(in super::super) fn check(&self) -> Result<()> {
        let assignor = self.assignor.as_deref();
        if assignor.is_some_and(|name| !assignor::NAMES.contains(&name)) {
            return Err(Error::UnsupportedAssignor);
        }
        let reads = self
            .topics
            .as_ref()
            .is_some_and(|topics| !topics.is_empty())
            || self
                .pattern
                .as_ref()
                .is_some_and(|pattern| !pattern.is_empty());
        let owns_nothing = self.owned.as_ref().is_some_and(Vec::is_empty);
        let good = match self.epoch {
            0 => self.rebalance_ms.is_some() && owns_nothing && reads,
            AWAY => self.instance.is_some() && !self.member.is_empty(),
            -1 | 1.. => !self.member.is_empty(),
            _ => false,
        };
        match good {
            true => Ok(()),
            false => Err(Error::InvalidRequest),
        }
    }
}

impl Consumer {
    pub(in super::super) fn heartbeat(
        &mut self,
        beat: &ConsumerHeartbeat,
        cx: &mut Cx<'_>,
    ) -> Result<Beat> {
        match beat.epoch {
            0.. => self.stay(beat, cx),
            _ => self.leave(beat, cx),
        }
    }

    fn stay(&mut self, beat: &ConsumerHeartbeat, cx: &mut Cx<'_>) -> Result<Beat> {
        let owned = beat.owned.as_ref().map(|owned| {
            let topics = owned.iter();
            topics
                .flat_map(|(topic, partitions)| partitions.iter().map(|p| (*topic, *p)))
                .collect::<Assignment>()
        });
        self.admit(beat, owned.as_ref(), cx)?;
        // A pattern that is not good changes nothing.
        if let Some(text) = beat.pattern.as_deref().filter(|text| !text.is_empty()) {
            pattern::matches(text, cx.at.topics)?;
        }
        let id = match beat.member.is_empty() {
            true => cx.uuid(),
            false => beat.member.clone(),
        };
        let is_new = !self.members.contains_key(&id);
        if is_new {
            self.take_place(beat, &id, cx);
        }
        let wished = self.wish(beat, &id, cx);
        let looked = self.look(cx);
        if is_new || wished || looked {
            self.bump(cx);
        }
        self.aim(cx);
        let changed = self.reconcile(&id, owned.as_ref(), cx);
        self.touch(&id, cx);
        self.wake(cx);
        let whole = beat.rebalance_ms.is_some()
            && (beat.topics.is_some() || beat.pattern.is_some())
            && beat.owned.is_some();
        let standing = &self.members.get(&id).ok_or(Error::UnknownMember)?.standing;
        let told = changed || whole || beat.epoch == 0;
        Ok(Beat {
            member: id,
            epoch: standing.epoch,
            assignment: told.then(|| {
                let topics = standing.assigned.topics();
                topics
                    .map(|(topic, partitions)| (topic, partitions.iter().copied().collect()))
                    .collect()
            }),
        })
    }

    /// Whether the member may be here, in its epoch.
    fn admit(
        &self,
        beat: &ConsumerHeartbeat,
        owned: Option<&Assignment>,
        cx: &Cx<'_>,
    ) -> Result<()> {
        let holder = beat.instance.as_ref().map(|i| self.statics.get(i));
        match holder {
            Some(Some(holder)) if *holder != beat.member => {
                if beat.epoch != 0 {
                    return Err(Error::FencedInstance);
                }
                let away = self.members.get(holder).map(|m| m.standing.epoch) == Some(AWAY);
                return match away {
                    true => Ok(()),
                    false => Err(Error::UnreleasedInstance),
                };
            }
            Some(None) if beat.epoch != 0 => return Err(Error::UnknownMember),
            _ => {}
        }
        let Some(member) = self.members.get(&beat.member) else {
            let members_max = cx.settings().members_max;
            return match beat.epoch {
                0 if u32::try_from(self.members.len()).is_ok_and(|n| n < members_max) => Ok(()),
                0 => Err(Error::GroupFull),
                _ => Err(Error::UnknownMember),
            };
        };
        let standing = &member.standing;
        // One that starts anew has nothing; one that did not hear the last answer is an epoch
        // behind, and has no more than it had been told of.
        let behind = beat.epoch == standing.previous
            && owned.is_some_and(|owned| owned.is_within(&standing.assigned));
        match beat.epoch {
            0 => Ok(()),
            epoch if epoch == standing.epoch || epoch < standing.epoch && behind => Ok(()),
            _ => Err(Error::FencedMemberEpoch),
        }
    }

    /// A new member; as a static one that comes back, it takes the place of the one before.
    fn take_place(&mut self, beat: &ConsumerHeartbeat, id: &str, cx: &mut Cx<'_>) {
        let before = beat
            .instance
            .as_ref()
            .and_then(|i| self.statics.get(i))
            .cloned();
        self.succeed(before.as_deref(), id, cx);
        if let Some(instance) = &beat.instance {
            self.statics.insert(instance.clone(), id.to_owned());
        }
    }

    /// Makes a member, out of the one before if there is one.
    pub(super) fn succeed(&mut self, before: Option<&str>, id: &str, cx: &mut Cx<'_>) {
        let known = before.and_then(|before| self.members.get(before)).cloned();
        let mut member = Member::default();
        if let (Some(before), Some(mut known)) = (before, known) {
            let target = self.target.get(before).cloned().unwrap_or_default();
            self.remove(before, cx);
            known.standing.epoch = 0;
            known.standing.previous = 0;
            member = known;
            cx.store(records::target(&self.id, id, &target));
            self.target.insert(id.to_owned(), target);
        }
        let standing = std::mem::take(&mut member.standing);
        self.members.insert(id.to_owned(), member);
        self.place(id, standing);
    }

    /// Takes what the member says of itself. True if what it wants to read, or how, has changed.
    fn wish(&mut self, beat: &ConsumerHeartbeat, id: &str, cx: &mut Cx<'_>) -> bool {
        let Some(member) = self.members.get_mut(id) else {
            return false;
        };
        let before = member.wishes.clone();
        let wishes = &mut member.wishes;
        if beat.epoch == 0 {
            // It starts anew: what it does not say, it does not want.
            *wishes = Wishes::default();
        }
        wishes.client = beat.client.clone();
        wishes.classic = None;
        if beat.instance.is_some() {
            wishes.instance.clone_from(&beat.instance);
        }
        if beat.rack.is_some() {
            wishes.rack.clone_from(&beat.rack);
        }
        if let Some(rebalance_ms) = beat.rebalance_ms {
            wishes.rebalance_ms = rebalance_ms;
        }
        if let Some(topics) = &beat.topics {
            wishes.topics = topics.iter().cloned().collect::<BTreeSet<_>>();
        }
        if let Some(pattern) = &beat.pattern {
            wishes.pattern = Some(pattern.clone()).filter(|pattern| !pattern.is_empty());
        }
        if beat.assignor.is_some() {
            wishes.assignor.clone_from(&beat.assignor);
        }
        let changed = self.note_wishes(id, &before, cx);
        self.topics_changed |= changed;
        changed
    }

    /// Stores what a member wants if that has changed; true if it wants to read something else.
    pub(super) fn note_wishes(&mut self, id: &str, before: &Wishes, cx: &mut Cx<'_>) -> bool {
        let Some(member) = self.members.get(id) else {
            return false;
        };
        let wishes = &member.wishes;
        if wishes == before {
            return false;
        }
        cx.store(records::wishes(&self.id, id, wishes));
        wishes.topics != before.topics
            || wishes.pattern != before.pattern
            || wishes.assignor != before.assignor
    }

    fn leave(&mut self, beat: &ConsumerHeartbeat, cx: &mut Cx<'_>) -> Result<Beat> {
        if let Some(instance) = &beat.instance {
            let holder = self.statics.get(instance).ok_or(Error::UnknownMember)?;
            if *holder != beat.member {
                return Err(Error::FencedInstance);
            }
        }
        let member = self.members.get(&beat.member).ok_or(Error::UnknownMember)?;
        if beat.epoch == AWAY {
            // It keeps what it has, for as long as its session lasts.
            let mut standing = member.standing.clone();
            standing.previous = standing.epoch;
            standing.epoch = AWAY;
            self.stand(&beat.member, standing, cx);
        } else {
            self.remove(&beat.member, cx);
            self.bump(cx);
        }
        Ok(Beat {
            member: beat.member.clone(),
            epoch: beat.epoch,
            assignment: None,
        })
    }
}
