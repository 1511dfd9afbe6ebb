//! Groups of KIP-848, and of both protocols.

use std::collections::BTreeSet;

use bytes::Bytes;
use corelog_base::TopicId;
use corelog_wire::kafka::internal::{
    ConsumerProtocolAssignment, ConsumerProtocolPartitions, ConsumerProtocolSubscription,
};

use super::testing::*;
use super::*;
use crate::{Error, Event, Result};

/// A client of KIP-848: it does what it is told, and says so.
struct Client848 {
    id: String,
    epoch: i32,
    instance: Option<String>,
    owned: BTreeSet<(TopicId, i32)>,
}

impl Client848 {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            epoch: 0,
            instance: None,
            owned: BTreeSet::new(),
        }
    }

    fn request(&self) -> ConsumerHeartbeat {
        let mut owned: Vec<(TopicId, Vec<i32>)> = Vec::new();
        for (topic, partition) in &self.owned {
            match owned.last_mut() {
                Some((last, partitions)) if last == topic => partitions.push(*partition),
                _ => owned.push((*topic, vec![*partition])),
            }
        }
        ConsumerHeartbeat {
            group: "g".to_owned(),
            client: Client::default(),
            member: self.id.clone(),
            epoch: self.epoch,
            instance: self.instance.clone(),
            rack: None,
            rebalance_ms: Some(60_000),
            topics: Some(vec!["t".to_owned()]),
            pattern: None,
            assignor: None,
            owned: Some(owned),
        }
    }

    /// One heartbeat, of which it takes the answer.
    fn beat(&mut self, bench: &mut Bench) -> Result<()> {
        self.send(bench, self.request())
    }

    fn send(&mut self, bench: &mut Bench, request: ConsumerHeartbeat) -> Result<()> {
        let told = beat(bench, request)?;
        self.epoch = told.epoch;
        if let Some(assignment) = told.assignment {
            let all = assignment.iter();
            self.owned = all
                .flat_map(|(topic, partitions)| partitions.iter().map(|p| (*topic, *p)))
                .collect();
        }
        Ok(())
    }
}

fn beat(bench: &mut Bench, request: ConsumerHeartbeat) -> Result<Beat> {
    match bench.tell(Request::ConsumerHeartbeat(Box::new(request))) {
        Ok(Reply::Beat(told)) => Ok(told),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

fn describe(bench: &mut Bench) -> DescribedConsumer {
    match bench.tell(Request::DescribeConsumer("g".to_owned())) {
        Ok(Reply::DescribedConsumer(described)) => described,
        other => panic!("{other:?}"),
    }
}

/// Lets all of them heartbeat until nothing moves, and checks that nobody has what another has.
fn settle(bench: &mut Bench, clients: &mut [Client848]) {
    for _ in 0..10 {
        for index in 0..clients.len() {
            clients[index].beat(bench).unwrap();
            let mut all = BTreeSet::new();
            for client in clients.iter() {
                assert!(client.owned.iter().all(|p| all.insert(*p)), "two owners");
            }
        }
    }
}

fn loads(clients: &[Client848]) -> Vec<usize> {
    clients.iter().map(|client| client.owned.len()).collect()
}

#[test]
fn members_share_the_partitions_and_never_own_one_twice() {
    let mut bench = Bench::new();
    bench.topic("t", 12);
    let mut clients = Vec::new();
    for id in ["a", "b", "c", "d"] {
        clients.push(Client848::new(id));
        settle(&mut bench, &mut clients);
        assert_eq!(describe(&mut bench).state, "Stable");
        bench.reload();
    }
    assert_eq!(loads(&clients), [3, 3, 3, 3]);
    let before = clients[0].owned.clone();
    // A fourth of what the one that leaves had goes to each of the others; nobody else loses.
    let left = clients.pop().unwrap();
    let request = ConsumerHeartbeat {
        epoch: -1,
        ..left.request()
    };
    assert_eq!(beat(&mut bench, request).map(|told| told.epoch), Ok(-1));
    settle(&mut bench, &mut clients);
    assert_eq!(loads(&clients), [4, 4, 4]);
    assert!(before.is_subset(&clients[0].owned));
}

#[test]
fn a_partition_waits_for_its_owner_to_let_go() {
    let mut bench = Bench::new();
    bench.topic("t", 2);
    let (mut a, mut b) = (Client848::new("a"), Client848::new("b"));
    a.beat(&mut bench).unwrap();
    assert_eq!(a.owned.len(), 2);
    b.beat(&mut bench).unwrap();
    assert_eq!((b.epoch, b.owned.len()), (2, 0));
    // It is told to keep one, and stays in its epoch until it says that it has let go.
    let still = a.request();
    let told = beat(&mut bench, still.clone()).unwrap();
    assert_eq!(told.epoch, 1);
    assert_eq!(told.assignment.map(|all| all[0].1.len()), Some(1));
    assert_eq!(beat(&mut bench, still).unwrap().epoch, 1);
    b.beat(&mut bench).unwrap();
    assert_eq!(b.owned.len(), 0);
    a.owned.pop_last();
    a.beat(&mut bench).unwrap();
    assert_eq!(a.epoch, 2);
    b.beat(&mut bench).unwrap();
    assert_eq!(b.owned.len(), 1);
}

#[test]
fn who_does_not_let_go_in_time_is_lost_and_who_is_silent_too() {
    let mut bench = Bench::new();
    bench.topic("t", 2);
    let (mut a, mut b) = (Client848::new("a"), Client848::new("b"));
    a.beat(&mut bench).unwrap();
    b.beat(&mut bench).unwrap();
    let stubborn = a.request();
    for _ in 0..13 {
        let _ = beat(&mut bench, stubborn.clone());
        b.beat(&mut bench).unwrap();
        bench.pass_ms(5_000);
    }
    assert_eq!(beat(&mut bench, stubborn), Err(Error::UnknownMember));
    b.beat(&mut bench).unwrap();
    assert_eq!(b.owned.len(), 2);
    bench.pass_ms(45_001);
    assert_eq!(b.beat(&mut bench), Err(Error::UnknownMember));
    assert_eq!(describe(&mut bench).state, "Empty");
}

#[test]
fn epochs_are_fenced_and_a_lost_answer_is_repeated() {
    let mut bench = Bench::new();
    bench.topic("t", 2);
    let mut a = Client848::new("a");
    let first = a.request();
    a.beat(&mut bench).unwrap();
    // Epoch 0 starts anew.
    assert_eq!(beat(&mut bench, first).map(|told| told.epoch), Ok(1));
    let mut b = Client848::new("b");
    b.beat(&mut bench).unwrap();
    let before = a.request();
    a.owned.pop_last();
    a.beat(&mut bench).unwrap();
    a.beat(&mut bench).unwrap();
    assert_eq!(a.epoch, 2);
    let behind = ConsumerHeartbeat {
        epoch: 1,
        ..a.request()
    };
    assert_eq!(beat(&mut bench, behind).map(|told| told.epoch), Ok(2));
    // It says that it has more than it was given.
    assert_eq!(beat(&mut bench, before), Err(Error::FencedMemberEpoch));
    for epoch in [3, 99] {
        let request = ConsumerHeartbeat {
            epoch,
            ..a.request()
        };
        assert_eq!(beat(&mut bench, request), Err(Error::FencedMemberEpoch));
    }
    let mut check = |generation, expected| {
        let asked = commit("g", membership(generation, "a"), "t", 1);
        assert_eq!(bench.tell(Request::Commit(asked)), expected);
    };
    check(2, Ok(Reply::Partitions(vec![Ok(())])));
    check(1, Err(Error::StaleMemberEpoch));
    let asked = commit("g", outside(), "t", 1);
    assert_eq!(bench.tell(Request::Commit(asked)), unknown());
}

#[test]
fn requests_that_say_too_little_or_nonsense() {
    let mut bench = Bench::new();
    bench.topic("t", 2);
    let good = Client848::new("a").request();
    for (bad, error) in [
        (
            ConsumerHeartbeat {
                topics: None,
                ..good.clone()
            },
            Error::InvalidRequest,
        ),
        (
            ConsumerHeartbeat {
                rebalance_ms: None,
                ..good.clone()
            },
            Error::InvalidRequest,
        ),
        (
            ConsumerHeartbeat {
                epoch: -2,
                ..good.clone()
            },
            Error::InvalidRequest,
        ),
        (
            ConsumerHeartbeat {
                assignor: Some("best".to_owned()),
                ..good.clone()
            },
            Error::UnsupportedAssignor,
        ),
        (
            ConsumerHeartbeat {
                pattern: Some("a(".to_owned()),
                ..good.clone()
            },
            Error::InvalidRegularExpression,
        ),
        (
            ConsumerHeartbeat {
                epoch: 1,
                ..good.clone()
            },
            Error::GroupNotFound,
        ),
    ] {
        assert_eq!(beat(&mut bench, bad), Err(error));
    }
    assert_eq!(beat(&mut bench, good).map(|told| told.epoch), Ok(1));
}

#[test]
fn a_pattern_follows_the_topics() {
    let mut bench = Bench::new();
    bench.topic("orders-eu", 1);
    bench.topic("other-orders-eu", 1);
    bench.topic("__consumer_offsets", 50);
    let mut a = Client848::new("a");
    let pattern = |client: &Client848, text: &str| ConsumerHeartbeat {
        topics: None,
        pattern: Some(text.to_owned()),
        ..client.request()
    };
    let request = pattern(&a, "orders-.*|__.*");
    a.send(&mut bench, request).unwrap();
    assert_eq!(a.owned.len(), 1);
    bench.topic("orders-us", 3);
    bench.event(Event::TopicsChanged);
    bench.reload();
    for _ in 0..2 {
        let request = pattern(&a, "orders-.*|__.*");
        a.send(&mut bench, request).unwrap();
    }
    assert_eq!(a.owned.len(), 4);
    let request = pattern(&a, "orders-us");
    let told = beat(&mut bench, request).unwrap();
    assert_eq!(told.assignment.map(|all| all.len()), Some(1));
    // One that does not match whole names matches nothing.
    assert_eq!(
        describe(&mut bench).members[0].pattern.as_deref(),
        Some("orders-us")
    );
}

#[test]
fn a_topic_that_grows_is_noticed() {
    let mut bench = Bench::new();
    let id = bench.topic("t", 1);
    let mut a = Client848::new("a");
    a.beat(&mut bench).unwrap();
    bench.topics.0.insert("t".to_owned(), (id, 3));
    a.beat(&mut bench).unwrap();
    assert_eq!(a.owned.len(), 1);
    bench.event(Event::TopicsChanged);
    a.beat(&mut bench).unwrap();
    assert_eq!((a.epoch, a.owned.len()), (2, 3));
}

#[test]
fn a_static_member_keeps_its_place_while_it_is_away() {
    let mut bench = Bench::new();
    bench.topic("t", 4);
    let mut clients = vec![Client848::new("a"), Client848::new("b")];
    clients[0].instance = Some("i".to_owned());
    settle(&mut bench, &mut clients);
    let had = clients[0].owned.clone();

    let mut next = Client848::new("a2");
    next.instance = Some("i".to_owned());
    assert_eq!(next.beat(&mut bench), Err(Error::UnreleasedInstance));
    let away = ConsumerHeartbeat {
        epoch: -2,
        ..clients[0].request()
    };
    assert_eq!(beat(&mut bench, away).map(|told| told.epoch), Ok(-2));
    clients[1].beat(&mut bench).unwrap();
    assert_eq!(clients[1].owned.len(), 2);
    bench.reload();
    next.beat(&mut bench).unwrap();
    assert_eq!(next.owned, had);
    assert_eq!(clients[0].beat(&mut bench), Err(Error::FencedInstance));
}

#[test]
fn one_that_joins_a_thousand_stops_nobody() {
    let mut bench = Bench::new();
    bench.topic("t", 2_000);
    let mut clients: Vec<Client848> = (0..100)
        .map(|index| Client848::new(&format!("m{index:03}")))
        .collect();
    for client in &mut clients {
        client.beat(&mut bench).unwrap();
    }
    settle(&mut bench, &mut clients);
    let before: Vec<_> = clients.iter().map(|client| client.owned.clone()).collect();
    clients.push(Client848::new("new"));
    settle(&mut bench, &mut clients);
    assert!(clients[100].owned.len() >= 19);
    for (client, before) in clients.iter().zip(&before) {
        assert!(client.owned.is_subset(before), "nobody moves to make room");
    }
}

fn words(topics: &[&str], owned: Option<(&str, &[i32])>) -> Bytes {
    let owned = owned.map(|(topic, partitions)| ConsumerProtocolPartitions {
        topic,
        partitions: partitions.into(),
    });
    let value = ConsumerProtocolSubscription {
        topics: topics.into(),
        owned_partitions: owned.into_iter().collect(),
        ..Default::default()
    };
    value.encode(1).unwrap()
}

fn all_of_t(partitions: &[i32]) -> Bytes {
    let topic = ConsumerProtocolPartitions {
        topic: "t",
        partitions: partitions.into(),
    };
    let value = ConsumerProtocolAssignment {
        assigned_partitions: vec![topic].into(),
        user_data: None,
    };
    value.encode(1).unwrap()
}

fn classic_join(member: &str, owned: &[i32]) -> Join {
    Join {
        protocols: vec![("range".to_owned(), words(&["t"], Some(("t", owned))))],
        ..join("g", member, &[])
    }
}

fn partitions_in(bytes: &[u8]) -> Vec<i32> {
    let words = ConsumerProtocolAssignment::decode(bytes).unwrap();
    let topics = words.assigned_partitions.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().collect::<Vec<_>>())
        .collect()
}

/// Joins again and asks for the assignment.
fn rejoin(bench: &mut Bench, member: &str, owned: &[i32]) -> (i32, Vec<i32>) {
    let token = bench.ask(Request::Join(classic_join(member, owned)));
    let joined = bench.joined(token);
    let token = bench.sync(&joined, &[]);
    match bench.answer(token) {
        Some(Ok(Reply::Synced(synced))) => (joined.generation, partitions_in(&synced.assignment)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_classic_group_becomes_one_of_both_and_goes_back() {
    let mut bench = Bench::new();
    bench.topic("t", 4);
    let token = bench.ask(Request::Join(classic_join("", &[])));
    bench.pass_ms(3_000);
    let old = bench.joined(token);
    let everything = Sync {
        group: "g".to_owned(),
        membership: membership(1, &old.member),
        protocol_type: None,
        protocol: None,
        assignments: vec![(old.member.clone(), all_of_t(&[0, 1, 2, 3]))],
    };
    let token = bench.ask(Request::Sync(everything));
    assert!(bench.answer(token).is_some());

    let mut new = Client848::new("new");
    new.beat(&mut bench).unwrap();
    assert_eq!(new.owned.len(), 0);
    assert_eq!(describe(&mut bench).members.len(), 2);
    bench.reload();
    // The old one is told to join, lets go of half, and joins once more.
    assert_eq!(bench.heartbeat(&old), Err(Error::RebalanceInProgress));
    let (generation, kept) = rejoin(&mut bench, &old.member, &[0, 1, 2, 3]);
    assert_eq!((generation, kept.len()), (1, 2));
    let (generation, kept) = rejoin(&mut bench, &old.member, &kept);
    assert_eq!((generation, kept.len()), (2, 2));
    new.beat(&mut bench).unwrap();
    assert_eq!(new.owned.len(), 2);
    let now = Joined {
        generation: 2,
        ..old.clone()
    };
    assert!(is_done(&bench.heartbeat(&now)));

    let leaves = ConsumerHeartbeat {
        epoch: -1,
        ..new.request()
    };
    beat(&mut bench, leaves).unwrap();
    assert_eq!(bench.state("g"), Ok("PreparingRebalance"));
    bench.reload();
    assert_eq!(bench.state("g"), Ok("Stable"));
    let Ok(Reply::Described(described)) = bench.tell(Request::Describe("g".to_owned())) else {
        panic!("a classic group");
    };
    assert_eq!(partitions_in(&described.members[0].assignment), kept);
}

#[test]
fn a_group_that_is_empty_changes_its_protocol_and_keeps_its_offsets() {
    let mut bench = Bench::new();
    bench.topic("t", 1);
    let member = bench.stable(1).remove(0);
    let own = membership(1, &member.member);
    bench
        .tell(Request::Commit(commit("g", own, "t", 5)))
        .unwrap();
    bench.leave(&member.member).unwrap();
    let mut new = Client848::new("new");
    new.beat(&mut bench).unwrap();
    bench.reload();
    assert_eq!(bench.committed("g", "t"), Some(5));
    assert_eq!(bench.state("g"), Err(Error::GroupNotFound));
    let leaves = ConsumerHeartbeat {
        epoch: -1,
        ..new.request()
    };
    beat(&mut bench, leaves).unwrap();
    let token = bench.ask(Request::Join(join("g", "", &["range"])));
    bench.pass_ms(3_000);
    bench.joined(token);
    bench.reload();
    assert_eq!(bench.state("g"), Ok("Empty"));
    assert_eq!(bench.committed("g", "t"), Some(5));
}
