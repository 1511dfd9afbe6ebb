//! Share groups: members and what they read.

use std::collections::BTreeSet;

use super::testing::*;
use super::*;
use crate::{Error, Event, Result};

fn request(member: &str, epoch: i32) -> ShareHeartbeat {
    ShareHeartbeat {
        group: "g".to_owned(),
        client: Client::default(),
        member: member.to_owned(),
        epoch,
        rack: None,
        topics: Some(vec!["t".to_owned()]),
    }
}

fn beat(bench: &mut Bench, request: ShareHeartbeat) -> Result<(i32, Option<Vec<i32>>)> {
    match bench.tell(Request::ShareHeartbeat(Box::new(request))) {
        Ok(Reply::Beat(told)) => {
            let assigned = told.assignment;
            let all = assigned.map(|all| all.into_iter().flat_map(|(_, p)| p).collect());
            Ok((told.epoch, all))
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

#[test]
fn every_partition_has_a_reader_and_every_member_something_to_read() {
    let mut bench = Bench::new();
    bench.topic("t", 2);
    assert_eq!(beat(&mut bench, request("a", 0)), Ok((1, Some(vec![0, 1]))));
    assert_eq!(beat(&mut bench, request("b", 0)), Ok((2, Some(vec![1]))));
    assert_eq!(beat(&mut bench, request("c", 0)), Ok((3, Some(vec![0]))));
    bench.reload();
    assert_eq!(beat(&mut bench, request("a", 1)), Ok((3, Some(vec![0]))));
    assert_eq!(beat(&mut bench, request("a", 3)), Ok((3, None)));
    assert_eq!(
        beat(&mut bench, request("a", 2)),
        Err(Error::FencedMemberEpoch)
    );
    assert_eq!(beat(&mut bench, request("x", 3)), Err(Error::UnknownMember));
    let id = bench.topics.0["t"].0;
    bench.topics.0.insert("t".to_owned(), (id, 5));
    bench.event(Event::TopicsChanged);
    let mut all = BTreeSet::new();
    for (member, epoch) in [("a", 3), ("b", 2), ("c", 3)] {
        let (_, assigned) = beat(&mut bench, request(member, epoch)).unwrap();
        all.extend(assigned.unwrap());
    }
    assert_eq!(all, (0..5).collect());
}

#[test]
fn members_leave_or_are_lost_and_the_group_keeps_its_places() {
    let mut bench = Bench::new();
    let topic = bench.topic("t", 2);
    beat(&mut bench, request("a", 0)).unwrap();
    beat(&mut bench, request("b", 0)).unwrap();
    assert_eq!(beat(&mut bench, request("b", -1)), Ok((-1, None)));
    bench.pass_ms(45_001);
    assert_eq!(beat(&mut bench, request("a", 3)), Err(Error::UnknownMember));
    bench.reload();
    let told = bench.tell(Request::DescribeShare("g".to_owned()));
    let Ok(Reply::DescribedShare(told)) = told else {
        panic!("{told:?}");
    };
    assert_eq!((told.state, told.members.len()), ("Empty", 0));
    assert_eq!(told.begun, [(topic, "t".to_owned(), vec![0, 1])]);
    // It is a share group, and stays one.
    let asked = join("g", "", &["range"]);
    let refused = bench.tell(Request::Join(asked));
    assert_eq!(refused, Err(Error::InconsistentProtocol));
    let forget = Request::ForgetShared {
        group: "g".to_owned(),
        topic,
    };
    assert!(is_done(&bench.tell(forget)));
    assert!(is_done(&bench.tell(Request::Delete("g".to_owned()))));
    bench.reload();
    let gone = bench.tell(Request::DescribeShare("g".to_owned()));
    assert_eq!(gone, Err(Error::GroupNotFound));
}

#[test]
fn requests_that_say_too_little() {
    let mut bench = Bench::new();
    bench.topic("t", 2);
    for bad in [
        request("", 0),
        request("a", -2),
        ShareHeartbeat {
            topics: None,
            ..request("a", 0)
        },
    ] {
        assert_eq!(beat(&mut bench, bad), Err(Error::InvalidRequest));
    }
    assert_eq!(beat(&mut bench, request("a", 1)), Err(Error::GroupNotFound));
}
