//! Fetch sessions (KIP-227): a consumer names its partitions once, then only what changes, and
//! gets only what changed. One table a core; a session that another core made is unknown here
//! (70), and the client starts anew.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;
use std::time::Duration;

use corelog_base::{LeaderEpoch, Monotonic, Offset, PartitionIndex, TopicId};

/// Kafka's `max.incremental.fetch.session.cache.slots`.
const SESSIONS_MAX: usize = 1000;
/// A session unused for so long makes room for another.
const UNUSED_MIN: Duration = Duration::from_secs(120);
/// Partitions in all sessions of a core, at about 150 bytes each.
const PARTITIONS_MAX: usize = 100_000;

/// How a request names a topic: by id from version 13 on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum TopicRef {
    Id(TopicId),
    Name(Rc<str>),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    pub(super) topic: TopicRef,
    pub(super) partition: PartitionIndex,
}

/// What a consumer asks of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub(super) offset: Offset,
    pub(super) leader_epoch: Option<LeaderEpoch>,
    pub(super) bytes_max: u32,
}

/// What a partition's answer said, as far as a change of it must be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) high_watermark: Offset,
    pub(super) log_start: Offset,
}

/// What a request says of its session.
pub(super) struct Asked {
    pub(super) id: i32,
    pub(super) epoch: i32,
    /// New partitions and changed ones; all of them in a full request.
    pub(super) wanted: Vec<(Key, Wanted)>,
    pub(super) forgotten: Vec<Key>,
}

/// Which session an answer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Membership {
    /// The answer is whole and its session id is 0.
    None,
    /// The answer is whole: the session has just been made.
    New { id: i32 },
    /// The answer holds what changed.
    Incremental { id: i32 },
}

impl Membership {
    /// As the response carries it.
    pub(super) fn id(self) -> i32 {
        match self {
            Membership::None => 0,
            Membership::New { id } | Membership::Incremental { id } => id,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SessionError {
    /// Kafka's 70.
    NotFound,
    /// Kafka's 71.
    WrongEpoch,
    /// Topics by id in a session by name, or the reverse: Kafka's 106.
    TopicIds,
}

/// What is to be read for a request.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) membership: Membership,
    pub(super) parts: Vec<(Key, Wanted)>,
}

struct Cached {
    wanted: Wanted,
    told: Option<Told>,
}

struct Session {
    /// The epoch that the next request must have; 1 or above.
    epoch: i32,
    partitions: BTreeMap<Key, Cached>,
    used: Monotonic,
    /// The partition after the last that had data: the next answer starts there, so that one
    /// busy partition does not fill every answer.
    first: Option<Key>,
}

#[derive(Default)]
pub(super) struct Sessions {
    sessions: BTreeMap<i32, Session>,
    partitions: usize,
}

impl Sessions {
    /// Finds, makes or ends the session of a request, and says what to read. `random` names a new
    /// session.
    pub(super) fn plan(
        &mut self,
        asked: Asked,
        now: Monotonic,
        random: u64,
    ) -> Result<Plan, SessionError> {
        if asked.epoch > 0 {
            return self.incremental(asked, now);
        }
        self.remove(asked.id);
        let id = match asked.epoch {
            0 => self.create(&asked.wanted, now, random),
            _ => None,
        };
        Ok(Plan {
            membership: id.map_or(Membership::None, |id| Membership::New { id }),
            parts: asked.wanted,
        })
    }

    fn create(&mut self, wanted: &[(Key, Wanted)], now: Monotonic, random: u64) -> Option<i32> {
        let id = i32::try_from(random & 0x7fff_ffff)
            .ok()
            .filter(|id| *id > 0)?;
        let full = self.partitions + wanted.len() > PARTITIONS_MAX;
        if wanted.is_empty() || full || self.sessions.contains_key(&id) || !self.make_room(now) {
            return None;
        }
        let cached = |wanted| Cached { wanted, told: None };
        let partitions: BTreeMap<Key, Cached> = wanted
            .iter()
            .map(|(key, wanted)| (key.clone(), cached(*wanted)))
            .collect();
        self.partitions += partitions.len();
        let session = Session {
            epoch: 1,
            partitions,
            used: now,
            first: None,
        };
        self.sessions.insert(id, session);
        Some(id)
    }

    /// True if a slot is free, maybe because the least used session has made way.
    fn make_room(&mut self, now: Monotonic) -> bool {
        if self.sessions.len() < SESSIONS_MAX {
            return true;
        }
        let least = self.sessions.iter().min_by_key(|(_, session)| session.used);
        match least {
            Some((id, session)) if now.since(session.used) >= UNUSED_MIN => {
                self.remove(*id);
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.partitions.len();
        }
    }

    fn incremental(&mut self, asked: Asked, now: Monotonic) -> Result<Plan, SessionError> {
        let session = self
            .sessions
            .get_mut(&asked.id)
            .ok_or(SessionError::NotFound)?;
        if session.epoch != asked.epoch {
            return Err(SessionError::WrongEpoch);
        }
        if !session.agrees(&asked) {
            return Err(SessionError::TopicIds);
        }
        let before = session.partitions.len();
        session.update(asked.wanted, &asked.forgotten);
        session.used = now;
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        let parts = session.in_turn();
        let after = session.partitions.len();
        self.partitions = self.partitions - before + after;
        // An empty session is of no use, and one that has outgrown the table must go: a whole
        // answer with session id 0 tells the client so.
        if after == 0 || self.partitions > PARTITIONS_MAX {
            self.remove(asked.id);
            return Ok(Plan {
                membership: Membership::None,
                parts,
            });
        }
        Ok(Plan {
            membership: Membership::Incremental { id: asked.id },
            parts,
        })
    }

    /// Notes what an answer tells of one partition (none for an error) and whether it has
    /// records. True if the partition belongs into the answer.
    pub(super) fn tell(
        &mut self,
        membership: Membership,
        key: &Key,
        told: Option<Told>,
        has_records: bool,
    ) -> bool {
        let (id, is_whole) = match membership {
            Membership::None => return true,
            Membership::New { id } => (id, true),
            Membership::Incremental { id } => (id, false),
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return true;
        };
        let Some(cached) = session.partitions.get_mut(key) else {
            return true;
        };
        let is_news = told.is_none() || cached.told != told || has_records;
        cached.told = told;
        if has_records {
            let after = (Bound::Excluded(key), Bound::Unbounded);
            let next = session.partitions.range::<Key, _>(after).next();
            session.first = next.map(|(key, _)| key.clone());
        }
        is_whole || is_news
    }
}

impl Session {
    /// Topics are named the way they were when the session was made.
    fn agrees(&self, asked: &Asked) -> bool {
        let by_id = |key: &Key| matches!(key.topic, TopicRef::Id(_));
        let Some(here) = self.partitions.keys().next().map(by_id) else {
            return true;
        };
        let wanted = asked.wanted.iter().map(|(key, _)| key);
        wanted.chain(&asked.forgotten).all(|key| by_id(key) == here)
    }

    fn update(&mut self, wanted: Vec<(Key, Wanted)>, forgotten: &[Key]) {
        for (key, wanted) in wanted {
            let cached = Cached { wanted, told: None };
            self.partitions
                .entry(key)
                .and_modify(|known| known.wanted = wanted)
                .or_insert(cached);
        }
        for key in forgotten {
            self.partitions.remove(key);
        }
    }

    /// All partitions, beginning at the one whose turn it is.
    fn in_turn(&self) -> Vec<(Key, Wanted)> {
        let own = |(key, cached): (&Key, &Cached)| (key.clone(), cached.wanted);
        match &self.first {
            None => self.partitions.iter().map(own).collect(),
            Some(first) => {
                let from = self.partitions.range(first..);
                from.chain(self.partitions.range(..first))
                    .map(own)
                    .collect()
            }
        }
    }
}

#[cfg(test)]
#[path = "sessions_test.rs"]
mod tests;
