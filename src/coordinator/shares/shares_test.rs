//! Records of a share group: each to one member at a time, until it is done with.

use std::time::Duration;

use corelog_base::{Monotonic, Offset, TimestampMs, TopicId};

use super::*;
use crate::{
    At, Coordinator, Effect, Error, Event, Replayed, Reply as AnyReply, Request as AnyRequest,
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

struct Bench {
    shares: Shares,
    now: Monotonic,
    log: Vec<Stored>,
}

fn key() -> Key {
    Key {
        group: "g".to_owned(),
        topic: TopicId([1; 16]),
        partition: 0,
    }
}

impl Bench {
    /// Ten records and a marker are there, in two batches.
    fn new() -> Self {
        let mut bench = Self {
            shares: Shares::default(),
            now: Monotonic(1),
            log: Vec::new(),
        };
        let begin = Request::Begin {
            key: key(),
            start: Offset(0),
        };
        assert_eq!(bench.ask(begin), Ok(Reply::Done));
        bench
    }

    fn event(&mut self, event: Event) -> Option<Result<Reply>> {
        let mut out = Vec::new();
        let at = At {
            now: self.now,
            wall: TimestampMs(1),
            topics: &NoTopics,
            settings: &Settings::default(),
        };
        self.shares.step(&at, event, &mut out);
        let mut answer = None;
        for effect in out {
            match effect {
                Effect::Mark(_) => panic!("share groups write no markers"),
                Effect::Append { records, .. } => self.log.extend(records),
                Effect::Reply { reply, .. } => {
                    answer = Some(reply.map(|reply| match reply {
                        AnyReply::Share(reply) => reply,
                        other => panic!("{other:?}"),
                    }));
                }
            }
        }
        answer
    }

    fn ask(&mut self, request: Request) -> Result<Reply> {
        let request = AnyRequest::Share(request);
        let token = Token(1);
        self.event(Event::Request { token, request }).unwrap()
    }

    fn reload(&mut self) {
        self.shares = Shares::default();
        let at = At {
            now: self.now,
            wall: TimestampMs(1),
            topics: &NoTopics,
            settings: &Settings::default(),
        };
        for stored in &self.log {
            let replayed = Replayed {
                key: &stored.key,
                value: stored.value.as_deref(),
                timestamp: TimestampMs(1),
                producer: None,
            };
            self.shares.replay(&at, &replayed).unwrap();
        }
    }

    fn next(&mut self) -> Option<i64> {
        let next = Next {
            key: key(),
            log_start: Offset(0),
        };
        match self.ask(Request::Next(next)) {
            Ok(Reply::Next(next)) => next.map(|offset| offset.0),
            other => panic!("{other:?}"),
        }
    }

    fn acquire(&mut self, member: &str, most: u32, mode: Mode) -> Vec<(i64, i64, i16)> {
        let batch = |first, last, control| Batch {
            first: Offset(first),
            last: Offset(last),
            control,
        };
        let asked = Acquire {
            key: key(),
            member: member.to_owned(),
            batches: vec![batch(0, 4, false), batch(5, 5, true), batch(6, 10, false)],
            records_max: most,
            mode,
        };
        match self.ask(Request::Acquire(asked)) {
            Ok(Reply::Acquired(all)) => {
                all.iter().map(|a| (a.first.0, a.last.0, a.count)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn acknowledge(&mut self, member: &str, first: i64, last: i64, types: &[i8]) -> Result<Reply> {
        self.ask(Request::Acknowledge(Acknowledge {
            key: key(),
            member: member.to_owned(),
            batches: vec![Verdicts {
                first: Offset(first),
                last: Offset(last),
                types: types.to_vec(),
            }],
        }))
    }

    fn position(&mut self) -> (i64, i64) {
        match self.ask(Request::Read(key())) {
            Ok(Reply::Position(position)) => (position.start.0, position.done),
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, by: Duration) {
        self.now = self.now + by;
        self.event(Event::Tick);
    }
}

#[test]
fn each_record_is_held_by_one_until_it_is_done_with() {
    let mut bench = Bench::new();
    assert_eq!(bench.acquire("a", 3, Mode::Records), [(0, 2, 1)]);
    // A batch is taken whole where that is asked; what is held is left out.
    assert_eq!(bench.acquire("b", 1, Mode::Batches), [(3, 4, 1)]);
    assert_eq!(bench.next(), Some(5));
    assert_eq!(bench.acquire("b", 100, Mode::Batches), [(6, 10, 1)]);
    assert_eq!(bench.acquire("b", 100, Mode::Batches), []);

    let refused = Err(Error::InvalidRecordState);
    assert_eq!(bench.acknowledge("b", 0, 2, &[1]), refused);
    assert_eq!(bench.acknowledge("a", 0, 3, &[1]), refused);
    assert_eq!(
        bench.acknowledge("a", 0, 2, &[1, 2]),
        Err(Error::InvalidRequest)
    );
    // The first is taken, the second is given back, the third nobody shall have.
    assert_eq!(bench.acknowledge("a", 0, 2, &[1, 2, 3]), Ok(Reply::Done));
    assert_eq!(bench.position().0, 1);
    assert_eq!(bench.next(), Some(1));
    assert_eq!(bench.acquire("c", 1, Mode::Records), [(1, 1, 2)]);
    assert_eq!(bench.acknowledge("a", 0, 2, &[1]), refused);
}

#[test]
fn who_does_not_answer_in_time_loses_its_records_and_who_renews_does_not() {
    let mut bench = Bench::new();
    bench.acquire("a", 2, Mode::Records);
    bench.pass(Duration::from_secs(20));
    assert_eq!(bench.acknowledge("a", 1, 1, &[4]), Ok(Reply::Done));
    bench.pass(Duration::from_secs(11));
    assert_eq!(bench.acquire("b", 2, Mode::Records), [(0, 0, 2), (2, 2, 1)]);
    assert_eq!(
        bench.acknowledge("a", 0, 0, &[1]),
        Err(Error::InvalidRecordState)
    );
    assert_eq!(bench.acknowledge("a", 1, 1, &[1]), Ok(Reply::Done));
}

#[test]
fn a_record_that_nobody_takes_is_given_up_after_five_times() {
    let mut bench = Bench::new();
    for count in 1..=5 {
        assert_eq!(bench.acquire("a", 1, Mode::Records), [(0, 0, count)]);
        assert_eq!(bench.acknowledge("a", 0, 0, &[2]), Ok(Reply::Done));
        bench.reload();
    }
    assert_eq!(bench.acquire("a", 1, Mode::Records), [(1, 1, 1)]);
    assert_eq!(bench.position().0, 1);
}

#[test]
fn what_was_acknowledged_outlives_the_coordinator_and_what_was_held_does_not() {
    let mut bench = Bench::new();
    bench.acquire("a", 100, Mode::Batches);
    bench.acknowledge("a", 0, 1, &[1]).unwrap();
    bench.acknowledge("a", 4, 4, &[1]).unwrap();
    bench.reload();
    assert_eq!(bench.position(), (2, 2));
    let again = bench.acquire("b", 100, Mode::Batches);
    assert_eq!(again, [(2, 3, 2), (6, 10, 2)]);
    let release = Request::Release {
        key: key(),
        member: "b".to_owned(),
    };
    bench.ask(release).unwrap();
    assert_eq!(bench.acquire("c", 1, Mode::Records), [(2, 2, 3)]);
}

#[test]
fn what_the_log_has_lost_is_skipped() {
    let mut bench = Bench::new();
    bench.acquire("a", 2, Mode::Records);
    let next = Next {
        key: key(),
        log_start: Offset(8),
    };
    assert_eq!(
        bench.ask(Request::Next(next)),
        Ok(Reply::Next(Some(Offset(8))))
    );
    assert_eq!(bench.acknowledge("a", 0, 1, &[1]), Ok(Reply::Done));
    assert_eq!(bench.acquire("a", 100, Mode::Batches), [(8, 10, 1)]);
}

#[test]
fn not_more_are_held_than_may_be() {
    let mut bench = Bench::new();
    let asked = Acquire {
        key: key(),
        member: "a".to_owned(),
        batches: vec![Batch {
            first: Offset(0),
            last: Offset(9_999),
            control: false,
        }],
        records_max: 100_000,
        mode: Mode::Batches,
    };
    let Ok(Reply::Acquired(all)) = bench.ask(Request::Acquire(asked)) else {
        panic!("acquired");
    };
    assert_eq!(all.last().map(|a| a.last), Some(Offset(1_999)));
    assert_eq!(bench.next(), None);
    assert_eq!(
        bench.acknowledge("a", 0, i64::MAX, &[1]),
        Err(Error::InvalidRequest)
    );
    assert_eq!(
        bench.acknowledge("a", 0, i64::MAX - 1, &[1]),
        Err(Error::InvalidRecordState)
    );
}
