//! The groups of one partition.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use corelog_base::{Monotonic, ProducerId, Random, TimestampMs, TopicId};
use corelog_wire::kafka::internal::OffsetsKey;

use super::cx::Cx;
use super::group::{Group, Members};
use super::offsets::{Offset, Offsets};
use super::{
    Commit, ConsumerHeartbeat, DeleteOffsets, Fetch, FetchedTopic, Join, List, Reply, Request,
    TransactionalCommit, records,
};
use crate::{
    At, Coordinator, Effect, Error, Event, Marker, Replayed, Request as AnyRequest, Result, Token,
};

/// Groups of one partition; beyond it, new ones are refused.
const GROUPS_MAX: usize = 200_000;
/// How often all groups are looked through for offsets that have outlived their use.
const EXPIRY: Duration = Duration::from_secs(10 * 60);
/// How many groups one step looks through.
const EXPIRY_GROUPS: usize = 100;

/// See the module.
pub struct Groups {
    random: Random,
    pub(super) groups: BTreeMap<String, Group>,
    /// Groups by when they are to be looked at.
    timers: BTreeSet<(Monotonic, String)>,
    /// Groups that a producer's open transaction has offsets for.
    pub(super) producers: BTreeMap<ProducerId, BTreeSet<String>>,
    /// Commits so far, replayed ones too.
    pub(super) commits: u64,
    expiry: Expiry,
}

/// Where the look through all groups stands.
#[derive(Default)]
struct Expiry {
    at: Option<Monotonic>,
    /// The last group that was looked at.
    after: Option<String>,
}

impl Groups {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            groups: BTreeMap::new(),
            timers: BTreeSet::new(),
            producers: BTreeMap::new(),
            commits: 0,
            expiry: Expiry::default(),
        }
    }

    /// A step of one group that is there.
    pub(super) fn with<O>(
        &mut self,
        id: &str,
        at: &At<'_>,
        out: &mut Vec<Effect>,
        step: impl FnOnce(&mut Group, &mut Cx<'_>) -> O,
    ) -> Result<O> {
        let group = self.groups.get_mut(id).ok_or(Error::GroupNotFound)?;
        let mut cx = Cx::new(at, &mut self.random);
        let done = step(group, &mut cx);
        let wake = cx.wake;
        if let Some(wake) = wake
            && group.scheduled.is_none_or(|known| wake < known)
        {
            if let Some(known) = group.scheduled.replace(wake) {
                self.timers.remove(&(known, id.to_owned()));
            }
            self.timers.insert((wake, id.to_owned()));
        }
        cx.finish(out);
        Ok(done)
    }

    /// Makes a group if there is none.
    pub(super) fn ensure(&mut self, id: &str, wall: TimestampMs) -> Result<()> {
        if id.is_empty() {
            return Err(Error::InvalidGroupId);
        }
        if !self.groups.contains_key(id) {
            if self.groups.len() >= GROUPS_MAX {
                return Err(Error::Unavailable);
            }
            self.groups.insert(id.to_owned(), Group::new(id, wall));
        }
        Ok(())
    }

    /// Forgets a group of which nothing is left, as one that a refused request has made.
    pub(super) fn forget(&mut self, id: &str) {
        if self.groups.get(id).is_some_and(Group::is_forgotten)
            && let Some(group) = self.groups.remove(id)
            && let Some(at) = group.scheduled
        {
            self.timers.remove(&(at, id.to_owned()));
        }
    }

    fn request(&mut self, at: &At<'_>, token: Token, request: Request, out: &mut Vec<Effect>) {
        let reply = match request {
            Request::Join(join) => self.join(at, &join, token, out),
            Request::Sync(sync) => self.member(&sync.group, at, out, |group, cx| {
                group.sync(&sync, token, cx);
            }),
            Request::Leave(leave) => self.member(&leave.group, at, out, |group, cx| {
                group.leave(&leave, token, cx);
            }),
            Request::Heartbeat(heartbeat) => self.member(&heartbeat.group, at, out, |group, cx| {
                group.heartbeat(&heartbeat, token, cx);
            }),
            Request::ConsumerHeartbeat(beat) => self.beat(at, &beat, token, out),
            Request::DescribeConsumer(group) => {
                answer(token, self.describe_consumer(at, &group), out)
            }
            Request::ShareHeartbeat(beat) => self.share(at, &beat, token, out),
            Request::DescribeShare(group) => answer(token, self.describe_share(at, &group), out),
            Request::ForgetShared { group, topic } => {
                self.forget_shared(at, &group, topic, token, out)
            }
            Request::Commit(commit) => self.commit(at, &commit, token, out),
            Request::TransactionalCommit(commit) => self.commit_pending(at, &commit, token, out),
            Request::Fetch(fetch) => answer(token, self.fetch(at, &fetch), out),
            Request::List(list) => answer(token, Ok(self.list(&list)), out),
            Request::Describe(group) => answer(token, self.describe(&group), out),
            Request::Delete(group) => self.delete(at, &group, token, out),
            Request::DeleteOffsets(delete) => self.delete_offsets(at, &delete, token, out),
        };
        if let Err(error) = reply {
            let reply = Err(error);
            out.push(Effect::Reply { token, reply });
        }
    }

    /// A step of a group for one of its members.
    fn member(
        &mut self,
        id: &str,
        at: &At<'_>,
        out: &mut Vec<Effect>,
        step: impl FnOnce(&mut Group, &mut Cx<'_>),
    ) -> Result<()> {
        if id.is_empty() {
            return Err(Error::InvalidGroupId);
        }
        let stepped = self.with(id, at, out, step);
        stepped.map_err(|_| Error::UnknownMember)
    }

    fn beat(
        &mut self,
        at: &At<'_>,
        beat: &ConsumerHeartbeat,
        token: Token,
        out: &mut Vec<Effect>,
    ) -> Result<()> {
        beat.check()?;
        if beat.epoch == 0 {
            self.ensure(&beat.group, at.wall)?;
        }
        let stepped = self.with(&beat.group, at, out, |group, cx| {
            let told = group.beat(beat, cx);
            cx.reply(token, told.map(Reply::Beat));
        });
        self.forget(&beat.group);
        stepped
    }

    fn describe_consumer(&self, at: &At<'_>, id: &str) -> Result<Reply> {
        let group = self.groups.get(id).ok_or(Error::GroupNotFound)?;
        match &group.members {
            Members::Consumer(consumer) => {
                let told = consumer.describe(at.topics);
                Ok(Reply::DescribedConsumer(told))
            }
            _ => Err(Error::GroupNotFound),
        }
    }

    fn join(
        &mut self,
        at: &At<'_>,
        join: &Join,
        token: Token,
        out: &mut Vec<Effect>,
    ) -> Result<()> {
        if join.member.is_empty() {
            self.ensure(&join.group, at.wall)?;
        }
        let joined = self.member(&join.group, at, out, |group, cx| {
            group.join(join, token, cx);
        });
        self.forget(&join.group);
        joined
    }

    /// Makes a group for offsets from outside of any generation.
    fn ensure_commit(&mut self, at: &At<'_>, commit: &Commit) -> Result<()> {
        if commit.group.is_empty() {
            return Err(Error::InvalidGroupId);
        }
        if self.groups.contains_key(&commit.group) {
            return Ok(());
        }
        match commit.membership.generation < 0 {
            true => self.ensure(&commit.group, at.wall),
            false => Err(Error::IllegalGeneration),
        }
    }

    fn commit(
        &mut self,
        at: &At<'_>,
        commit: &Commit,
        token: Token,
        out: &mut Vec<Effect>,
    ) -> Result<()> {
        self.ensure_commit(at, commit)?;
        self.commits += 1;
        let place = self.commits;
        let id = commit.group.as_str();
        let done = self.with(id, at, out, |group, cx| {
            group.check_commit(&commit.membership, false, cx)?;
            let judged = Offsets::judge(commit, at);
            for (topic, partition, offset) in Offsets::of_commit(commit, &judged, at.wall, place) {
                cx.store(records::offset(id, topic, partition, &offset));
                group.offsets.set(topic, partition, offset);
            }
            cx.reply(token, Ok(Reply::Partitions(judged)));
            Ok(())
        });
        self.forget(id);
        done?
    }

    /// The records are in the transaction, so they are appended on their own.
    fn commit_pending(
        &mut self,
        at: &At<'_>,
        request: &TransactionalCommit,
        token: Token,
        out: &mut Vec<Effect>,
    ) -> Result<()> {
        let TransactionalCommit { producer, commit } = request;
        self.ensure_commit(at, commit)?;
        self.commits += 1;
        let place = self.commits;
        let id = commit.group.as_str();
        let mut stored = Vec::new();
        let done = self.with(id, at, out, |group, cx| {
            group.check_commit(&commit.membership, true, cx)?;
            let judged = Offsets::judge(commit, at);
            for (topic, partition, offset) in Offsets::of_commit(commit, &judged, at.wall, place) {
                stored.push(records::offset(id, topic, partition, &offset));
                let offsets = &mut group.offsets;
                offsets.set_pending(producer.id, topic, partition, offset);
            }
            Ok(judged)
        });
        self.forget(id);
        let judged = done??;
        if !stored.is_empty() {
            let groups = self.producers.entry(producer.id).or_default();
            groups.insert(id.to_owned());
            out.push(Effect::Append {
                records: stored,
                producer: Some(*producer),
            });
        }
        answer(token, Ok(Reply::Partitions(judged)), out)
    }

    fn decide(&mut self, marker: &Marker) {
        let groups = self.producers.remove(&marker.producer.id);
        for id in groups.unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&id) {
                group.offsets.decide(marker.producer.id, marker.committed);
            }
            self.forget(&id);
        }
    }

    fn fetch(&mut self, at: &At<'_>, fetch: &Fetch) -> Result<Reply> {
        if let Some(group) = self.groups.get(&fetch.group) {
            group.check_fetch(fetch.membership.as_ref())?;
            return Ok(Reply::Fetched(group.offsets.fetch(fetch, at)));
        }
        let nothing = |(name, partitions): &(String, Vec<i32>)| FetchedTopic {
            name: name.clone(),
            partitions: partitions.iter().map(|index| (*index, Ok(None))).collect(),
        };
        let topics = fetch.topics.iter().flatten().map(nothing);
        Ok(Reply::Fetched(topics.collect()))
    }

    fn list(&self, list: &List) -> Reply {
        let any = |filter: &[String], is: &str| {
            filter.is_empty() || filter.iter().any(|name| name.eq_ignore_ascii_case(is))
        };
        let all = self.groups.values().map(Group::listed);
        let wanted = all.filter(|g| any(&list.states, g.state) && any(&list.types, g.kind));
        Reply::Listed(wanted.collect())
    }

    fn describe(&self, id: &str) -> Result<Reply> {
        let group = self.groups.get(id).ok_or(Error::GroupNotFound)?;
        group.reply_to_describe()
    }

    fn delete(&mut self, at: &At<'_>, id: &str, token: Token, out: &mut Vec<Effect>) -> Result<()> {
        let group = self.groups.get(id).ok_or(Error::GroupNotFound)?;
        if !group.is_empty() {
            return Err(Error::NonEmptyGroup);
        }
        self.with(id, at, out, |group, cx| {
            group.bury(cx);
            cx.reply(token, Ok(Reply::Done));
        })?;
        self.remove(id);
        Ok(())
    }

    fn remove(&mut self, id: &str) {
        if let Some(group) = self.groups.remove(id)
            && let Some(at) = group.scheduled
        {
            self.timers.remove(&(at, id.to_owned()));
        }
    }

    fn delete_offsets(
        &mut self,
        at: &At<'_>,
        delete: &DeleteOffsets,
        token: Token,
        out: &mut Vec<Effect>,
    ) -> Result<()> {
        let id = delete.group.as_str();
        let group = self.groups.get(id).ok_or(Error::GroupNotFound)?;
        if let Members::Classic(classic) = &group.members
            && !group.is_empty()
            && !classic.is_consumers()
        {
            // What the members of another protocol read is not known here.
            return Err(Error::NonEmptyGroup);
        }
        self.with(id, at, out, |group, cx| {
            let mut outcomes = Vec::new();
            for (topic, partitions) in &delete.topics {
                let read = !group.is_empty() && group.subscribes(topic);
                for partition in partitions {
                    if !read && group.offsets.remove(topic, *partition) {
                        cx.store(records::no_offset(id, topic, *partition));
                    }
                    outcomes.push(match read {
                        true => Err(Error::SubscribedTopic),
                        false => Ok(()),
                    });
                }
            }
            cx.reply(token, Ok(Reply::Partitions(outcomes)));
        })?;
        self.forget(id);
        Ok(())
    }

    fn tick(&mut self, at: &At<'_>, out: &mut Vec<Effect>) {
        while let Some((due, id)) = self.timers.first().cloned()
            && due <= at.now
        {
            self.timers.pop_first();
            if let Some(group) = self.groups.get_mut(&id) {
                group.scheduled = None;
            }
            // It may have been forgotten with its timer.
            let _ = self.with(&id, at, out, |group, cx| group.tick(cx));
            self.forget(&id);
        }
        if self.expiry.at.is_some_and(|due| due <= at.now) {
            self.expire_some(at, out);
        }
    }

    /// Looks through a part of the groups, the next part at the next tick.
    fn expire_some(&mut self, at: &At<'_>, out: &mut Vec<Effect>) {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.expiry.after.take();
        let from = after.map_or(Unbounded, Excluded);
        let ids = self.groups.range::<String, _>((from, Unbounded));
        let ids: Vec<String> = ids.map(|(id, _)| id.clone()).take(EXPIRY_GROUPS).collect();
        for id in &ids {
            let vacant = self.with(id, at, out, |group, cx| {
                group.expire(cx);
                if group.is_vacant() {
                    group.bury(cx);
                }
                group.is_vacant()
            });
            if vacant.expect("it was just found") {
                self.remove(id);
            }
        }
        if ids.len() < EXPIRY_GROUPS {
            self.expiry.at = Some(at.now + EXPIRY);
        } else {
            self.expiry.after = ids.last().cloned();
        }
    }

    /// Topics are gone, and with them their offsets.
    fn delete_topics(&mut self, at: &At<'_>, topics: &[TopicId], out: &mut Vec<Effect>) {
        let ids: Vec<String> = self.groups.keys().cloned().collect();
        for id in ids {
            let pruned = self.with(&id, at, out, |group, cx| {
                let gone = |_: &str, offset: &Offset| topics.contains(&offset.topic);
                group.offsets.prune(&id, gone, &mut cx.records);
            });
            pruned.expect("it was just found");
        }
    }
}

/// Answers from a step that stored nothing.
fn answer(token: Token, reply: Result<Reply>, out: &mut Vec<Effect>) -> Result<()> {
    let reply = Ok(crate::Reply::Group(reply?));
    out.push(Effect::Reply { token, reply });
    Ok(())
}

impl Coordinator for Groups {
    fn replay(
        &mut self,
        at: &At<'_>,
        record: &Replayed<'_>,
    ) -> std::result::Result<(), corelog_wire::Error> {
        match OffsetsKey::decode(record.key)? {
            OffsetsKey::OffsetCommit(key) => self.replay_offset(at, &key, record),
            OffsetsKey::GroupMetadata(key) => self.replay_classic(at, key.group, record.value),
            key => self.replay_other(at, &key, record.value),
        }
    }

    fn replay_marker(&mut self, marker: &Marker) {
        self.decide(marker);
    }

    fn loaded(&mut self, at: &At<'_>, out: &mut Vec<Effect>) {
        self.expiry.at = Some(at.now + EXPIRY);
        let ids: Vec<String> = self.groups.keys().cloned().collect();
        for id in ids {
            let resumed = self.with(&id, at, out, |group, cx| group.resume(cx));
            resumed.expect("it was just found");
            self.forget(&id);
        }
    }

    fn step(&mut self, at: &At<'_>, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Request { token, request } => match request {
                AnyRequest::Group(request) => self.request(at, token, request, out),
                AnyRequest::Share(_) | AnyRequest::Transaction(_) => {
                    let reply = Err(Error::InvalidRequest);
                    out.push(Effect::Reply { token, reply });
                }
            },
            Event::Tick => self.tick(at, out),
            Event::TopicsChanged => self.groups.values_mut().for_each(Group::note_topics),
            Event::TopicsDeleted(topics) => self.delete_topics(at, &topics, out),
            Event::Marker(marker) => self.decide(&marker),
            Event::Marked(_) => {}
        }
    }

    fn deadline(&self) -> Option<Monotonic> {
        let group = self.timers.first().map(|(at, _)| *at);
        group.into_iter().chain(self.expiry.at).min()
    }
}
