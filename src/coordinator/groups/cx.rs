//! What a step of one group works with, and what it leaves.

use std::time::Duration;

use corelog_base::{Monotonic, Random, TimestampMs};

use super::Reply;
use crate::{At, Effect, GroupSettings, Reply as Answer, Result, Stored, Token};

/// Records come before replies: whatever a reply tells has been appended before it.
pub(super) struct Cx<'a> {
    pub(super) at: &'a At<'a>,
    pub(super) random: &'a mut Random,
    pub(super) records: Vec<Stored>,
    replies: Vec<(Token, Result<Reply>)>,
    /// The earliest time at which the group wants to be looked at.
    pub(super) wake: Option<Monotonic>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(at: &'a At<'a>, random: &'a mut Random) -> Self {
        Self {
            at,
            random,
            records: Vec::new(),
            replies: Vec::new(),
            wake: None,
        }
    }

    pub(super) fn now(&self) -> Monotonic {
        self.at.now
    }

    pub(super) fn wall(&self) -> TimestampMs {
        self.at.wall
    }

    pub(super) fn settings(&self) -> &'a GroupSettings {
        &self.at.settings.groups
    }

    pub(super) fn reply(&mut self, token: Token, reply: Result<Reply>) {
        self.replies.push((token, reply));
    }

    pub(super) fn store(&mut self, record: Stored) {
        self.records.push(record);
    }

    /// Asks to be looked at after `wait`; gives that time.
    pub(super) fn wake_in(&mut self, wait: Duration) -> Monotonic {
        let at = self.at.now + wait;
        self.wake_at(at);
        at
    }

    pub(super) fn wake_at(&mut self, at: Monotonic) {
        self.wake = Some(self.wake.map_or(at, |known| known.min(at)));
    }

    /// A random UUID (RFC 9562), as members are named.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.random.next_u64(), self.random.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff,
        )
    }

    /// What the host must do. The first append may be of a transaction, on its own.
    pub(super) fn finish(self, out: &mut Vec<Effect>) {
        if !self.records.is_empty() {
            out.push(Effect::Append {
                records: self.records,
                producer: None,
            });
        }
        for (token, reply) in self.replies {
            let reply = reply.map(Answer::Group);
            out.push(Effect::Reply { token, reply });
        }
    }
}
