//! Groups of the classic protocol (JoinGroup, SyncGroup): the members choose a protocol that all of
//! them have, and one of them, the leader, says what each gets. What protocols and assignments mean
//! is between the members.
//!
//! | state | meaning |
//! |---|---|
//! | empty | no members; offsets may be there |
//! | preparing | a generation ends: members join, until all have or the time is up |
//! | completing | all know the generation; the leader has yet to say who gets what |
//! | stable | every member can have its assignment |

mod convert;
mod group;
mod join;
mod member;
mod phase;
mod sync;

pub(super) use convert::Part;
use group::Preparing;
pub(super) use group::{CONSUMER, Classic, State};
pub(super) use member::Member;
