use bytes::Bytes;
use corelog_base::{
    Entry, EntryKind, GroupId, HardState, LogIndex, LogStart, Monotonic, NodeId, Offset, Replica,
    Term,
};

use crate::{In, Out, Replicas, Restored, Spec};

pub(crate) const GROUP: GroupId = GroupId(5);
pub(crate) const NOW: Monotonic = Monotonic(0);

fn lone() -> Spec {
    let me = Replica {
        node: NodeId(1),
        id: 11,
    };
    Spec {
        group: GROUP,
        me: 11,
        voters: vec![me],
        learners: Vec::new(),
    }
}

/// Steps, flushes, and says each output in a few words.
pub(crate) fn said(replicas: &mut Replicas, input: In) -> Vec<String> {
    let mut out = Vec::new();
    replicas.step(NOW, input, &mut out);
    replicas.flush(NOW, &mut out);
    out.iter().map(words).collect()
}

pub(crate) fn words(out: &Out) -> String {
    match out {
        Out::Append {
            entries,
            hard_state,
            ..
        } => {
            let entries = entries.iter().map(|e| {
                let (base, next) = (e.base_offset, e.next_offset);
                format!("{:?} {}@{} {base}..{next}", e.kind, e.index, e.term)
            });
            let state = hard_state.map(|s| format!("state {} {} {}", s.term, s.vote, s.commit));
            let all: Vec<String> = entries.chain(state).collect();
            format!("append {}", all.join(", "))
        }
        Out::Committed { entries, .. } => {
            let last = entries.last().map_or(0, |e| e.index.0);
            format!("committed {} to {last}", entries.len())
        }
        Out::Leadership {
            term,
            role,
            log_end,
            ..
        } => format!("{role:?} {term} end {log_end}"),
        Out::Ready { .. } => "ready".into(),
        Out::Refused { .. } => "refused".into(),
        Out::Quarantined { reason, .. } => format!("quarantined: {reason}"),
        Out::Send { .. } => "send".into(),
        Out::Read { from, .. } => format!("read from {from}"),
    }
}

pub(crate) fn batch(base: i64, records: i32) -> Bytes {
    let mut bytes = vec![0u8; 61];
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    Bytes::from(bytes)
}

pub(crate) fn propose(base: i64, records: i32) -> In {
    In::Propose {
        group: GROUP,
        kind: EntryKind::Batch,
        base_offset: Offset(base),
        data: batch(base, records),
    }
}

pub(crate) fn persisted(index: u64, term: u64) -> In {
    In::Persisted {
        group: GROUP,
        index: LogIndex(index),
        term: Term(term),
    }
}

pub(crate) fn state_persisted(term: u64, commit: u64) -> In {
    In::HardStatePersisted {
        group: GROUP,
        hard_state: HardState {
            term: Term(term),
            vote: 11,
            commit: LogIndex(commit),
        },
    }
}

fn elected() -> Replicas {
    let mut replicas = Replicas::new(1, NodeId(1));
    let create = In::Create {
        spec: lone(),
        restored: Restored::default(),
    };
    assert_eq!(said(&mut replicas, create), ["Follower 0 end 0"]);
    let campaign = In::Campaign { group: GROUP };
    assert_eq!(
        said(&mut replicas, campaign),
        ["Leader 1 end 0", "append Opening 1@1 0..0, state 1 11 0"]
    );
    replicas
}

#[test]
fn a_lone_replica_leads_once_its_opening_entry_and_state_are_durable() {
    let mut replicas = elected();
    let none: [&str; 0] = [];
    assert_eq!(said(&mut replicas, persisted(1, 1)), none);
    assert_eq!(
        said(&mut replicas, state_persisted(1, 0)),
        ["committed 1 to 1", "ready"]
    );
}

#[test]
fn commit_follows_durability_and_proposals_share_an_append() {
    let mut replicas = elected();
    said(&mut replicas, persisted(1, 1));
    said(&mut replicas, state_persisted(1, 0));
    let mut out = Vec::new();
    replicas.step(NOW, propose(0, 3), &mut out);
    replicas.step(NOW, propose(3, 1), &mut out);
    assert!(out.is_empty());
    replicas.flush(NOW, &mut out);
    let all: Vec<String> = out.iter().map(words).collect();
    assert_eq!(all, ["append Batch 2@1 0..3, Batch 3@1 3..4"]);
    assert_eq!(
        said(&mut replicas, persisted(2, 1)),
        ["committed 1 to 2"],
        "half of an append"
    );
    assert_eq!(said(&mut replicas, persisted(3, 1)), ["committed 1 to 3"]);
}

#[test]
fn a_restart_keeps_offsets_and_raises_the_term() {
    let mut replicas = Replicas::new(1, NodeId(1));
    let restored = Restored {
        hard_state: HardState {
            term: Term(4),
            vote: 11,
            commit: LogIndex(9),
        },
        settled_index: LogIndex(9),
        settled_term: Term(4),
        settled_offset: Offset(100),
        terms: vec![(LogIndex(1), Term(4))],
        ..Restored::default()
    };
    let create = In::Create {
        spec: lone(),
        restored,
    };
    assert_eq!(said(&mut replicas, create), ["Follower 4 end 100"]);
    let campaign = said(&mut replicas, In::Campaign { group: GROUP });
    assert_eq!(campaign[0], "Leader 5 end 100");
    assert_eq!(campaign[1], "append Opening 10@5 100..100, state 5 11 9");
}

/// The log start is committed and flushed before what lies before it is settled, and the commit
/// index of the hard state lags behind.
fn check_restart_before_start(settled: u64) {
    let mut replicas = Replicas::new(1, NodeId(1));
    let entry = |index: u64| Entry {
        index: LogIndex(index),
        term: Term(4),
        kind: EntryKind::Batch,
        base_offset: Offset(index as i64 - 1),
        next_offset: Offset(index as i64),
        data: batch(index as i64 - 1, 1),
    };
    let restored = Restored {
        hard_state: HardState {
            term: Term(4),
            vote: 11,
            commit: LogIndex(0),
        },
        start: LogStart {
            index: LogIndex(3),
            term_before: Term(4),
            offset: Offset(2),
        },
        settled_index: LogIndex(settled),
        settled_term: Term(4 * settled.min(1)),
        settled_offset: Offset(settled as i64),
        entries: (settled + 1..=4).map(entry).collect(),
        terms: vec![(LogIndex(1), Term(4))],
    };
    let create = In::Create {
        spec: lone(),
        restored,
    };
    assert_eq!(said(&mut replicas, create), ["Follower 4 end 4"]);
    let campaign = said(&mut replicas, In::Campaign { group: GROUP });
    assert_eq!(campaign[0], "Leader 5 end 4");
    said(&mut replicas, state_persisted(5, 11));
    let all = said(&mut replicas, persisted(5, 5));
    assert_eq!(all, ["committed 3 to 5", "ready"]);
}

#[test]
fn a_restart_knows_that_what_is_before_the_start_was_committed() {
    check_restart_before_start(0);
    check_restart_before_start(1);
    check_restart_before_start(2);
}

#[test]
fn a_follower_refuses_and_unknown_groups_are_ignored() {
    let mut replicas = Replicas::new(1, NodeId(1));
    let create = In::Create {
        spec: lone(),
        restored: Restored::default(),
    };
    said(&mut replicas, create);
    assert_eq!(said(&mut replicas, propose(0, 1)), ["refused"]);
    let other = In::Campaign { group: GroupId(9) };
    assert!(said(&mut replicas, other).is_empty());
}

#[test]
fn a_batch_at_a_wrong_offset_quarantines_its_group_alone() {
    let mut replicas = elected();
    let all = said(&mut replicas, propose(7, 1));
    assert!(all.last().unwrap().starts_with("quarantined: "), "{all:?}");
    assert_eq!(replicas.in_sync(GROUP, NOW, Default::default()), []);
}

#[test]
fn a_compacted_log_keeps_the_terms_that_it_needs() {
    let mut replicas = elected();
    said(&mut replicas, persisted(1, 1));
    said(&mut replicas, state_persisted(1, 0));
    said(&mut replicas, propose(0, 3));
    said(&mut replicas, persisted(2, 1));
    let compact = |index, offset| In::Compact {
        group: GROUP,
        start: LogStart {
            index: LogIndex(index),
            term_before: Term(1),
            offset: Offset(offset),
        },
    };
    let none: [&str; 0] = [];
    assert_eq!(said(&mut replicas, compact(3, 3)), none);
    assert_eq!(
        said(&mut replicas, propose(3, 1)),
        ["append Batch 3@1 3..4"]
    );
    assert_eq!(said(&mut replicas, persisted(3, 1)), ["committed 1 to 3"]);
    let beyond = said(&mut replicas, compact(9, 9));
    assert!(
        beyond[0].starts_with("quarantined: a log start at 9"),
        "{beyond:?}"
    );
}

#[test]
fn a_group_that_was_removed_is_gone() {
    let mut replicas = elected();
    let none: [&str; 0] = [];
    assert_eq!(said(&mut replicas, In::Remove { group: GROUP }), none);
    assert_eq!(said(&mut replicas, persisted(1, 1)), none);
}

#[test]
fn restored_entries_with_a_hole_quarantine_the_group() {
    let mut replicas = Replicas::new(1, NodeId(1));
    let entry = Entry {
        index: LogIndex(2),
        term: Term(1),
        kind: EntryKind::Opening,
        base_offset: Offset(0),
        next_offset: Offset(0),
        data: Bytes::new(),
    };
    let restored = Restored {
        entries: vec![entry],
        ..Restored::default()
    };
    let create = In::Create {
        spec: lone(),
        restored,
    };
    let all = said(&mut replicas, create);
    assert_eq!(all, ["quarantined: restored entry 2 does not follow 0"]);
}

/// No batch stays in memory once it is committed and durable: it pins the buffer it came in.
#[test]
fn a_lone_replica_keeps_no_data_of_what_is_done() {
    let mut replicas = elected();
    said(&mut replicas, persisted(1, 1));
    said(&mut replicas, state_persisted(1, 0));
    let data = batch(0, 1);
    let proposal = In::Propose {
        group: GROUP,
        kind: EntryKind::Batch,
        base_offset: Offset(0),
        data: data.clone(),
    };
    said(&mut replicas, proposal);
    assert!(!data.is_unique());
    said(&mut replicas, persisted(2, 1));
    assert!(data.is_unique());
}
