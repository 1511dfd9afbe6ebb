use std::time::Duration;

use super::testing::{Bench, add, end, producer};
use super::transaction::EPOCH_MAX;
use super::*;
use crate::Error;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_transaction_of_the_older_protocol_keeps_its_epoch() {
    let mut bench = Bench::new();
    let first = bench.init("a", None).unwrap();
    assert_eq!(first, producer(1001, 0));
    for committed in [true, false] {
        bench.add("a", first, Protocol::Classic).unwrap();
        assert_eq!(bench.state("a"), "Ongoing");
        let token = bench.send(end("a", first, Protocol::Classic, committed, None));
        assert_eq!(
            bench.answers.remove(&token),
            Some(Ok(Reply::Producer(first)))
        );
        let marks = bench.deliver();
        assert_eq!(marks.len(), 1);
        assert_eq!(marks[0].committed, committed);
        assert_eq!(marks[0].producer, first);
        assert_eq!(marks[0].partitions["t"], [0].into());
    }
    assert_eq!(bench.state("a"), "CompleteAbort");
    // The same end again is answered alike; another one is not.
    assert!(bench.end("a", first, Protocol::Classic, false).is_ok());
    let other = bench.end("a", first, Protocol::Classic, true);
    assert_eq!(other, Err(Error::InvalidTransactionState));
}

#[test]
fn each_transaction_of_kip_890_has_its_epoch() {
    let mut bench = Bench::new();
    let first = bench.init("a", None).unwrap();
    bench.add("a", first, Protocol::Epochs).unwrap();
    let second = bench.end("a", first, Protocol::Epochs, true).unwrap();
    assert_eq!((second.id, second.epoch.0), (first.id, 1));
    // Whoever has not heard the answer asks again.
    let again = bench.end("a", first, Protocol::Epochs, true);
    assert_eq!(again, Ok(second));
    let other = bench.end("a", first, Protocol::Epochs, false);
    assert_eq!(other, Err(Error::InvalidTransactionState));
    // A late first batch of the transaction that has ended opens none.
    let late = bench.add("a", first, Protocol::Epochs);
    assert_eq!(late, Err(Error::ProducerFenced));
    // Nothing to commit, but an abort still gets an epoch of its own.
    let empty = bench.end("a", second, Protocol::Epochs, true);
    assert_eq!(empty, Err(Error::InvalidTransactionState));
    let third = bench.end("a", second, Protocol::Epochs, false).unwrap();
    assert_eq!(third.epoch.0, 2);
}

#[test]
fn an_epoch_that_is_used_up_gives_way_to_another_id() {
    for protocol in [Protocol::Classic, Protocol::Epochs] {
        let mut bench = Bench::new();
        let mut last = bench.init("a", None).unwrap();
        while last.epoch.0 < EPOCH_MAX {
            last = bench.init("a", None).unwrap();
        }
        assert_eq!(last.id.0, 1001);
        bench.add("a", last, protocol).unwrap();
        let next = bench.end("a", last, protocol, true).unwrap();
        if protocol == Protocol::Epochs {
            assert!(next.id.0 > 1001 && next.epoch.0 == 0, "{next:?}");
            assert_eq!(bench.end("a", last, protocol, true), Ok(next));
            bench.reload();
            assert_eq!(bench.end("a", last, protocol, true), Ok(next));
            bench.add("a", next, protocol).unwrap();
        } else {
            assert_eq!(next, last);
            let next = bench.init("a", Some(last)).unwrap();
            assert!(next.id.0 > 1001 && next.epoch.0 == 0, "{next:?}");
            // Its answer was lost: the same once more.
            assert_eq!(bench.init("a", Some(last)), Ok(next));
        }
    }
}

#[test]
fn who_takes_the_id_over_fences_and_aborts() {
    let mut bench = Bench::new();
    let old = bench.init("a", None).unwrap();
    bench.add("a", old, Protocol::Classic).unwrap();
    let request = bench.init_request("a", None);
    let token = bench.send(request);
    assert!(!bench.answers.contains_key(&token), "markers come first");
    let marks = bench.deliver();
    assert!(!marks[0].committed);
    assert_eq!(marks[0].producer.epoch.0, 1, "above the one that it fences");
    let new = match bench.answers.remove(&token) {
        Some(Ok(Reply::Producer(new))) => new,
        other => panic!("{other:?}"),
    };
    assert_eq!(new, producer(1001, 2));
    let fenced = bench.end("a", old, Protocol::Classic, true);
    assert_eq!(fenced, Err(Error::ProducerFenced));
    let fenced = bench.add("a", old, Protocol::Classic);
    assert_eq!(fenced, Err(Error::ProducerFenced));
    assert_eq!(bench.init("a", Some(old)), Err(Error::ProducerFenced));
    let stranger = bench.add("a", producer(7, 0), Protocol::Classic);
    assert_eq!(stranger, Err(Error::UnknownProducer));
    let stranger = bench.add("b", old, Protocol::Classic);
    assert_eq!(stranger, Err(Error::UnknownProducer));
}

#[test]
fn an_open_transaction_is_aborted_when_its_time_is_over() {
    let mut bench = Bench::new();
    let old = bench.init("a", None).unwrap();
    bench.add("a", old, Protocol::Epochs).unwrap();
    bench.pass(59 * SECOND);
    assert!(bench.marks.is_empty());
    // The time goes on in another coordinator.
    bench.reload();
    bench.pass(SECOND / 2);
    assert!(bench.marks.is_empty());
    bench.pass(SECOND);
    let marks = bench.deliver();
    assert_eq!(marks.len(), 1);
    assert!(!marks[0].committed);
    let late = bench.end("a", old, Protocol::Epochs, true);
    assert!(late.is_err(), "{late:?}");
    assert_eq!(bench.state("a"), "CompleteAbort");
}

#[test]
fn what_is_decided_is_marked_by_the_next_coordinator() {
    let mut bench = Bench::new();
    let first = bench.init("a", None).unwrap();
    bench.add("a", first, Protocol::Epochs).unwrap();
    bench.send(end("a", first, Protocol::Epochs, true, None));
    assert_eq!(bench.marks.len(), 1);
    bench.reload();
    assert_eq!(bench.marks.len(), 1, "again");
    assert!(bench.marks[0].committed);
    let second = producer(first.id.0, 1);
    let token = bench.send(add("a", second, Protocol::Epochs, &[1]));
    assert!(bench.answers.is_empty());
    bench.pass(SECOND);
    let told = bench.answers.remove(&token);
    assert_eq!(told, Some(Err(Error::ConcurrentTransactions)));
    bench.deliver();
    bench.add("a", second, Protocol::Epochs).unwrap();
}

#[test]
fn an_end_while_markers_are_on_their_way_is_asked_again() {
    let mut bench = Bench::new();
    let first = bench.init("a", None).unwrap();
    bench.add("a", first, Protocol::Epochs).unwrap();
    bench.send(end("a", first, Protocol::Epochs, true, None));
    let second = producer(first.id.0, 1);
    let early = bench.send(end("a", second, Protocol::Epochs, true, None));
    let told = bench.answers.remove(&early);
    assert_eq!(told, Some(Err(Error::ConcurrentTransactions)));
    bench.deliver();
    bench.add("a", second, Protocol::Epochs).unwrap();
    let third = bench.end("a", second, Protocol::Epochs, true).unwrap();
    assert_eq!(third, producer(first.id.0, 2));
}

#[test]
fn a_late_word_of_markers_ends_nothing_else() {
    let mut bench = Bench::new();
    let first = bench.init("a", None).unwrap();
    bench.add("a", first, Protocol::Epochs).unwrap();
    let second = bench.end("a", first, Protocol::Epochs, true).unwrap();
    bench.add("a", second, Protocol::Epochs).unwrap();
    bench.send(end("a", second, Protocol::Epochs, false, None));
    bench.delivered(&Mark {
        id: "a".to_owned(),
        producer: second,
        protocol: Protocol::Epochs,
        committed: true,
        partitions: Partitions::new(),
    });
    assert_eq!(bench.marks.len(), 1, "its own are still on their way");
    let third = producer(first.id.0, 2);
    let token = bench.send(add("a", third, Protocol::Epochs, &[0]));
    assert!(!bench.answers.contains_key(&token));
}

#[test]
fn timeouts_have_bounds() {
    let mut bench = Bench::new();
    for timeout_ms in [-1, 0, 900_001] {
        let fresh = bench.fresh();
        let refused = bench.ask(Request::Init(Init {
            id: "a".to_owned(),
            timeout_ms,
            current: None,
            fresh,
        }));
        assert_eq!(refused, Err(Error::InvalidTransactionTimeout));
    }
    assert_eq!(bench.init("", None), Err(Error::InvalidRequest));
}

#[test]
fn lists_describes_and_verifies() {
    let mut bench = Bench::new();
    let a = bench.init("a", None).unwrap();
    bench.init("bb", None).unwrap();
    bench.add("a", a, Protocol::Classic).unwrap();
    bench.pass(10 * SECOND);
    let mut ids = |list: List| match bench.ask(Request::List(list)).unwrap() {
        Reply::Listed(listed) => listed.into_iter().map(|l| l.id).collect::<String>(),
        other => panic!("{other:?}"),
    };
    let all = List::default();
    let of_state = |state: &str| List {
        states: vec![state.to_owned()],
        ..List::default()
    };
    let open_for = |ms| List {
        open_for_ms: Some(ms),
        ..List::default()
    };
    let matching = |pattern: &str| List {
        pattern: Some(pattern.to_owned()),
        ..List::default()
    };
    assert_eq!(ids(all), "abb");
    assert_eq!(ids(of_state("Ongoing")), "a");
    assert_eq!(ids(of_state("Empty")), "bb");
    assert_eq!(ids(open_for(9_000)), "a");
    assert_eq!(ids(open_for(11_000)), "");
    assert_eq!(ids(matching("b")), "");
    assert_eq!(ids(matching("b+")), "bb");
    let verified = bench.ask(Request::Verify(Verify {
        id: "a".to_owned(),
        producer: a,
        partitions: vec![("t".to_owned(), 0), ("t".to_owned(), 1)],
    }));
    let expected = vec![Ok(()), Err(Error::NotInTransaction)];
    assert_eq!(verified, Ok(Reply::Partitions(expected)));
    let id = "none".to_owned();
    let none = bench.ask(Request::Describe(Describe { id }));
    assert_eq!(none, Err(Error::TransactionalIdNotFound));
}

#[test]
fn ids_that_nobody_uses_expire() {
    let mut bench = Bench::new();
    bench.init("idle", None).unwrap();
    bench.pass(7 * 24 * 3600 * SECOND);
    let open = bench.init("open", None).unwrap();
    bench.pass(2 * 3600 * SECOND);
    let id = "idle".to_owned();
    let gone = bench.ask(Request::Describe(Describe { id }));
    assert_eq!(gone, Err(Error::TransactionalIdNotFound));
    assert!(
        bench
            .log
            .last()
            .is_some_and(|record| record.value.is_none())
    );
    bench.add("open", open, Protocol::Classic).unwrap();
    bench.reload();
    assert_eq!(bench.state("open"), "Ongoing");
}
