//! Sessions of share consumers (KIP-932): which partitions a member fetches, so that it need not
//! name them each time. One table a core; a member that comes back over another connection may find
//! another core, is told that it has no session there, and opens one.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::TopicId;
use corelog_wire::kafka::ErrorCode;

/// Sessions of one core; Kafka's default for a broker.
const SESSIONS_MAX: usize = 2_000;
/// Partitions of one session.
const PARTITIONS_MAX: usize = 10_000;

/// The epoch that opens a session, and the one that closes it.
pub(super) const OPEN: i32 = 0;
pub(super) const CLOSE: i32 = -1;

pub(super) type Place = (TopicId, i32);

#[derive(Default)]
struct Session {
    /// Of the next request.
    epoch: i32,
    places: BTreeSet<Place>,
    /// Where the next fetch begins, so that every partition has its turn.
    turn: usize,
}

#[derive(Default)]
pub(super) struct ShareSessions {
    open: BTreeMap<(String, String), Session>,
}

/// A member of a group.
pub(super) type Member = (String, String);

impl ShareSessions {
    /// Takes a request of a session: what it adds and what it forgets.
    ///
    /// # Errors
    /// 122, 123 and 133.
    pub(super) fn enter(
        &mut self,
        member: &Member,
        epoch: i32,
        adds: &[Place],
        forgets: &[Place],
    ) -> Result<(), ErrorCode> {
        if epoch == OPEN {
            if self.open.len() >= SESSIONS_MAX && !self.open.contains_key(member) {
                return Err(ErrorCode::SHARE_SESSION_LIMIT_REACHED);
            }
            self.open.insert(member.clone(), Session::default());
        }
        let session = self.open.get_mut(member);
        let session = session.ok_or(ErrorCode::SHARE_SESSION_NOT_FOUND)?;
        if epoch != CLOSE && epoch != session.epoch {
            return Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH);
        }
        // At the end of its numbers, an epoch begins again with 1.
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        session.places.extend(adds.iter().copied());
        for place in forgets {
            session.places.remove(place);
        }
        if session.places.len() > PARTITIONS_MAX {
            self.open.remove(member);
            return Err(ErrorCode::SHARE_SESSION_LIMIT_REACHED);
        }
        Ok(())
    }

    /// The partitions of a session, each time another one first.
    pub(super) fn places(&mut self, member: &Member) -> Vec<Place> {
        let Some(session) = self.open.get_mut(member) else {
            return Vec::new();
        };
        let mut places: Vec<Place> = session.places.iter().copied().collect();
        session.turn = session.turn.wrapping_add(1);
        if !places.is_empty() {
            let first = session.turn % places.len();
            places.rotate_left(first);
        }
        places
    }

    /// Ends a session; what it held is the caller's to release.
    pub(super) fn close(&mut self, member: &Member) -> Vec<Place> {
        let session = self.open.remove(member);
        session.map_or_else(Vec::new, |session| session.places.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_opened_counted_and_closed() {
        let mut sessions = ShareSessions::default();
        let member = ("g".to_owned(), "m".to_owned());
        let place = |partition| (TopicId([1; 16]), partition);
        let missing = Err(ErrorCode::SHARE_SESSION_NOT_FOUND);
        assert_eq!(sessions.enter(&member, 1, &[], &[]), missing);
        assert_eq!(
            sessions.enter(&member, OPEN, &[place(0), place(1)], &[]),
            Ok(())
        );
        let wrong = Err(ErrorCode::INVALID_SHARE_SESSION_EPOCH);
        assert_eq!(sessions.enter(&member, 2, &[], &[]), wrong);
        assert_eq!(sessions.enter(&member, 1, &[place(2)], &[place(0)]), Ok(()));
        assert_eq!(sessions.places(&member), [place(2), place(1)]);
        assert_eq!(sessions.places(&member), [place(1), place(2)]);
        assert_eq!(sessions.enter(&member, CLOSE, &[], &[]), Ok(()));
        assert_eq!(sessions.close(&member), [place(1), place(2)]);
        assert_eq!(sessions.enter(&member, 2, &[], &[]), missing);
    }
}
