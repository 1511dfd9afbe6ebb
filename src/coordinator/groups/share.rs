//! Share groups (KIP-932): who is in, and which partitions each member reads. Several may read one,
//! so nothing is given up before another gets it.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::{Monotonic, TopicId};

use super::consumer::Assignment;
use super::cx::Cx;
use super::share_records as records;
use super::{Beat, Client, DescribedShare, DescribedShareMember, ShareHeartbeat};
use crate::{At, Error, Result, Topics};

#[derive(Default, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) client: Client,
    pub(super) rack: Option<String>,
    pub(super) topics: BTreeSet<String>,
    pub(super) epoch: i32,
    pub(super) previous: i32,
    pub(super) assigned: Assignment,
    /// When it is lost if nothing is heard of it.
    pub(super) deadline: Monotonic,
}

#[derive(Default)]
pub(super) struct Share {
    pub(super) id: String,
    /// Raised by every change of members, subscriptions and topics.
    pub(super) epoch: i32,
    pub(super) members: BTreeMap<String, Member>,
    /// Who is to read what, as of the epoch.
    pub(super) target: BTreeMap<String, Assignment>,
    /// Every partition that a member was ever to read, with the topic's name.
    pub(super) begun: BTreeMap<TopicId, (String, BTreeSet<i32>)>,
    /// Topics were made, grown or deleted since the group looked at them.
    pub(super) topics_changed: bool,
}

impl Share {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            topics_changed: true,
            ..Self::default()
        }
    }

    pub(super) fn state(&self) -> &'static str {
        match self.members.is_empty() {
            true => "Empty",
            false => "Stable",
        }
    }

    pub(super) fn heartbeat(&mut self, beat: &ShareHeartbeat, cx: &mut Cx<'_>) -> Result<Beat> {
        if beat.epoch < 0 {
            if !self.members.contains_key(&beat.member) {
                return Err(Error::UnknownMember);
            }
            self.remove(&beat.member, cx);
            self.bump(cx);
            return Ok(Beat {
                member: beat.member.clone(),
                epoch: beat.epoch,
                assignment: None,
            });
        }
        self.admit(beat, cx)?;
        let is_new = !self.members.contains_key(&beat.member);
        let before = self.members.get(&beat.member).cloned().unwrap_or_default();
        let mut member = before.clone();
        member.client = beat.client.clone();
        if beat.rack.is_some() {
            member.rack.clone_from(&beat.rack);
        }
        if let Some(topics) = &beat.topics {
            member.topics = topics.iter().cloned().collect();
        }
        let wished = member.topics != before.topics;
        if is_new || member != before {
            cx.store(records::member(&self.id, &beat.member, &member));
        }
        self.members.insert(beat.member.clone(), member);
        let looks = std::mem::take(&mut self.topics_changed);
        if is_new || wished || looks && self.aim(cx.at) != self.target {
            self.bump(cx);
        }
        Ok(self.give(beat, cx))
    }

    fn admit(&self, beat: &ShareHeartbeat, cx: &Cx<'_>) -> Result<()> {
        match self.members.get(&beat.member) {
            None if beat.epoch > 0 => Err(Error::UnknownMember),
            None => {
                let full = u32::try_from(self.members.len());
                match full.is_ok_and(|count| count < cx.settings().members_max) {
                    true => Ok(()),
                    false => Err(Error::GroupFull),
                }
            }
            Some(member) => match beat.epoch {
                0 => Ok(()),
                epoch if epoch == member.epoch || epoch == member.previous => Ok(()),
                _ => Err(Error::FencedMemberEpoch),
            },
        }
    }

    /// Brings a member to the group's epoch.
    fn give(&mut self, beat: &ShareHeartbeat, cx: &mut Cx<'_>) -> Beat {
        let target = self.target.get(&beat.member).cloned().unwrap_or_default();
        let session = cx.at.settings.shares.session;
        let deadline = cx.wake_in(session);
        let epoch = self.epoch;
        let mut told = beat.epoch == 0;
        if let Some(member) = self.members.get_mut(&beat.member) {
            member.deadline = deadline;
            told |= member.assigned != target || beat.epoch != member.epoch;
            if member.epoch != epoch || member.assigned != target {
                member.previous = member.epoch;
                member.epoch = epoch;
                member.assigned = target.clone();
                cx.store(records::current(&self.id, &beat.member, member));
            }
        }
        Beat {
            member: beat.member.clone(),
            epoch,
            assignment: told.then(|| {
                let topics = target.topics();
                topics
                    .map(|(topic, partitions)| (topic, partitions.iter().copied().collect()))
                    .collect()
            }),
        }
    }

    /// Raises the epoch, and says who is to read what.
    fn bump(&mut self, cx: &mut Cx<'_>) {
        self.topics_changed = false;
        self.epoch += 1;
        cx.store(records::epoch(&self.id, self.epoch));
        let target = self.aim(cx.at);
        for (id, assignment) in &target {
            if self.target.get(id) != Some(assignment) {
                cx.store(records::target(&self.id, id, assignment));
            }
        }
        self.target = target;
        cx.store(records::target_epoch(&self.id, self.epoch));
        self.note_begun(cx);
    }

    /// Every partition has a reader and every member, where there are partitions, has one to read:
    /// the members of a topic in turn, as often as there are partitions or members.
    fn aim(&self, at: &At<'_>) -> BTreeMap<String, Assignment> {
        let ids = self.members.keys();
        let mut target: BTreeMap<String, Assignment> =
            ids.map(|id| (id.clone(), Assignment::default())).collect();
        let members = self.members.values();
        let topics: BTreeSet<&String> = members.flat_map(|member| &member.topics).collect();
        for name in topics {
            let Some((topic, count)) = at.topics.named(name) else {
                continue;
            };
            let readers = self.members.iter().filter(|(_, m)| m.topics.contains(name));
            let readers: Vec<&String> = readers.map(|(id, _)| id).collect();
            let count = count as usize;
            for turn in 0..count.max(readers.len()) {
                let (partition, reader) = (turn % count.max(1), turn % readers.len().max(1));
                if let Some(reader) = readers.get(reader)
                    && let Some(assignment) = target.get_mut(*reader)
                    && let Ok(partition) = i32::try_from(partition)
                {
                    assignment.insert(topic, partition);
                }
            }
        }
        target
    }

    fn note_begun(&mut self, cx: &mut Cx<'_>) {
        let mut grown = false;
        for (topic, partition) in self.target.values().flat_map(Assignment::each) {
            let name = cx.at.topics.with_id(topic).map(|(name, _)| name.to_owned());
            let known = self.begun.entry(topic);
            let (_, partitions) =
                known.or_insert_with(|| (name.unwrap_or_default(), BTreeSet::new()));
            grown |= partitions.insert(partition);
        }
        if grown {
            cx.store(records::begun(&self.id, &self.begun));
        }
    }

    /// The group has no place in a topic any more.
    pub(super) fn forget_topic(&mut self, topic: TopicId, cx: &mut Cx<'_>) {
        if self.begun.remove(&topic).is_some() {
            cx.store(records::begun(&self.id, &self.begun));
        }
    }

    fn remove(&mut self, id: &str, cx: &mut Cx<'_>) {
        self.members.remove(id);
        self.target.remove(id);
        cx.store(records::no_current(&self.id, id));
        cx.store(records::no_target(&self.id, id));
        cx.store(records::no_member(&self.id, id));
    }

    /// Time has passed: members that are silent are lost.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        let silent = self.members.iter().filter(|(_, m)| m.deadline <= now);
        let silent: Vec<String> = silent.map(|(id, _)| id.clone()).collect();
        for id in &silent {
            self.remove(id, cx);
        }
        if !silent.is_empty() {
            self.bump(cx);
        }
        if let Some(next) = self.members.values().map(|m| m.deadline).min() {
            cx.wake_at(next);
        }
    }

    /// The state is loaded: every member has its session to be heard of.
    pub(super) fn resume(&mut self, cx: &mut Cx<'_>) {
        let session = cx.at.settings.shares.session;
        for member in self.members.values_mut() {
            member.deadline = cx.wake_in(session);
        }
    }

    /// The records that say that the group is gone.
    pub(super) fn bury(&mut self, cx: &mut Cx<'_>) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            self.remove(&id, cx);
        }
        cx.store(records::no_begun(&self.id));
        cx.store(records::no_target_epoch(&self.id));
        cx.store(records::no_epoch(&self.id));
    }

    pub(super) fn describe(&self, topics: &dyn Topics) -> DescribedShare {
        let members = self
            .members
            .iter()
            .map(|(id, member)| DescribedShareMember {
                id: id.clone(),
                rack: member.rack.clone(),
                epoch: member.epoch,
                client: member.client.clone(),
                topics: member.topics.iter().cloned().collect(),
                assigned: member
                    .assigned
                    .topics()
                    .map(|(topic, partitions)| {
                        let name = topics.with_id(topic).map(|(name, _)| name);
                        let name = name.unwrap_or_default().to_owned();
                        (topic, name, partitions.iter().copied().collect())
                    })
                    .collect(),
            });
        let begun = self.begun.iter().map(|(topic, (name, partitions))| {
            (*topic, name.clone(), partitions.iter().copied().collect())
        });
        DescribedShare {
            state: self.state(),
            epoch: self.epoch,
            members: members.collect(),
            begun: begun.collect(),
        }
    }
}
