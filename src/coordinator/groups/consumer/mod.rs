//! Groups of KIP-848: every member heartbeats, and the coordinator assigns.
//!
//! A change of members, subscriptions or topics raises the *group epoch*. From it follows a *target*:
//! who is to have which partitions. Each member is brought to it on its own, by heartbeats: first it
//! gives up what is no longer its own, then it gets what others have given up. A partition has an
//! owner from the moment that it is handed out until its owner has said that it let go, so no two
//! members have it at a time, and nobody stops for a change that is not about him.

mod assignment;
mod assignor;
mod convert;
mod group;
mod heartbeat;
mod member;
mod pattern;
mod reconcile;
mod records;
mod replay;

#[cfg(test)]
mod assignor_test;

pub(super) use assignment::Assignment;
pub(super) use group::Consumer;
pub(super) use replay::group_of;
