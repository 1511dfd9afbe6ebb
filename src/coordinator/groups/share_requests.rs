//! Requests about share groups.

use corelog_base::TopicId;

use super::group::Members;
use super::{Groups, Reply, ShareHeartbeat};
use crate::{At, Effect, Error, Result, Token};

impl Groups {
    pub(super) fn share(
        &mut self,
        at: &At<'_>,
        beat: &ShareHeartbeat,
        token: Token,
        out: &mut Vec<Effect>,
    ) -> Result<()> {
        let reads = beat
            .topics
            .as_ref()
            .is_some_and(|topics| !topics.is_empty());
        if beat.member.is_empty() || beat.epoch < -1 || beat.epoch == 0 && !reads {
            return Err(Error::InvalidRequest);
        }
        if beat.epoch == 0 {
            self.ensure(&beat.group, at.wall)?;
        }
        let stepped = self.with(&beat.group, at, out, |group, cx| {
            let told = group.share(beat, cx);
            cx.reply(token, told.map(Reply::Beat));
        });
        self.forget(&beat.group);
        stepped
    }

    pub(super) fn describe_share(&self, at: &At<'_>, id: &str) -> Result<Reply> {
        let group = self.groups.get(id).ok_or(Error::GroupNotFound)?;
        match &group.members {
            Members::Share(share) => Ok(Reply::DescribedShare(share.describe(at.topics))),
            _ => Err(Error::GroupNotFound),
        }
    }

    pub(super) fn forget_shared(
        &mut self,
        at: &At<'_>,
        id: &str,
        topic: TopicId,
        token: Token,
        out: &mut Vec<Effect>,
    ) -> Result<()> {
        let known = self.groups.get(id).ok_or(Error::GroupNotFound)?;
        match &known.members {
            Members::Share(_) if known.is_empty() => {}
            Members::Share(_) => return Err(Error::NonEmptyGroup),
            _ => return Err(Error::GroupNotFound),
        }
        self.with(id, at, out, |group, cx| {
            if let Members::Share(share) = &mut group.members {
                share.forget_topic(topic, cx);
            }
            cx.reply(token, Ok(Reply::Done));
        })
    }
}
