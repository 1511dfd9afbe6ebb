//! Committed offsets.

use std::time::Duration;

use corelog_base::TopicId;

use super::testing::*;
use super::*;
use crate::{Error, Event, Marker};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn offsets_come_back_unchanged_and_outlive_the_coordinator() {
    let mut bench = Bench::new();
    let asked = commit("g", outside(), "t", 7);
    assert_eq!(
        bench.tell(Request::Commit(asked)),
        Ok(Reply::Partitions(vec![Ok(())]))
    );
    bench.reload();
    let fetch = Fetch {
        group: "g".to_owned(),
        membership: None,
        topics: None,
        require_stable: true,
    };
    let committed = Committed {
        offset: corelog_base::Offset(7),
        leader_epoch: corelog_base::LeaderEpoch(-1),
        metadata: "note".to_owned(),
    };
    assert_eq!(
        bench.tell(Request::Fetch(fetch)),
        Ok(Reply::Fetched(vec![FetchedTopic {
            name: "t".to_owned(),
            partitions: vec![(0, Ok(Some(committed)))],
        }]))
    );
    assert_eq!(bench.committed("other", "t"), None);
}

#[test]
fn metadata_has_a_bound() {
    let mut bench = Bench::new();
    for (bytes, outcome) in [(4096, Ok(())), (4097, Err(Error::OffsetMetadataTooLarge))] {
        let mut asked = commit("g", outside(), "t", 7);
        asked.topics[0].partitions[0].metadata = "x".repeat(bytes);
        let answer = bench.tell(Request::Commit(asked));
        assert_eq!(answer, Ok(Reply::Partitions(vec![outcome])));
    }
}

#[test]
fn only_members_of_the_generation_commit() {
    let mut bench = Bench::new();
    let member = bench.stable(1).remove(0);
    let mut check = |membership, expected| {
        let asked = commit("g", membership, "t", 1);
        assert_eq!(bench.tell(Request::Commit(asked)), expected);
    };
    check(
        membership(1, &member.member),
        Ok(Reply::Partitions(vec![Ok(())])),
    );
    check(membership(0, &member.member), Err(Error::IllegalGeneration));
    check(membership(1, "nobody"), unknown());
    check(outside(), unknown());
    let elsewhere = commit("new", membership(1, "m"), "t", 1);
    assert_eq!(
        bench.tell(Request::Commit(elsewhere)),
        Err(Error::IllegalGeneration)
    );
}

#[test]
fn offsets_expire_a_week_after_the_group_is_empty() {
    let mut bench = Bench::new();
    let member = bench.stable(1).remove(0);
    let own = membership(1, &member.member);
    bench
        .tell(Request::Commit(commit("g", own, "t", 1)))
        .unwrap();
    // As long as there are members, offsets stay.
    for _ in 0..(8 * 24 * 3600 / 5) {
        bench.pass_ms(5_000);
        assert!(is_done(&bench.heartbeat(&member)));
    }
    assert_eq!(bench.committed("g", "t"), Some(1));
    bench.leave(&member.member).unwrap();
    bench.pass(DAY * 7 - Duration::from_secs(1));
    assert_eq!(bench.committed("g", "t"), Some(1));
    bench.pass(Duration::from_secs(601));
    assert_eq!(bench.committed("g", "t"), None);
    assert_eq!(bench.state("g"), Err(Error::GroupNotFound));
    bench.reload();
    assert_eq!(bench.state("g"), Err(Error::GroupNotFound));
}

#[test]
fn an_offset_may_have_an_expiry_of_its_own() {
    let mut bench = Bench::new();
    let mut asked = commit("g", outside(), "t", 1);
    asked.retention_ms = Some(1_000);
    bench.tell(Request::Commit(asked)).unwrap();
    bench.reload();
    assert_eq!(bench.committed("g", "t"), Some(1));
    bench.pass(Duration::from_secs(601));
    assert_eq!(bench.committed("g", "t"), None);
}

#[test]
fn a_transaction_decides_about_its_offsets() {
    for (committed, expected) in [(true, Some(5)), (false, Some(1))] {
        let mut bench = Bench::new();
        let first = commit("g", outside(), "t", 1);
        bench.tell(Request::Commit(first)).unwrap();
        let request = Request::TransactionalCommit(TransactionalCommit {
            producer: producer(9),
            commit: commit("g", outside(), "t", 5),
        });
        let answer = bench.tell(request);
        assert_eq!(answer, Ok(Reply::Partitions(vec![Ok(())])));
        for _ in 0..2 {
            assert_eq!(bench.committed("g", "t"), Some(1));
            assert_eq!(bench.fetch("g", "t", true), Err(Error::UnstableOffset));
            bench.reload();
        }
        bench.event(Event::Marker(Marker {
            producer: producer(9),
            committed,
        }));
        for _ in 0..2 {
            assert_eq!(bench.fetch("g", "t", true), Ok(expected));
            bench.reload();
        }
    }
}

#[test]
fn a_newer_commit_outside_of_the_transaction_stays() {
    let mut bench = Bench::new();
    let request = Request::TransactionalCommit(TransactionalCommit {
        producer: producer(9),
        commit: commit("g", outside(), "t", 5),
    });
    bench.tell(request).unwrap();
    bench
        .tell(Request::Commit(commit("g", outside(), "t", 6)))
        .unwrap();
    bench.event(Event::Marker(Marker {
        producer: producer(9),
        committed: true,
    }));
    assert_eq!(bench.committed("g", "t"), Some(6));
    bench.reload();
    assert_eq!(bench.committed("g", "t"), Some(6));
}

#[test]
fn groups_and_offsets_are_deleted() {
    let mut bench = Bench::new();
    let member = bench.stable(1).remove(0);
    let own = membership(1, &member.member);
    bench
        .tell(Request::Commit(commit("g", own, "t", 1)))
        .unwrap();
    let delete = || Request::Delete("g".to_owned());
    assert_eq!(bench.tell(delete()), Err(Error::NonEmptyGroup));
    bench.leave(&member.member).unwrap();
    let offsets = DeleteOffsets {
        group: "g".to_owned(),
        topics: vec![("t".to_owned(), vec![0, 1])],
    };
    assert_eq!(
        bench.tell(Request::DeleteOffsets(offsets)),
        Ok(Reply::Partitions(vec![Ok(()), Ok(())]))
    );
    assert_eq!(bench.committed("g", "t"), None);
    assert!(is_done(&bench.tell(delete())));
    assert_eq!(bench.tell(delete()), Err(Error::GroupNotFound));
    bench.reload();
    assert_eq!(bench.tell(delete()), Err(Error::GroupNotFound));
}

#[test]
fn a_deleted_topic_takes_its_offsets_along() {
    let mut bench = Bench::new();
    let id = bench.topic("t", 1);
    let mut asked = commit("g", outside(), "t", 1);
    asked.topics[0].id = id;
    bench.tell(Request::Commit(asked)).unwrap();
    // One of the same name is another one.
    bench.topics.0.insert("t".to_owned(), (TopicId([9; 16]), 1));
    assert_eq!(bench.committed("g", "t"), None);
    bench.topics.0.insert("t".to_owned(), (id, 1));
    assert_eq!(bench.committed("g", "t"), Some(1));
    bench.event(Event::TopicsDeleted(vec![id]));
    assert_eq!(bench.committed("g", "t"), None);
    bench.reload();
    assert_eq!(bench.committed("g", "t"), None);
}
