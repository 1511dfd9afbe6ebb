//! One group: its members by one of the protocols, and its offsets.

use corelog_base::{Monotonic, TimestampMs};

use super::classic::{Classic, State};
use super::cx::Cx;
use super::offsets::{Offsets, has_expired};
use super::{Listed, Membership, records};
use crate::Result;

pub(super) struct Group {
    pub(super) members: Members,
    pub(super) offsets: Offsets,
    /// When it is to be looked at.
    pub(super) scheduled: Option<Monotonic>,
}

/// By protocol.
pub(super) enum Members {
    Classic(Classic),
}

impl Group {
    pub(super) fn classic(id: &str, wall: TimestampMs) -> Self {
        Self {
            members: Members::Classic(Classic::new(id, wall)),
            offsets: Offsets::default(),
            scheduled: None,
        }
    }

    pub(super) fn state(&self) -> &'static str {
        match &self.members {
            Members::Classic(classic) => classic.state().name(),
        }
    }

    pub(super) fn listed(&self, id: &str) -> Listed {
        match &self.members {
            Members::Classic(classic) => Listed {
                group: id.to_owned(),
                protocol_type: classic.protocol_type.clone(),
                state: self.state(),
                kind: "classic",
            },
        }
    }

    pub(super) fn check_commit(
        &mut self,
        membership: &Membership,
        transactional: bool,
        cx: &mut Cx<'_>,
    ) -> Result<()> {
        match &mut self.members {
            Members::Classic(classic) => classic.check_commit(membership, transactional, cx),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.state() == State::Empty,
        }
    }

    /// There is nothing that anybody could come back to.
    pub(super) fn is_vacant(&self) -> bool {
        let vacant = match &self.members {
            Members::Classic(classic) => classic.is_vacant(),
        };
        vacant && self.offsets.is_empty()
    }

    /// It is vacant, and no record speaks of it.
    pub(super) fn is_forgotten(&self) -> bool {
        let stored = match &self.members {
            Members::Classic(classic) => classic.was_stored(),
        };
        self.is_vacant() && !stored
    }

    pub(super) fn subscribes(&self, topic: &str) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.is_consumers() && classic.subscribes(topic),
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Cx<'_>) {
        match &mut self.members {
            Members::Classic(classic) => classic.tick(cx),
        }
    }

    pub(super) fn resume(&mut self, cx: &mut Cx<'_>) {
        match &mut self.members {
            Members::Classic(classic) => classic.resume(cx),
        }
    }

    /// Removes the offsets that have outlived their use (KIP-211).
    pub(super) fn expire(&mut self, id: &str, cx: &mut Cx<'_>) {
        let (retention, wall) = (cx.settings().offsets_retention, cx.wall());
        let Members::Classic(classic) = &self.members;
        let simple = classic.protocol_type.is_empty();
        let (state, since) = (classic.state(), classic.since);
        let gone = |topic: &str, offset: &super::offsets::Offset| {
            // A group that has members uses its offsets, but for topics that it reads no more.
            let since = match state {
                _ if simple => offset.time,
                State::Empty => since.max(offset.time),
                State::Stable if classic.is_consumers() && !classic.subscribes(topic) => {
                    offset.time
                }
                _ => return false,
            };
            has_expired(offset, since, retention, wall)
        };
        self.offsets.prune(id, gone, &mut cx.records);
    }

    /// The records that say that the group is gone, offsets and all.
    pub(super) fn bury(&mut self, id: &str, cx: &mut Cx<'_>) {
        self.offsets.prune(id, |_, _| true, &mut cx.records);
        match &self.members {
            Members::Classic(classic) if classic.was_stored() => {
                cx.store(records::no_classic_group(id));
            }
            Members::Classic(_) => {}
        }
    }
}
