//! The group: its members, its target, and who has what.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::{Monotonic, TopicId};

use super::assignor::{self, Input};
use super::member::{Member, Phase, Standing};
use super::{Assignment, pattern, reconcile, records};
use crate::groups::cx::Cx;
use crate::groups::{DescribedConsumer, DescribedConsumerMember, Membership};
use crate::{Error, Result, Topics};

/// The epoch of a static member that is away.
pub(super) const AWAY: i32 = -2;

#[derive(Default)]
pub(in super::super) struct Consumer {
    pub(in super::super) id: String,
    /// Raised by every change that the target depends on.
    pub(super) epoch: i32,
    /// Of the topics that are read, as of the epoch.
    pub(super) hash: i64,
    /// The epoch that the target was made for.
    pub(super) target_epoch: i32,
    pub(super) target: BTreeMap<String, Assignment>,
    pub(super) members: BTreeMap<String, Member>,
    /// Members by the instance of a static member.
    pub(super) statics: BTreeMap<String, String>,
    /// The topics that each pattern matched when it was looked at last.
    pub(super) patterns: BTreeMap<String, BTreeSet<String>>,
    pub(super) owners: BTreeMap<(TopicId, i32), String>,
    /// Topics were made, grown or deleted since the group looked at them.
    pub(super) topics_changed: bool,
}

impl Consumer {
    pub(in super::super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            topics_changed: true,
            ..Self::default()
        }
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(in super::super) fn was_stored(&self) -> bool {
        self.epoch > 0
    }

    /// Every member speaks the classic protocol, and there are some.
    pub(in super::super) fn is_classic(&self) -> bool {
        let mut members = self.members.values();
        !self.members.is_empty() && members.all(|member| member.wishes.classic.is_some())
    }

    pub(in super::super) fn state(&self) -> &'static str {
        let settled = |member: &Member| {
            let standing = &member.standing;
            standing.phase == Phase::Stable && standing.epoch == self.target_epoch
        };
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if !self.members.values().all(settled) {
            "Reconciling"
        } else {
            "Stable"
        }
    }

    pub(in super::super) fn note_topics(&mut self) {
        self.topics_changed = true;
    }

    pub(in super::super) fn subscribes(&self, topic: &str) -> bool {
        self.members
            .keys()
            .any(|id| self.wanted(id).any(|name| name == topic))
    }

    /// The names of the topics that a member reads.
    pub(super) fn wanted(&self, id: &str) -> impl Iterator<Item = &String> {
        let wishes = self.members.get(id).map(|member| &member.wishes);
        let named = wishes.into_iter().flat_map(|wishes| &wishes.topics);
        let pattern = wishes.and_then(|wishes| wishes.pattern.as_ref());
        let matched = pattern.and_then(|pattern| self.patterns.get(pattern));
        named.chain(matched.into_iter().flatten())
    }

    /// A member of this epoch, for a commit or a look at offsets.
    pub(in super::super) fn check(&self, membership: &Membership) -> Result<()> {
        let member = self.members.get(&membership.member);
        let member = member.ok_or(Error::UnknownMember)?;
        match (
            &member.wishes.classic,
            membership.generation == member.standing.epoch,
        ) {
            (_, true) => Ok(()),
            (Some(_), false) => Err(Error::IllegalGeneration),
            (None, false) => Err(Error::StaleMemberEpoch),
        }
    }

    pub(in super::super) fn check_commit(
        &self,
        membership: &Membership,
        transactional: bool,
    ) -> Result<()> {
        let outside = membership.generation < 0;
        let nameless = membership.member.is_empty() && membership.instance.is_none();
        if outside && (self.members.is_empty() || transactional && nameless) {
            return Ok(());
        }
        self.check(membership)
    }

    /// Raises the epoch: the target is made anew by the next heartbeat.
    pub(super) fn bump(&mut self, cx: &mut Cx<'_>) {
        self.epoch += 1;
        cx.store(records::epoch(&self.id, self.epoch, self.hash));
    }

    /// Looks at the topics again if they may have changed. True if what is read has.
    pub(super) fn look(&mut self, cx: &mut Cx<'_>) -> bool {
        if !std::mem::take(&mut self.topics_changed) {
            return false;
        }
        let used: BTreeSet<String> = self
            .members
            .values()
            .filter_map(|member| member.wishes.pattern.clone())
            .collect();
        let gone = self
            .patterns
            .keys()
            .filter(|pattern| !used.contains(*pattern));
        for pattern in gone.cloned().collect::<Vec<_>>() {
            self.patterns.remove(&pattern);
            cx.store(records::no_pattern(&self.id, &pattern));
        }
        for pattern in used {
            // It was good when it came.
            let found = pattern::matches(&pattern, cx.at.topics).unwrap_or_default();
            if self.patterns.get(&pattern) != Some(&found) {
                let wall = cx.wall().0;
                cx.store(records::pattern(&self.id, &pattern, found.iter(), wall));
                self.patterns.insert(pattern, found);
            }
        }
        let hash = self.topics_hash(cx.at.topics);
        let changed = hash != self.hash;
        self.hash = hash;
        changed
    }

    /// FNV-1a over names, ids and sizes of all topics that are read; never 0.
    fn topics_hash(&self, topics: &dyn Topics) -> i64 {
        let mut read: BTreeSet<&String> = BTreeSet::new();
        for id in self.members.keys() {
            read.extend(self.wanted(id));
        }
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut mix = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for name in read {
            if let Some((id, count)) = topics.named(name) {
                mix(name.as_bytes());
                mix(&id.0);
                mix(&count.to_be_bytes());
            }
        }
        i64::from_be_bytes(hash.to_be_bytes()).max(1)
    }

    /// Makes the target of the group's epoch, if it is not made yet.
    pub(super) fn aim(&mut self, cx: &mut Cx<'_>) {
        if self.target_epoch >= self.epoch {
            return;
        }
        let mut partitions = BTreeMap::new();
        let mut members = BTreeMap::new();
        for id in self.members.keys() {
            let found = self.wanted(id).filter_map(|name| cx.at.topics.named(name));
            let found: Vec<(TopicId, u32)> = found.collect();
            members.insert(id.clone(), found.iter().map(|(id, _)| *id).collect());
            partitions.extend(found);
        }
        let input = Input {
            members: &members,
            partitions: &partitions,
            before: &self.target,
        };
        let target = assignor::assign(self.assignor(), &input);
        for (id, assignment) in &target {
            if self.target.get(id) != Some(assignment) {
                cx.store(records::target(&self.id, id, assignment));
            }
        }
        self.target = target;
        self.target_epoch = self.epoch;
        cx.store(records::target_epoch(&self.id, self.target_epoch));
    }

    /// The assignor that most members want; the default if none says.
    pub(super) fn assignor(&self) -> &'static str {
        let votes = |name: &str| {
            let wanted = self.members.values().map(|m| m.wishes.assignor.as_deref());
            wanted.filter(|wanted| *wanted == Some(name)).count()
        };
        let [default, other] = assignor::NAMES;
        match votes(other) > votes(default) {
            true => other,
            false => default,
        }
    }

    /// Brings a member one step nearer to its target. True if what it has has changed.
    pub(super) fn reconcile(
        &mut self,
        id: &str,
        owned: Option<&Assignment>,
        cx: &mut Cx<'_>,
    ) -> bool {
        let Some(member) = self.members.get(id) else {
            return false;
        };
        let nothing = Assignment::default();
        let target = reconcile::Target {
            epoch: self.target_epoch,
            assignment: self.target.get(id).unwrap_or(&nothing),
            owned,
            owners: &self.owners,
        };
        let before = &member.standing;
        let next = reconcile::next(before, &target);
        if next == *before {
            return false;
        }
        let changed = next.assigned != before.assigned;
        self.stand(id, next, cx);
        changed
    }

    /// Puts a member where it stands now.
    pub(super) fn stand(&mut self, id: &str, next: Standing, cx: &mut Cx<'_>) {
        cx.store(records::standing(&self.id, id, &next));
        self.place(id, next);
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.revoke_by = match member.standing.phase {
            Phase::Unrevoked => {
                let wait = member.rebalance();
                Some(member.revoke_by.unwrap_or_else(|| cx.wake_in(wait)))
            }
            _ => None,
        };
    }

    /// As [`Consumer::stand`], without a record.
    pub(super) fn place(&mut self, id: &str, next: Standing) {
        self.release(id);
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.standing = next;
        for partition in member.holds() {
            self.owners.insert(partition, id.to_owned());
        }
    }

    /// What a member has is free.
    pub(super) fn release(&mut self, id: &str) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        for partition in member.holds() {
            if self.owners.get(&partition).is_some_and(|owner| owner == id) {
                self.owners.remove(&partition);
            }
        }
    }

    /// Takes a member out. The caller raises the epoch.
    pub(super) fn remove(&mut self, id: &str, cx: &mut Cx<'_>) {
        self.release(id);
        let Some(member) = self.members.remove(id) else {
            return;
        };
        if let Some(instance) = &member.wishes.instance
            && self
                .statics
                .get(instance)
                .is_some_and(|holder| holder == id)
        {
            self.statics.remove(instance);
        }
        self.target.remove(id);
        // Its pattern may be of no use any more.
        self.topics_changed = true;
        cx.store(records::no_standing(&self.id, id));
        cx.store(records::no_target(&self.id, id));
        cx.store(records::no_wishes(&self.id, id));
    }

    /// Time has passed: members that are silent, or did not let go in time, are lost.
    pub(in super::super) fn tick(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        let lost: Vec<String> = self
            .members
            .iter()
            .filter(|(_, m)| m.deadline <= now || m.revoke_by.is_some_and(|by| by <= now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &lost {
            self.remove(id, cx);
        }
        if !lost.is_empty() {
            self.bump(cx);
        }
        self.wake(cx);
    }

    pub(super) fn wake(&self, cx: &mut Cx<'_>) {
        let members = self.members.values();
        let due = members.flat_map(|m| [Some(m.deadline), m.revoke_by]);
        if let Some(next) = due.flatten().min() {
            cx.wake_at(next);
        }
    }

    /// The state is loaded: every member has its session to be heard of.
    pub(in super::super) fn resume(&mut self, cx: &mut Cx<'_>) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            self.touch(&id, cx);
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            if member.standing.phase == Phase::Unrevoked {
                member.revoke_by = Some(cx.wake_in(member.rebalance()));
            }
        }
    }

    /// It has been heard of: its session begins anew.
    pub(super) fn touch(&mut self, id: &str, cx: &mut Cx<'_>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let session = match &member.wishes.classic {
            Some(classic) => {
                std::time::Duration::from_millis(u64::try_from(classic.session_ms).unwrap_or(0))
            }
            None => cx.settings().consumer_session,
        };
        member.deadline = cx.wake_in(session);
        debug_assert!(member.deadline > Monotonic(0));
    }

    /// The records that say that the group is gone.
    pub(in super::super) fn bury(&mut self, cx: &mut Cx<'_>) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            self.remove(&id, cx);
        }
        for pattern in std::mem::take(&mut self.patterns).into_keys() {
            cx.store(records::no_pattern(&self.id, &pattern));
        }
        cx.store(records::no_target_epoch(&self.id));
        cx.store(records::no_epoch(&self.id));
    }

    pub(in super::super) fn describe(&self, topics: &dyn Topics) -> DescribedConsumer {
        let tell = |assignment: &Assignment| {
            let named = assignment.topics();
            named
                .map(|(id, partitions)| {
                    let name = topics.with_id(id).map(|(name, _)| name);
                    let name = name.unwrap_or_default().to_owned();
                    (id, name, partitions.iter().copied().collect())
                })
                .collect()
        };
        let nothing = Assignment::default();
        let members = self.members.iter().map(|(id, member)| {
            let wishes = &member.wishes;
            DescribedConsumerMember {
                id: id.clone(),
                instance: wishes.instance.clone(),
                rack: wishes.rack.clone(),
                epoch: member.standing.epoch,
                client: wishes.client.clone(),
                topics: wishes.topics.iter().cloned().collect(),
                pattern: wishes.pattern.clone(),
                assigned: tell(&member.standing.assigned),
                target: tell(self.target.get(id).unwrap_or(&nothing)),
                classic: wishes.classic.is_some(),
            }
        });
        DescribedConsumer {
            state: self.state(),
            epoch: self.epoch,
            assignment_epoch: self.target_epoch,
            assignor: self.assignor(),
            members: members.collect(),
        }
    }
}
