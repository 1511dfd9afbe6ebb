//! A member of a classic group.

use std::time::Duration;

use bytes::Bytes;
use corelog_base::Monotonic;

use crate::Token;
use crate::groups::{Client, Join};

pub(in super::super) struct Member {
    /// Of a static member.
    pub(super) instance: Option<String>,
    pub(super) client: Client,
    pub(super) session_ms: i32,
    pub(super) rebalance_ms: i32,
    /// The most wanted first.
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    /// It waits for the next generation.
    pub(super) joining: Option<Token>,
    /// It waits for its assignment.
    pub(super) syncing: Option<Token>,
    /// It has not been in any generation yet: it may be lost while it joins.
    pub(super) is_new: bool,
    /// It has asked for its assignment in this generation.
    pub(super) synced: bool,
    /// When it is lost if nothing is heard of it.
    pub(super) deadline: Monotonic,
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl Member {
    pub(super) fn new(join: &Join, deadline: Monotonic) -> Self {
        Self {
            instance: join.instance.clone(),
            client: join.client.clone(),
            session_ms: join.session_ms,
            rebalance_ms: join.rebalance_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: true,
            synced: false,
            deadline,
        }
    }

    /// What it says now of itself.
    pub(super) fn update(&mut self, join: &Join) {
        self.client = join.client.clone();
        self.session_ms = join.session_ms;
        self.rebalance_ms = join.rebalance_ms;
        self.protocols.clone_from(&join.protocols);
    }

    pub(super) fn session(&self) -> Duration {
        millis(self.session_ms)
    }

    pub(super) fn rebalance(&self) -> Duration {
        millis(self.rebalance_ms)
    }

    /// What it says of itself under a protocol; nothing if it does not have it.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map_or_else(Bytes::new, |(_, metadata)| metadata.clone())
    }

    pub(super) fn has(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }
}
