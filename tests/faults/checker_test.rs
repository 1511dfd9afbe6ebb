//! Each name is found in a history that contains it, and nothing in one that is clean.

use crate::{Acks, Checker, Counts, Event, History, Kind, Name, Op, Place, Seen};

fn check(lines: &[(u32, Kind, Op)]) -> (Vec<Name>, Counts) {
    let mut checker = Checker::default();
    for (us, (process, kind, op)) in (0..).zip(lines) {
        checker.apply(&Event {
            us,
            process: *process,
            kind: *kind,
            op: op.clone(),
        });
    }
    (checker.anomalies().names(), checker.counts())
}

fn place(value: u64, offset: Option<i64>, transaction: Option<u64>) -> Op {
    Op::Send(Place {
        partition: 0,
        value,
        acks: Acks::All,
        offset,
        transaction,
        error: None,
    })
}

fn sent(process: u32, value: u64, offset: i64) -> [(u32, Kind, Op); 2] {
    [
        (process, Kind::Invoke, place(value, None, None)),
        (process, Kind::Ok, place(value, Some(offset), None)),
    ]
}

fn polled(process: u32, records: &[(i64, u64)]) -> (u32, Kind, Op) {
    let records = records.iter().map(|(offset, value)| Seen {
        offset: *offset,
        value: Some(*value),
    });
    let op = Op::Poll {
        partition: 0,
        records: records.collect(),
    };
    (process, Kind::Ok, op)
}

fn assigned(process: u32, offset: i64) -> (u32, Kind, Op) {
    let op = Op::Assign {
        partition: 0,
        offset,
    };
    (process, Kind::Ok, op)
}

fn whole(process: u32, records: &[(i64, u64)]) -> Vec<(u32, Kind, Op)> {
    let op = |end| Op::Whole { partition: 0, end };
    let end = records.last().map_or(0, |(offset, _)| offset + 1);
    vec![
        (process, Kind::Invoke, op(0)),
        assigned(process, 0),
        polled(process, records),
        (process, Kind::Ok, op(end)),
    ]
}

/// Three values, acknowledged at 0, 1 and 2.
fn three() -> Vec<(u32, Kind, Op)> {
    [sent(1, 10, 0), sent(1, 11, 1), sent(1, 12, 2)].concat()
}

fn end(kind: Kind, transaction: u64, commit: bool) -> (u32, Kind, Op) {
    let op = Op::End {
        transaction,
        commit,
    };
    (1, kind, op)
}

#[test]
fn a_clean_history_passes() {
    let mut lines = three();
    lines.push(assigned(7, 0));
    lines.push(polled(7, &[(0, 10), (1, 11)]));
    // Nobody knows of 13: it may appear. 14 failed, and does not.
    lines.push((2, Kind::Invoke, place(13, None, None)));
    lines.push((2, Kind::Info, place(13, None, None)));
    lines.push((2, Kind::Invoke, place(14, None, None)));
    lines.push((2, Kind::Fail, place(14, None, None)));
    lines.push(polled(7, &[(2, 12)]));
    // A transaction that was committed, one that was aborted and not read.
    lines.push((1, Kind::Invoke, place(15, None, Some(1))));
    lines.push((1, Kind::Ok, place(15, Some(4), Some(1))));
    lines.push(end(Kind::Invoke, 1, true));
    lines.push((1, Kind::Invoke, place(16, None, Some(2))));
    lines.push(end(Kind::Invoke, 2, false));
    lines.push(end(Kind::Ok, 2, false));
    // A consumer starts anew further back: that is no step back.
    lines.push(assigned(7, 1));
    lines.push(polled(7, &[(1, 11), (2, 12)]));
    lines.extend(whole(9, &[(0, 10), (1, 11), (2, 12), (3, 13), (4, 15)]));
    // What was acknowledged during a whole read need not be in it.
    lines.push((
        8,
        Kind::Invoke,
        Op::Whole {
            partition: 0,
            end: 0,
        },
    ));
    lines.extend(sent(1, 17, 6));
    lines.push(polled(8, &[(0, 10), (1, 11), (2, 12), (3, 13), (4, 15)]));
    lines.push((
        8,
        Kind::Ok,
        Op::Whole {
            partition: 0,
            end: 5,
        },
    ));
    let (names, counts) = check(&lines);
    assert_eq!(names, []);
    let expected = Counts {
        sent: 8,
        acknowledged: 5,
        failed: 1,
        unknown: 1,
        read: 5,
    };
    assert_eq!(counts, expected);
}

#[test]
fn a_lost_write_is_found() {
    let lines = [three(), whole(9, &[(0, 10), (2, 12)])].concat();
    let (names, _) = check(&lines);
    assert!(names.contains(&Name::LostWrite), "{names:?}");
    // What was read once and is gone is lost too, although nobody acknowledged it.
    let mut lines = three();
    lines.push((2, Kind::Invoke, place(13, None, None)));
    lines.push(polled(7, &[(3, 13)]));
    lines.extend(sent(1, 14, 4));
    let rest = whole(9, &[(0, 10), (1, 11), (2, 12), (4, 14)]);
    let (names, _) = check(&[lines, rest].concat());
    assert!(names.contains(&Name::LostWrite), "{names:?}");
}

#[test]
fn an_unseen_write_is_found() {
    let lines = [three(), whole(9, &[(0, 10), (1, 11)])].concat();
    assert_eq!(check(&lines).0, [Name::Unseen]);
    // Acknowledged without a place.
    let mut lines = three();
    lines.push((1, Kind::Invoke, place(13, None, None)));
    lines.push((1, Kind::Ok, place(13, None, None)));
    lines.extend(whole(9, &[(0, 10), (1, 11), (2, 12)]));
    assert_eq!(check(&lines).0, [Name::Unseen]);
}

#[test]
fn a_duplicate_is_found() {
    let lines = [three(), whole(9, &[(0, 10), (1, 11), (2, 12), (3, 11)])].concat();
    assert_eq!(check(&lines).0, [Name::Duplicate]);
}

#[test]
fn inconsistent_offsets_are_found() {
    let lines = [three(), sent(2, 13, 2).to_vec()].concat();
    assert_eq!(check(&lines).0, [Name::InconsistentOffsets]);
}

#[test]
fn a_failed_write_that_is_read_is_found() {
    let invoke = (2, Kind::Invoke, place(13, None, None));
    let fail = (2, Kind::Fail, place(13, None, None));
    let read = polled(7, &[(0, 13)]);
    let after = [invoke.clone(), fail.clone(), read.clone()];
    assert_eq!(check(&after).0, [Name::G1a]);
    assert_eq!(check(&[invoke, read, fail]).0, [Name::G1a]);
    let aborted = [
        (1, Kind::Invoke, place(13, None, Some(1))),
        end(Kind::Invoke, 1, false),
        end(Kind::Ok, 1, false),
        polled(7, &[(0, 13)]),
    ];
    assert_eq!(check(&aborted).0, [Name::G1a]);
}

#[test]
fn a_nonmonotonic_send_is_found() {
    let lines = [sent(1, 10, 5), sent(1, 11, 4)].concat();
    assert_eq!(check(&lines).0, [Name::NonmonotonicSend]);
    let two_processes = [sent(1, 10, 5), sent(2, 11, 4)].concat();
    assert_eq!(check(&two_processes).0, []);
}

#[test]
fn a_nonmonotonic_poll_is_found() {
    let mut lines = three();
    lines.push(polled(7, &[(1, 11)]));
    lines.push(polled(7, &[(1, 11)]));
    assert_eq!(check(&lines).0, [Name::NonmonotonicPoll]);
    let mut lines = three();
    lines.push(assigned(7, 2));
    lines.push(polled(7, &[(1, 11)]));
    assert_eq!(check(&lines).0, [Name::NonmonotonicPoll]);
}

#[test]
fn a_poll_skip_is_found() {
    let mut lines = three();
    lines.push(polled(7, &[(0, 10), (2, 12)]));
    assert_eq!(check(&lines).0, [Name::PollSkip]);
    let mut lines = three();
    lines.push(assigned(7, 0));
    lines.push(polled(7, &[(1, 11)]));
    assert_eq!(check(&lines).0, [Name::PollSkip]);
    // An offset at which nothing is known to be, as that of a control batch, is no skip.
    let gap = [sent(1, 10, 0), sent(1, 11, 2)].concat();
    let lines = [gap, vec![polled(7, &[(0, 10), (2, 11)])]].concat();
    assert_eq!(check(&lines).0, []);
}

#[test]
fn a_precommitted_read_is_found() {
    let lines = [
        (1, Kind::Invoke, place(13, None, Some(1))),
        polled(7, &[(0, 13)]),
        end(Kind::Invoke, 1, true),
        end(Kind::Ok, 1, true),
    ];
    assert_eq!(check(&lines).0, [Name::PrecommittedRead]);
}

#[test]
fn altered_bytes_are_found() {
    let record = Seen {
        offset: 0,
        value: None,
    };
    let poll = |records| Op::Poll {
        partition: 0,
        records,
    };
    assert_eq!(
        check(&[(7, Kind::Ok, poll(vec![record]))]).0,
        [Name::Altered]
    );
    assert_eq!(check(&[polled(7, &[(0, 99)])]).0, [Name::Altered]);
}

#[test]
fn a_history_that_was_written_is_checked_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.jsonl");
    let mut history = History::create(&path).unwrap();
    for (process, kind, op) in [three(), whole(9, &[(0, 10), (2, 12)])].concat() {
        history.add(process, kind, op);
    }
    let (found, counts) = history.findings();
    let (found, before) = (found.clone(), counts);
    let (again, counts) = History::check(&path).unwrap();
    assert_eq!((again.names(), counts), (found.names(), before));
    assert_eq!(again.count(Name::LostWrite), 1);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 10);
}
