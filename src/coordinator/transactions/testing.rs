//! A coordinator of transactions with a clock of its own, for tests: what it stores is kept as a log,
//! from which another one can be loaded. Markers wait until a test delivers them.

use std::collections::BTreeMap;
use std::time::Duration;

use corelog_base::{Monotonic, ProducerEpoch, ProducerId, TimestampMs, TopicId};

use super::*;
use crate::{
    At, Coordinator, Effect, Event, Producer, Replayed, Reply as AnyReply, Request as AnyRequest,
    Result, Settings, Stored, Token, Topics,
};

struct NoTopics;

impl Topics for NoTopics {
    fn named(&self, _name: &str) -> Option<(TopicId, u32)> {
        None
    }

    fn with_id(&self, _id: TopicId) -> Option<(&str, u32)> {
        None
    }

    fn each(&self, _take: &mut dyn FnMut(&str, TopicId, u32)) {}
}

pub(super) struct Bench {
    pub(super) transactions: Transactions,
    pub(super) settings: Settings,
    pub(super) now: Monotonic,
    pub(super) log: Vec<Stored>,
    /// Not delivered yet.
    pub(super) marks: Vec<Mark>,
    pub(super) answers: BTreeMap<Token, Result<Reply>>,
    next: u64,
    fresh: i64,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut bench = Self {
            transactions: Transactions::default(),
            settings: Settings::default(),
            now: Monotonic(1_000_000_000),
            log: Vec::new(),
            marks: Vec::new(),
            answers: BTreeMap::new(),
            next: 0,
            fresh: 1000,
        };
        bench.reload();
        bench
    }

    fn with(&mut self, step: impl FnOnce(&mut Transactions, &At<'_>, &mut Vec<Effect>)) {
        let mut out = Vec::new();
        let at = At {
            now: self.now,
            wall: TimestampMs(i64::try_from(self.now.0 / 1_000_000).unwrap()),
            topics: &NoTopics,
            settings: &self.settings,
        };
        step(&mut self.transactions, &at, &mut out);
        for effect in out {
            match effect {
                Effect::Append { records, .. } => self.log.extend(records),
                Effect::Mark(mark) => self.marks.push(mark),
                Effect::Reply { token, reply } => {
                    let reply = reply.map(|reply| match reply {
                        AnyReply::Transaction(reply) => reply,
                        _ => panic!("an answer of another coordinator"),
                    });
                    let before = self.answers.insert(token, reply);
                    assert!(before.is_none(), "a request is answered once");
                }
            }
        }
    }

    /// Another coordinator, from what was stored. Markers on their way are lost.
    pub(super) fn reload(&mut self) {
        self.transactions = Transactions::default();
        self.marks.clear();
        self.answers.clear();
        let log = std::mem::take(&mut self.log);
        self.with(|transactions, at, out| {
            for stored in &log {
                let record = Replayed {
                    key: &stored.key,
                    value: stored.value.as_deref(),
                    timestamp: at.wall,
                    producer: None,
                };
                transactions.replay(at, &record).unwrap();
            }
            transactions.loaded(at, out);
        });
        self.log.splice(0..0, log);
    }

    pub(super) fn send(&mut self, request: Request) -> Token {
        self.next += 1;
        let token = Token(self.next);
        let request = AnyRequest::Transaction(request);
        let event = Event::Request { token, request };
        self.with(|transactions, at, out| transactions.step(at, event, out));
        token
    }

    /// Asks, with all markers delivered.
    pub(super) fn ask(&mut self, request: Request) -> Result<Reply> {
        let token = self.send(request);
        self.deliver();
        self.answers.remove(&token).expect("it is answered")
    }

    pub(super) fn deliver(&mut self) -> Vec<Mark> {
        let marks = std::mem::take(&mut self.marks);
        for mark in &marks {
            self.delivered(mark);
        }
        marks
    }

    pub(super) fn delivered(&mut self, mark: &Mark) {
        let event = Event::Marked(Marked {
            id: mark.id.clone(),
            producer: mark.producer,
        });
        self.with(|transactions, at, out| transactions.step(at, event, out));
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.with(|transactions, at, out| transactions.step(at, Event::Tick, out));
    }

    pub(super) fn fresh(&mut self) -> ProducerId {
        self.fresh += 1;
        ProducerId(self.fresh)
    }

    pub(super) fn init_request(&mut self, id: &str, current: Option<Producer>) -> Request {
        Request::Init(Init {
            id: id.to_owned(),
            timeout_ms: 60_000,
            current,
            fresh: self.fresh(),
        })
    }

    pub(super) fn init(&mut self, id: &str, current: Option<Producer>) -> Result<Producer> {
        let request = self.init_request(id, current);
        self.ask(request).map(producer_of)
    }

    pub(super) fn add(&mut self, id: &str, producer: Producer, p: Protocol) -> Result<Reply> {
        self.ask(add(id, producer, p, &[0]))
    }

    pub(super) fn end(
        &mut self,
        id: &str,
        producer: Producer,
        protocol: Protocol,
        committed: bool,
    ) -> Result<Producer> {
        let fresh = Some(self.fresh());
        self.ask(end(id, producer, protocol, committed, fresh))
            .map(producer_of)
    }

    pub(super) fn state(&mut self, id: &str) -> &'static str {
        let id = id.to_owned();
        match self.ask(Request::Describe(Describe { id })) {
            Ok(Reply::Described(described)) => described.state,
            other => panic!("not described: {other:?}"),
        }
    }
}

pub(super) fn producer(id: i64, epoch: i16) -> Producer {
    Producer {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
    }
}

pub(super) fn producer_of(reply: Reply) -> Producer {
    match reply {
        Reply::Producer(producer) => producer,
        other => panic!("no producer: {other:?}"),
    }
}

pub(super) fn add(id: &str, producer: Producer, protocol: Protocol, indexes: &[i32]) -> Request {
    Request::Add(Add {
        id: id.to_owned(),
        producer,
        protocol,
        partitions: [("t".to_owned(), indexes.iter().copied().collect())].into(),
    })
}

pub(super) fn end(
    id: &str,
    producer: Producer,
    protocol: Protocol,
    committed: bool,
    fresh: Option<ProducerId>,
) -> Request {
    Request::End(End {
        id: id.to_owned(),
        producer,
        protocol,
        committed,
        fresh,
    })
}
