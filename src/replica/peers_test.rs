//! One replica of three, with the test as its peers.

use corelog_base::{Entry, EntryKind, HardState, LogIndex, NodeId, Offset, Replica, Term};
use raft::prelude::{Message, MessageType};

use crate::replicas_test::{GROUP, NOW, batch, persisted, propose, said, state_persisted, words};
use crate::{In, Limits, Out, PeerMessage, Replicas, Restored, Spec};

fn replica(id: u64) -> Replica {
    Replica {
        node: NodeId(id as i32),
        id,
    }
}

/// Replica 11 of three, at term 1, with three entries of term 1 that are durable.
fn one_of_three() -> Replicas {
    let mut replicas = Replicas::new(1, NodeId(11));
    let spec = Spec {
        group: GROUP,
        me: 11,
        voters: vec![replica(11), replica(12), replica(13)],
        learners: Vec::new(),
    };
    let entries = (1..=3).map(|i| Entry {
        index: LogIndex(i),
        term: Term(1),
        kind: EntryKind::Batch,
        base_offset: Offset(i as i64 - 1),
        next_offset: Offset(i as i64),
        data: batch(i as i64 - 1, 1),
    });
    let restored = Restored {
        hard_state: HardState {
            term: Term(1),
            vote: 12,
            commit: LogIndex(0),
        },
        entries: entries.collect(),
        ..Restored::default()
    };
    let create = In::Create { spec, restored };
    assert_eq!(said(&mut replicas, create), ["Follower 1 end 3"]);
    replicas
}

fn from_peer(kind: MessageType, term: u64, more: impl FnOnce(&mut Message)) -> In {
    let mut m = Message::default();
    m.set_msg_type(kind);
    (m.from, m.to, m.term) = (12, 11, term);
    more(&mut m);
    In::Peer(PeerMessage::new(GROUP, m))
}

/// From replica 12: entries after `index`, one a term given, each a batch of one record.
fn append(term: u64, after: (u64, u64), terms: &[u64]) -> In {
    from_peer(MessageType::MsgAppend, term, |m| {
        (m.index, m.log_term) = after;
        for (index, term) in (after.0 + 1..).zip(terms) {
            let mut entry = raft::prelude::Entry::default();
            (entry.index, entry.term) = (index, *term);
            entry.data = batch(index as i64 - 1, 1);
            m.entries.push(entry);
        }
    })
}

#[test]
fn a_follower_answers_once_what_it_took_is_durable() {
    let mut replicas = one_of_three();
    let all = said(&mut replicas, append(2, (3, 1), &[2, 2]));
    let follows = [
        "Follower 2 end 5",
        "append Batch 4@2 3..4, Batch 5@2 4..5, state 2 0 0",
    ];
    assert_eq!(all, follows);
    assert!(said(&mut replicas, persisted(5, 2)).is_empty());
    let state = In::HardStatePersisted {
        group: GROUP,
        hard_state: HardState {
            term: Term(2),
            ..HardState::default()
        },
    };
    assert_eq!(said(&mut replicas, state), ["send"]);
}

/// Term 2's entries here are replaced by one of term 1 from the leader of term 3: the index that
/// was durable before says nothing about it.
#[test]
fn what_replaces_other_entries_waits_for_its_own_flush() {
    let mut replicas = one_of_three();
    said(&mut replicas, append(2, (3, 1), &[2, 2, 2]));
    let state = |term| In::HardStatePersisted {
        group: GROUP,
        hard_state: HardState {
            term: Term(term),
            ..HardState::default()
        },
    };
    said(&mut replicas, state(2));
    let cuts = append(3, (3, 1), &[1]);
    let none: [&str; 0] = [];
    assert_eq!(said(&mut replicas, cuts), none, "it waits for the flush");
    assert_eq!(
        said(&mut replicas, persisted(6, 2)),
        [
            "send",
            "Follower 3 end 4",
            "append Batch 4@1 3..4, state 3 0 0"
        ]
    );
    said(&mut replicas, state(3));
    assert_eq!(said(&mut replicas, persisted(6, 2)), none, "stale");
    assert_eq!(said(&mut replicas, persisted(4, 2)), none, "cut off");
    assert_eq!(said(&mut replicas, persisted(4, 1)), ["send"]);
}

#[test]
fn a_follower_that_knows_its_leader_refuses_proposals() {
    let mut replicas = one_of_three();
    said(
        &mut replicas,
        from_peer(MessageType::MsgHeartbeat, 1, |_| {}),
    );
    assert_eq!(said(&mut replicas, propose(3, 1)), ["refused"]);
}

#[test]
fn a_message_for_an_earlier_assignment_is_ignored() {
    let mut replicas = one_of_three();
    let none: [&str; 0] = [];
    let to_another = from_peer(MessageType::MsgHeartbeat, 5, |m| m.to = 7);
    assert_eq!(said(&mut replicas, to_another), none);
    let from_another = from_peer(MessageType::MsgHeartbeat, 5, |m| m.from = 7);
    assert_eq!(said(&mut replicas, from_another), none);
    let right = from_peer(MessageType::MsgHeartbeat, 5, |_| {});
    assert_eq!(said(&mut replicas, right)[0], "Follower 5 end 3");
}

/// Replica 11 leads term 2 with replica 12, and the opening entry is committed.
fn leader_of_three() -> Replicas {
    let mut replicas = one_of_three();
    let campaign = said(&mut replicas, In::Campaign { group: GROUP });
    assert_eq!(campaign, ["Candidate 1 end 3", "send", "send"]);
    let granted = from_peer(MessageType::MsgRequestPreVoteResponse, 2, |_| {});
    let candidate = ["Candidate 2 end 3", "append state 2 11 0"];
    assert_eq!(said(&mut replicas, granted), candidate);
    assert_eq!(said(&mut replicas, state_persisted(2, 0)), ["send", "send"]);
    let granted = from_peer(MessageType::MsgRequestVoteResponse, 2, |_| {});
    let led = said(&mut replicas, granted);
    assert_eq!(led[0], "Leader 2 end 3");
    assert_eq!(led[3], "append Opening 4@2 3..3");
    let stored = from_peer(MessageType::MsgAppendResponse, 2, |m| m.index = 4);
    said(&mut replicas, stored);
    let committed = said(&mut replicas, persisted(4, 2));
    assert_eq!(committed, ["send", "committed 4 to 4", "ready"]);
    replicas
}

#[test]
fn a_handover_that_fails_gives_the_leadership_back() {
    let mut replicas = leader_of_three();
    let transfer = In::Transfer {
        group: GROUP,
        to: 13,
    };
    said(&mut replicas, transfer);
    assert_eq!(said(&mut replicas, propose(3, 1)), ["refused"]);
    let mut again = Vec::new();
    for _ in 0..2 * 10 {
        let active = from_peer(MessageType::MsgHeartbeatResponse, 2, |_| {});
        again.extend(said(&mut replicas, active));
        again.extend(said(&mut replicas, In::Tick));
    }
    again.retain(|said| said != "send");
    assert_eq!(again, ["Leader 2 end 3", "ready"]);
    let taken = said(&mut replicas, propose(3, 1));
    assert!(
        taken.contains(&"append Batch 5@2 3..4".to_owned()),
        "{taken:?}"
    );
}

#[test]
fn a_follower_that_lags_is_read_for_once_and_sent_what_was_read() {
    let limits = Limits {
        window_bytes_max: 0,
        ..Limits::default()
    };
    let mut replicas = leader_of_three();
    replicas.set_limits(limits);
    // Committed by 11 and 12; 13 has nothing, and nothing is kept for it.
    said(&mut replicas, propose(3, 2));
    let stored = from_peer(MessageType::MsgAppendResponse, 2, |m| m.index = 5);
    said(&mut replicas, stored);
    assert_eq!(said(&mut replicas, persisted(5, 2)), ["committed 1 to 5"]);
    let behind = || {
        from_peer(MessageType::MsgAppendResponse, 2, |m| {
            (m.from, m.index, m.reject, m.reject_hint) = (13, 3, true, 0);
        })
    };
    assert_eq!(said(&mut replicas, behind()), ["read from 1"]);
    let none: [&str; 0] = [];
    let heartbeat = from_peer(MessageType::MsgHeartbeatResponse, 2, |m| m.from = 13);
    assert_eq!(said(&mut replicas, heartbeat), none, "it is under way");
    let entries = (1..=3).map(|i| Entry {
        index: LogIndex(i),
        term: Term(1),
        kind: EntryKind::Batch,
        base_offset: Offset(i as i64 - 1),
        next_offset: Offset(i as i64),
        data: batch(i as i64 - 1, 1),
    });
    let fetched = In::Fetched {
        group: GROUP,
        from: LogIndex(1),
        entries: entries.collect(),
    };
    let mut out = Vec::new();
    replicas.step(NOW, fetched, &mut out);
    replicas.flush(NOW, &mut out);
    let Some(Out::Send { message, .. }) = out.first() else {
        panic!("{:?}", out.iter().map(words).collect::<Vec<_>>());
    };
    let indexes: Vec<u64> = message.raft.entries.iter().map(|e| e.index).collect();
    assert_eq!((message.to(), indexes), (13, vec![1, 2, 3]));
}

#[test]
fn a_panic_in_the_engine_quarantines_its_group_alone() {
    let mut replicas = one_of_three();
    // raft-rs panics on a commit index beyond the log: a peer that lost what it had acknowledged.
    let beyond = from_peer(MessageType::MsgHeartbeat, 1, |m| m.commit = 99);
    let all = said(&mut replicas, beyond);
    assert!(
        all[0].starts_with("quarantined: the engine panicked"),
        "{all:?}"
    );
    let none: [&str; 0] = [];
    assert_eq!(said(&mut replicas, In::Tick), none);
}
