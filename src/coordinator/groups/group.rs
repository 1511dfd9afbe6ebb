//! One group: its members by one of the protocols, and its offsets.

use corelog_base::{Monotonic, TimestampMs};
use corelog_wire::kafka::internal::OffsetsKey;

use super::classic::{Classic, State};
use super::consumer::Consumer;
use super::cx::Cx;
use super::offsets::{Offset, Offsets, has_expired};
use super::share::Share;
use super::{
    Beat, ConsumerHeartbeat, Heartbeat, Join, Leave, Listed, Membership, Reply, ShareHeartbeat,
    Sync, records,
};
use crate::{Error, Result, Token};

pub(super) struct Group {
    id: String,
    pub(super) members: Members,
    pub(super) offsets: Offsets,
    /// When it is to be looked at.
    pub(super) scheduled: Option<Monotonic>,
}

/// By protocol.
pub(super) enum Members {
    Classic(Classic),
    Consumer(Consumer),
    Share(Share),
}

impl Group {
    pub(super) fn new(id: &str, wall: TimestampMs) -> Self {
        Self {
            id: id.to_owned(),
            members: Members::Classic(Classic::new(id, wall)),
            offsets: Offsets::default(),
            scheduled: None,
        }
    }

    pub(super) fn state(&self) -> &'static str {
        match &self.members {
            Members::Classic(classic) => classic.state().name(),
            Members::Consumer(consumer) => consumer.state(),
            Members::Share(share) => share.state(),
        }
    }

    pub(super) fn listed(&self) -> Listed {
        let (protocol_type, kind) = match &self.members {
            Members::Classic(classic) => (classic.protocol_type.clone(), "classic"),
            Members::Consumer(_) => ("consumer".to_owned(), "consumer"),
            Members::Share(_) => ("share".to_owned(), "share"),
        };
        Listed {
            group: self.id.clone(),
            protocol_type,
            state: self.state(),
            kind,
        }
    }

    pub(super) fn join(&mut self, join: &Join, token: Token, cx: &mut Cx<'_>) {
        if let Members::Consumer(consumer) = &mut self.members
            && consumer.is_empty()
        {
            // Nobody is left of the other protocol.
            consumer.bury(cx);
            self.members = Members::Classic(Classic::new(&self.id, cx.wall()));
        }
        match &mut self.members {
            Members::Classic(classic) => classic.join(join, token, cx),
            Members::Consumer(consumer) => {
                let reply = consumer.classic_join(join, cx);
                cx.reply(token, reply);
                self.downgrade(cx);
            }
            Members::Share(_) => cx.reply(token, Err(Error::InconsistentProtocol)),
        }
    }

    pub(super) fn sync(&mut self, sync: &Sync, token: Token, cx: &mut Cx<'_>) {
        match &mut self.members {
            Members::Classic(classic) => classic.sync(sync, token, cx),
            Members::Consumer(consumer) => {
                let reply = consumer.classic_sync(&sync.membership, cx);
                cx.reply(token, reply);
            }
            Members::Share(_) => cx.reply(token, Err(Error::UnknownMember)),
        }
    }

    pub(super) fn heartbeat(&mut self, heartbeat: &Heartbeat, token: Token, cx: &mut Cx<'_>) {
        let reply = match &mut self.members {
            Members::Classic(classic) => classic.heartbeat(&heartbeat.membership, cx),
            Members::Consumer(consumer) => consumer.classic_heartbeat(&heartbeat.membership, cx),
            Members::Share(_) => Err(Error::UnknownMember),
        };
        cx.reply(token, reply);
    }

    pub(super) fn leave(&mut self, leave: &Leave, token: Token, cx: &mut Cx<'_>) {
        match &mut self.members {
            Members::Classic(classic) => classic.leave(&leave.members, token, cx),
            Members::Consumer(consumer) => {
                let reply = consumer.classic_leave(&leave.members, cx);
                cx.reply(token, Ok(reply));
                self.downgrade(cx);
            }
            Members::Share(_) => cx.reply(token, Err(Error::UnknownMember)),
        }
    }

    pub(super) fn beat(&mut self, beat: &ConsumerHeartbeat, cx: &mut Cx<'_>) -> Result<Beat> {
        if let Members::Classic(classic) = &mut self.members {
            if beat.epoch != 0 {
                return Err(Error::GroupNotFound);
            }
            let consumer = match classic.state() {
                State::Empty => Consumer::new(&self.id),
                _ => {
                    classic.check_convertible(cx.settings().members_max)?;
                    classic.dissolve(cx);
                    let follows = Consumer::of_classic(classic, cx);
                    follows.ok_or(Error::GroupNotFound)?
                }
            };
            if classic.was_stored() {
                // Before the records of what follows.
                cx.records.insert(0, records::no_classic_group(&self.id));
            }
            self.members = Members::Consumer(consumer);
        }
        let Members::Consumer(consumer) = &mut self.members else {
            return Err(Error::GroupNotFound);
        };
        let told = consumer.heartbeat(beat, cx);
        self.downgrade(cx);
        told
    }

    pub(super) fn share(&mut self, beat: &ShareHeartbeat, cx: &mut Cx<'_>) -> Result<Beat> {
        if beat.epoch == 0 && self.is_vacant() && !matches!(self.members, Members::Share(_)) {
            self.bury(cx);
            self.members = Members::Share(Share::new(&self.id));
        }
        match &mut self.members {
            Members::Share(share) => share.heartbeat(beat, cx),
            _ => Err(Error::GroupNotFound),
        }
    }

    /// The last member of KIP-848 is gone, and others are there: they go on as a classic group.
    fn downgrade(&mut self, cx: &mut Cx<'_>) {
        let Members::Consumer(consumer) = &mut self.members else {
            return;
        };
        if !consumer.is_classic() {
            return;
        }
        let mut classic = consumer.to_classic(cx);
        consumer.bury(cx);
        cx.store(classic.record());
        classic.resume(cx);
        classic.rebalance(cx);
        self.members = Members::Classic(classic);
    }

    pub(super) fn check_commit(
        &mut self,
        membership: &Membership,
        transactional: bool,
        cx: &mut Cx<'_>,
    ) -> Result<()> {
        match &mut self.members {
            Members::Classic(classic) => classic.check_commit(membership, transactional, cx),
            Members::Consumer(consumer) => consumer.check_commit(membership, transactional),
            Members::Share(_) => Err(Error::GroupNotFound),
        }
    }

    /// Whether a member may see offsets; a classic one is not asked for its generation.
    pub(super) fn check_fetch(&self, membership: Option<&Membership>) -> Result<()> {
        match (&self.members, membership) {
            (Members::Consumer(consumer), Some(membership)) => consumer.check(membership),
            _ => Ok(()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.state() == State::Empty,
            Members::Consumer(consumer) => consumer.is_empty(),
            Members::Share(share) => share.members.is_empty(),
        }
    }

    /// There is nothing that anybody could come back to.
    pub(super) fn is_vacant(&self) -> bool {
        let vacant = match &self.members {
            Members::Classic(classic) => classic.is_vacant(),
            Members::Consumer(consumer) => consumer.is_empty(),
            // Its places in partitions are kept as long as nobody deletes it.
            Members::Share(share) => share.members.is_empty() && share.begun.is_empty(),
        };
        vacant && self.offsets.is_empty()
    }

    /// It is vacant, and no record speaks of it.
    pub(super) fn is_forgotten(&self) -> bool {
        let stored = match &self.members {
            Members::Classic(classic) => classic.was_stored(),
            Members::Consumer(consumer) => consumer.was_stored(),
            Members::Share(share) => share.epoch > 0,
        };
        self.is_vacant() && !stored
    }

    pub(super) fn subscribes(&self, topic: &str) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.is_consumers() && classic.subscribes(topic),
            Members::Consumer(consumer) => consumer.subscribes(topic),
            Members::Share(_) => false,
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Cx<'_>) {
        match &mut self.members {
            Members::Classic(classic) => classic.tick(cx),
            Members::Consumer(consumer) => {
                consumer.tick(cx);
                self.downgrade(cx);
            }
            Members::Share(share) => share.tick(cx),
        }
    }

    pub(super) fn resume(&mut self, cx: &mut Cx<'_>) {
        match &mut self.members {
            Members::Classic(classic) => classic.resume(cx),
            Members::Consumer(consumer) => consumer.resume(cx),
            Members::Share(share) => share.resume(cx),
        }
    }

    pub(super) fn note_topics(&mut self) {
        match &mut self.members {
            Members::Classic(_) => {}
            Members::Consumer(consumer) => consumer.note_topics(),
            Members::Share(share) => share.topics_changed = true,
        }
    }

    /// Removes the offsets that have outlived their use (KIP-211).
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>) {
        let (retention, wall) = (cx.settings().offsets_retention, cx.wall());
        let members = &self.members;
        let gone = |topic: &str, offset: &Offset| {
            // A group that has members uses its offsets, but for topics that it reads no more.
            let since = match members {
                Members::Classic(classic) => match classic.state() {
                    _ if classic.protocol_type.is_empty() => offset.time,
                    State::Empty => classic.since.max(offset.time),
                    State::Stable if classic.is_consumers() && !classic.subscribes(topic) => {
                        offset.time
                    }
                    _ => return false,
                },
                Members::Consumer(consumer) if consumer.subscribes(topic) => return false,
                Members::Consumer(_) | Members::Share(_) => offset.time,
            };
            has_expired(offset, since, retention, wall)
        };
        self.offsets.prune(&self.id, gone, &mut cx.records);
    }

    /// The records that say that the group is gone, offsets and all.
    pub(super) fn bury(&mut self, cx: &mut Cx<'_>) {
        self.offsets.prune(&self.id, |_, _| true, &mut cx.records);
        match &mut self.members {
            Members::Classic(classic) if classic.was_stored() => {
                cx.store(records::no_classic_group(&self.id));
            }
            Members::Classic(_) => {}
            Members::Consumer(consumer) => consumer.bury(cx),
            Members::Share(share) => share.bury(cx),
        }
    }

    /// Takes a record of KIP-848 that is about this group.
    pub(super) fn replay_consumer(
        &mut self,
        key: &OffsetsKey<'_>,
        value: Option<&[u8]>,
        wall: TimestampMs,
    ) -> std::result::Result<(), corelog_wire::Error> {
        let ends = matches!(key, OffsetsKey::ConsumerGroupMetadata(_)) && value.is_none();
        match &mut self.members {
            Members::Consumer(_) if ends => {
                self.members = Members::Classic(Classic::new(&self.id, wall));
                Ok(())
            }
            Members::Consumer(consumer) => consumer.replay(key, value),
            // What is gone was not of this group.
            Members::Classic(_) | Members::Share(_) if value.is_none() => Ok(()),
            Members::Classic(_) | Members::Share(_) => {
                let mut consumer = Consumer::new(&self.id);
                let replayed = consumer.replay(key, value);
                self.members = Members::Consumer(consumer);
                replayed
            }
        }
    }

    pub(super) fn reply_to_describe(&self) -> Result<Reply> {
        match &self.members {
            Members::Classic(classic) => Ok(Reply::Described(classic.describe())),
            Members::Consumer(_) | Members::Share(_) => Err(Error::GroupNotFound),
        }
    }

    /// Takes a record of share groups that is about this group.
    pub(super) fn replay_share(
        &mut self,
        key: &OffsetsKey<'_>,
        value: Option<&[u8]>,
        wall: TimestampMs,
    ) -> std::result::Result<(), corelog_wire::Error> {
        let ends = matches!(key, OffsetsKey::ShareGroupMetadata(_)) && value.is_none();
        match &mut self.members {
            Members::Share(_) if ends => {
                self.members = Members::Classic(Classic::new(&self.id, wall));
                Ok(())
            }
            Members::Share(share) => share.replay(key, value),
            _ if value.is_none() => Ok(()),
            _ => {
                let mut share = Share::new(&self.id);
                let replayed = share.replay(key, value);
                self.members = Members::Share(share);
                replayed
            }
        }
    }
}
