//! Random producers, markers that come late, twice or never, and crashes: no transaction is torn.

use std::collections::BTreeMap;
use std::time::Duration;

use corelog_base::Random;

use super::testing::{Bench, add, end};
use super::*;
use crate::{Producer, Token};

/// What a client has asked and not heard of yet.
enum Asked {
    Init,
    Add,
    End { of: Producer, committed: bool },
}

/// One client with a transactional id; others with the same id are its rivals.
struct Client {
    id: String,
    producer: Option<Producer>,
    asked: Option<(Token, Asked)>,
    open: bool,
}

/// What partitions were told of a transaction, by its producer's id and the epoch of its markers.
type Ends = BTreeMap<(String, i64, i16), Vec<bool>>;

fn run(seed: u64, protocol: Protocol) {
    let mut random = Random::new(seed);
    let mut bench = Bench::new();
    let client = |at: u64| Client {
        id: format!("id{}", at % 2),
        producer: None,
        asked: None,
        open: false,
    };
    let mut clients: Vec<Client> = (0..4).map(client).collect();
    let mut ends = Ends::new();
    let mut told: Vec<(Producer, bool)> = Vec::new();
    for _ in 0..400 {
        let at = usize::try_from(random.below(4)).unwrap();
        let lot = random.below(100);
        match lot {
            0..60 => act(&mut bench, &mut clients[at], &mut random, protocol),
            60..85 => deliver(&mut bench, &mut random, &mut ends),
            85..97 => bench.pass(Duration::from_millis(random.below(90_000))),
            _ => {
                bench.reload();
                // Whoever waits hears nothing.
                for client in &mut clients {
                    client.asked = None;
                    client.producer = client.producer.filter(|_| random.chance(500));
                }
            }
        }
        for client in &mut clients {
            hear(&mut bench, client, &mut told);
        }
    }
    while !bench.marks.is_empty() {
        deliver(&mut bench, &mut random, &mut ends);
    }
    for ((id, producer, epoch), ends) in &ends {
        let same = ends.iter().all(|end| *end == ends[0]);
        assert!(
            same,
            "seed {seed}: {id} {producer}/{epoch} is torn: {ends:?}"
        );
    }
    for (producer, committed) in told {
        let epoch = match protocol {
            Protocol::Classic => producer.epoch.0,
            Protocol::Epochs => producer.epoch.0 + 1,
        };
        let mut of = ends.iter();
        let found = of.find(|((_, id, e), _)| (*id, *e) == (producer.id.0, epoch));
        let found = found.map(|(_, ends)| ends[0]);
        // The older protocol ends many transactions in one epoch.
        if protocol == Protocol::Epochs {
            assert_eq!(
                found,
                Some(committed),
                "seed {seed}: {producer:?} was told so"
            );
        }
    }
    healed(&mut bench, protocol);
}

fn act(bench: &mut Bench, client: &mut Client, random: &mut Random, protocol: Protocol) {
    if client.asked.is_some() {
        return;
    }
    let id = client.id.clone();
    let Some(producer) = client.producer else {
        let request = bench.init_request(&id, None);
        client.asked = Some((bench.send(request), Asked::Init));
        return;
    };
    let asked = match (client.open, random.below(10)) {
        (false, _) | (true, 0..5) => {
            let index = i32::try_from(random.below(5)).unwrap();
            (
                bench.send(add(&id, producer, protocol, &[index])),
                Asked::Add,
            )
        }
        (true, lot) => {
            let committed = lot < 8;
            let fresh = Some(bench.fresh());
            let of = producer;
            let request = end(&id, producer, protocol, committed, fresh);
            (bench.send(request), Asked::End { of, committed })
        }
    };
    client.asked = Some(asked);
}

/// A mark is delivered, sometimes twice, sometimes only to partitions and the word of it is lost.
fn deliver(bench: &mut Bench, random: &mut Random, ends: &mut Ends) {
    if bench.marks.is_empty() {
        return;
    }
    let place = random.below(u64::try_from(bench.marks.len()).unwrap());
    let mark = bench.marks.remove(usize::try_from(place).unwrap());
    if mark.protocol == Protocol::Epochs {
        let key = (mark.id.clone(), mark.producer.id.0, mark.producer.epoch.0);
        let known = ends.entry(key).or_default();
        known.extend(mark.partitions.values().flatten().map(|_| mark.committed));
        if mark.partitions.is_empty() {
            known.push(mark.committed);
        }
    }
    bench.delivered(&mark);
    if random.chance(200) {
        bench.delivered(&mark);
    }
}

fn hear(bench: &mut Bench, client: &mut Client, told: &mut Vec<(Producer, bool)>) {
    let Some((token, _)) = &client.asked else {
        return;
    };
    let Some(answer) = bench.answers.remove(token) else {
        return;
    };
    let (_, asked) = client.asked.take().expect("it was just there");
    match (asked, answer) {
        (Asked::Init, Ok(Reply::Producer(producer))) => {
            client.producer = Some(producer);
            client.open = false;
        }
        (Asked::Add, Ok(_)) => client.open = true,
        (Asked::End { of, committed }, Ok(Reply::Producer(next))) => {
            told.push((of, committed));
            client.producer = Some(next);
            client.open = false;
        }
        (_, Err(crate::Error::ConcurrentTransactions)) => {}
        (_, Err(_)) => client.producer = None,
        (_, Ok(other)) => panic!("an answer to something else: {other:?}"),
    }
}

/// After all of it, a new producer gets its way.
fn healed(bench: &mut Bench, protocol: Protocol) {
    for id in ["id0", "id1"] {
        let mut producer = bench.init(id, None);
        for _ in 0..5 {
            if producer.is_ok() {
                break;
            }
            bench.deliver();
            bench.pass(Duration::from_secs(1));
            producer = bench.init(id, None);
        }
        let producer = producer.expect("alive");
        bench.add(id, producer, protocol).expect("alive");
        bench.end(id, producer, protocol, true).expect("alive");
        assert_eq!(bench.state(id), "CompleteCommit");
    }
}

#[test]
fn no_transaction_is_torn() {
    for seed in 0..300 {
        run(seed, Protocol::Epochs);
        run(seed, Protocol::Classic);
    }
}
