//! A coordinator with a clock of its own, for tests: what it stores is kept as a log, from which
//! another one can be loaded.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{
    LeaderEpoch, Monotonic, Offset, ProducerEpoch, ProducerId, TimestampMs, TopicId,
};

use super::*;
use crate::{
    At, Coordinator, Effect, Error, Event, Marker, Producer, Replayed, Reply as AnyReply,
    Request as AnyRequest, Result, Settings, Stored, Token, Topics,
};

pub(super) enum Logged {
    Record(Stored, Option<Producer>),
    Marker(Marker),
}

#[derive(Default)]
pub(super) struct TestTopics(pub(super) BTreeMap<String, (TopicId, u32)>);

impl Topics for TestTopics {
    fn named(&self, name: &str) -> Option<(TopicId, u32)> {
        self.0.get(name).copied()
    }

    fn with_id(&self, id: TopicId) -> Option<(&str, u32)> {
        let mut all = self.0.iter();
        let (name, (_, count)) = all.find(|(_, (known, _))| *known == id)?;
        Some((name, *count))
    }

    fn each(&self, take: &mut dyn FnMut(&str, TopicId, u32)) {
        for (name, (id, count)) in &self.0 {
            take(name, *id, *count);
        }
    }
}

pub(super) struct Bench {
    pub(super) groups: Groups,
    pub(super) topics: TestTopics,
    pub(super) settings: Settings,
    pub(super) now: Monotonic,
    pub(super) log: Vec<Logged>,
    next: u64,
    /// With how much of the log must be committed before they may be told.
    answers: BTreeMap<Token, (usize, Result<Reply>)>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut bench = Self {
            groups: Groups::new(1),
            topics: TestTopics::default(),
            settings: Settings::default(),
            now: Monotonic(1),
            log: Vec::new(),
            next: 0,
            answers: BTreeMap::new(),
        };
        bench.reload();
        bench
    }

    pub(super) fn topic(&mut self, name: &str, partitions: u32) -> TopicId {
        let mut id = [0; 16];
        id[0] = u8::try_from(self.topics.0.len() + 1).unwrap();
        self.topics
            .0
            .insert(name.to_owned(), (TopicId(id), partitions));
        TopicId(id)
    }

    fn with(&mut self, step: impl FnOnce(&mut Groups, &At<'_>, &mut Vec<Effect>)) {
        let mut out = Vec::new();
        let at = At {
            now: self.now,
            wall: TimestampMs(i64::try_from(self.now.0 / 1_000_000).unwrap()),
            topics: &self.topics,
            settings: &self.settings,
        };
        step(&mut self.groups, &at, &mut out);
        for effect in out {
            match effect {
                Effect::Append { records, producer } => {
                    let logged = records.into_iter();
                    self.log.extend(logged.map(|r| Logged::Record(r, producer)));
                }
                Effect::Reply { token, reply } => {
                    let reply = reply.map(|reply| match reply {
                        AnyReply::Group(reply) => reply,
                        AnyReply::Share(_) | AnyReply::Transaction(_) => {
                            panic!("an answer of another coordinator")
                        }
                    });
                    let before = self.answers.insert(token, (self.log.len(), reply));
                    assert!(before.is_none(), "a request is answered once");
                }
                Effect::Mark(_) => panic!("groups write no markers"),
            }
        }
    }

    /// Another coordinator, from what was stored.
    pub(super) fn reload(&mut self) {
        self.groups = Groups::new(self.next + 2);
        self.answers.clear();
        let log = std::mem::take(&mut self.log);
        self.with(|groups, at, out| {
            for logged in &log {
                match logged {
                    Logged::Record(stored, producer) => {
                        let replayed = Replayed {
                            key: &stored.key,
                            value: stored.value.as_deref(),
                            timestamp: at.wall,
                            producer: *producer,
                        };
                        groups.replay(at, &replayed).unwrap();
                    }
                    Logged::Marker(marker) => groups.replay_marker(marker),
                }
            }
            groups.loaded(at, out);
        });
        self.log.splice(0..0, log);
    }

    pub(super) fn ask(&mut self, request: Request) -> Token {
        self.next += 1;
        let token = Token(self.next);
        let request = AnyRequest::Group(request);
        let event = Event::Request { token, request };
        self.with(|groups, at, out| groups.step(at, event, out));
        token
    }

    pub(super) fn event(&mut self, event: Event) {
        if let Event::Marker(marker) = &event {
            self.log.push(Logged::Marker(*marker));
        }
        self.with(|groups, at, out| groups.step(at, event, out));
    }

    pub(super) fn answer(&mut self, token: Token) -> Option<Result<Reply>> {
        self.answers.remove(&token).map(|(_, reply)| reply)
    }

    /// As [`Bench::answer`], of a host whose log is committed up to there.
    pub(super) fn answer_within(
        &mut self,
        token: Token,
        committed: usize,
    ) -> Option<Result<Reply>> {
        let (after, _) = self.answers.get(&token)?;
        match *after <= committed {
            true => self.answer(token),
            false => None,
        }
    }

    /// The broker is killed: what was not committed is gone, but for what was written all the same.
    pub(super) fn crash(&mut self, survives: usize) {
        self.log.truncate(survives);
        self.reload();
    }

    /// Asks what is answered at once.
    pub(super) fn tell(&mut self, request: Request) -> Result<Reply> {
        let token = self.ask(request);
        self.answer(token).expect("it is answered at once")
    }

    /// Lets time pass, with every tick on the way.
    pub(super) fn pass(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(due) = self.groups.deadline()
            && due <= end
        {
            self.now = self.now.max(due);
            self.event(Event::Tick);
        }
        self.now = end;
    }

    pub(super) fn pass_ms(&mut self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }
}

pub(super) fn join(group: &str, member: &str, protocols: &[&str]) -> Join {
    let protocols = protocols.iter();
    Join {
        group: group.to_owned(),
        client: Client {
            id: "c".to_owned(),
            host: "/127.0.0.1".to_owned(),
        },
        member: member.to_owned(),
        instance: None,
        session_ms: 10_000,
        rebalance_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: protocols
            .map(|name| ((*name).to_owned(), Bytes::from_static(b"m")))
            .collect(),
        abilities: Abilities::default(),
    }
}

pub(super) fn membership(generation: i32, member: &str) -> Membership {
    Membership {
        generation,
        member: member.to_owned(),
        instance: None,
    }
}

pub(super) fn commit(group: &str, membership: Membership, topic: &str, offset: i64) -> Commit {
    Commit {
        group: group.to_owned(),
        membership,
        retention_ms: None,
        topics: vec![CommitTopic {
            name: topic.to_owned(),
            id: TopicId::ZERO,
            partitions: vec![CommitPartition {
                partition: 0,
                offset: Offset(offset),
                leader_epoch: LeaderEpoch(-1),
                metadata: "note".to_owned(),
            }],
        }],
    }
}

pub(super) fn outside() -> Membership {
    membership(-1, "")
}

pub(super) fn producer(id: i64) -> Producer {
    Producer {
        id: ProducerId(id),
        epoch: ProducerEpoch(0),
    }
}

impl Bench {
    /// What is committed for partition 0 of a topic.
    pub(super) fn committed(&mut self, group: &str, topic: &str) -> Option<i64> {
        self.fetch(group, topic, false).unwrap()
    }

    pub(super) fn fetch(
        &mut self,
        group: &str,
        topic: &str,
        require_stable: bool,
    ) -> Result<Option<i64>> {
        let fetch = Fetch {
            group: group.to_owned(),
            membership: None,
            topics: Some(vec![(topic.to_owned(), vec![0])]),
            require_stable,
        };
        let Ok(Reply::Fetched(found)) = self.tell(Request::Fetch(fetch)) else {
            panic!("offsets are always told");
        };
        let (_, found) = found[0].partitions[0].clone();
        found.map(|found| found.map(|committed| committed.offset.0))
    }

    pub(super) fn joined(&mut self, token: Token) -> Joined {
        match self.answer(token) {
            Some(Ok(Reply::Joined(joined))) => joined,
            other => panic!("not joined: {other:?}"),
        }
    }

    pub(super) fn sync(&mut self, joined: &Joined, assignments: &[(&str, &'static [u8])]) -> Token {
        let assignments = assignments.iter();
        self.ask(Request::Sync(Sync {
            group: "g".to_owned(),
            membership: membership(joined.generation, &joined.member),
            protocol_type: None,
            protocol: None,
            assignments: assignments
                .map(|(id, bytes)| ((*id).to_owned(), Bytes::from_static(bytes)))
                .collect(),
        }))
    }

    pub(super) fn heartbeat(&mut self, joined: &Joined) -> Result<Reply> {
        self.tell(Request::Heartbeat(Heartbeat {
            group: "g".to_owned(),
            membership: membership(joined.generation, &joined.member),
        }))
    }

    pub(super) fn leave(&mut self, member: &str) -> Result<Reply> {
        self.tell(Request::Leave(Leave {
            group: "g".to_owned(),
            members: vec![Leaver {
                member: member.to_owned(),
                instance: None,
            }],
        }))
    }

    pub(super) fn state(&mut self, group: &str) -> Result<&'static str> {
        match self.tell(Request::Describe(group.to_owned())) {
            Ok(Reply::Described(described)) => Ok(described.state),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    }

    /// A stable group of one or more members: the first leads.
    pub(super) fn stable(&mut self, count: usize) -> Vec<Joined> {
        let asked: Vec<Token> = (0..count)
            .map(|_| self.ask(Request::Join(join("g", "", &["range"]))))
            .collect();
        self.pass_ms(10_000);
        let joined: Vec<Joined> = asked.into_iter().map(|token| self.joined(token)).collect();
        let leader = joined.iter().position(|j| j.leader == j.member).unwrap();
        let tokens: Vec<Token> = joined.iter().map(|j| self.sync(j, &[])).collect();
        assert!(tokens.iter().all(|token| self.answer(*token).is_some()));
        let mut joined = joined;
        joined.swap(0, leader);
        joined
    }
}

pub(super) fn is_done(reply: &Result<Reply>) -> bool {
    matches!(reply, Ok(Reply::Done))
}

pub(super) fn unknown() -> Result<Reply> {
    Err(Error::UnknownMember)
}
