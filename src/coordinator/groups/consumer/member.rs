//! A member of a group of KIP-848.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::Monotonic;

use super::Assignment;
use crate::groups::Client;

/// How far a member is on its way to its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in super::super) enum Phase {
    /// It has what it is to have.
    #[default]
    Stable,
    /// It has yet to say that it let go of partitions.
    Unrevoked,
    /// Others have yet to let go of partitions that it is to have.
    Unreleased,
}

impl Phase {
    /// As it is stored.
    pub(super) fn number(self) -> i8 {
        match self {
            Phase::Stable => 0,
            Phase::Unrevoked => 1,
            Phase::Unreleased => 2,
        }
    }

    pub(super) fn of(number: i8) -> Phase {
        match number {
            1 => Phase::Unrevoked,
            2 => Phase::Unreleased,
            _ => Phase::Stable,
        }
    }
}

/// What a member wants, as it said last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct Wishes {
    pub(super) instance: Option<String>,
    pub(super) rack: Option<String>,
    pub(super) client: Client,
    pub(super) topics: BTreeSet<String>,
    pub(super) pattern: Option<String>,
    pub(super) rebalance_ms: i32,
    pub(super) assignor: Option<String>,
    /// It speaks JoinGroup and SyncGroup.
    pub(super) classic: Option<ClassicWishes>,
}

/// What a member of the classic protocol says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct ClassicWishes {
    pub(super) session_ms: i32,
    pub(super) protocols: Vec<(String, Bytes)>,
}

/// Where a member stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct Standing {
    /// -2 for a static member that is away.
    pub(super) epoch: i32,
    pub(super) previous: i32,
    pub(super) phase: Phase,
    pub(super) assigned: Assignment,
    /// To be let go of.
    pub(super) revoking: Assignment,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct Member {
    pub(super) wishes: Wishes,
    pub(super) standing: Standing,
    /// When it is lost if nothing is heard of it.
    pub(super) deadline: Monotonic,
    /// When it is lost if it has not let go of what it is to let go of.
    pub(super) revoke_by: Option<Monotonic>,
}

impl Member {
    pub(super) fn rebalance(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.wishes.rebalance_ms).unwrap_or(0))
    }

    /// What nobody else may have meanwhile.
    pub(super) fn holds(&self) -> impl Iterator<Item = (corelog_base::TopicId, i32)> + '_ {
        let standing = &self.standing;
        standing.assigned.each().chain(standing.revoking.each())
    }
}
