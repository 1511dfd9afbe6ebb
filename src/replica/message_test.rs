use bytes::Bytes;
use corelog_base::{GroupId, Random};
use corelog_fuzz::{Counting, Fuzz, Seed};
use raft::prelude::{Entry as RaftEntry, EntryType, Message, MessageType};

use crate::PeerMessage;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn entry(term: u64, index: u64, context: &'static [u8], data: Vec<u8>) -> RaftEntry {
    let mut entry = RaftEntry::default();
    (entry.term, entry.index) = (term, index);
    entry.context = Bytes::from_static(context);
    entry.data = Bytes::from(data);
    entry
}

fn sample() -> PeerMessage {
    let mut m = Message::default();
    m.set_msg_type(MessageType::MsgAppend);
    (m.from, m.to, m.term, m.index, m.log_term) = (1, 2, 7, 40, 5);
    (m.commit, m.commit_term) = (39, 4);
    m.context = Bytes::from_static(b"ctx");
    for i in 0..3u8 {
        let data = vec![i; 100 * usize::from(i)];
        m.entries
            .push(entry(6, 41 + u64::from(i), b"123456789", data));
    }
    PeerMessage::new(GroupId(9), m)
}

fn joined(message: &PeerMessage) -> Bytes {
    Bytes::from(message.encode().concat())
}

#[test]
fn golden_bytes() {
    let mut m = Message::default();
    m.set_msg_type(MessageType::MsgAppendResponse);
    (m.from, m.to, m.term, m.log_term, m.index) = (1, 2, 4, 3, 5);
    (m.commit, m.commit_term, m.reject_hint, m.reject) = (6, 7, 8, true);
    m.context = Bytes::from_static(b"c");
    let mut change = entry(3, 6, b"k", b"data".to_vec());
    change.set_entry_type(EntryType::EntryConfChangeV2);
    m.entries.push(change);
    let message = PeerMessage::new(GroupId(0x0102), m);
    let mut golden = vec![1, 1, 1, 0, 1, 0, 0, 0];
    for word in [0x0102u64, 1, 2, 4, 3, 5, 6, 7, 8, 0] {
        golden.extend(word.to_le_bytes());
    }
    golden.extend([1, 0, 0, 0, b'c']);
    golden.extend([1, 1, 0, 0, 4, 0, 0, 0]);
    golden.extend(3u64.to_le_bytes());
    golden.extend(6u64.to_le_bytes());
    golden.extend(b"kdata");
    assert_eq!(joined(&message), golden);
    assert_eq!(PeerMessage::decode(Bytes::from(golden)), Ok(message));
}

#[test]
fn the_numbers_of_kinds_are_frozen() {
    use MessageType::*;
    let kinds = [
        MsgAppend,
        MsgAppendResponse,
        MsgRequestVote,
        MsgRequestVoteResponse,
        MsgRequestPreVote,
        MsgRequestPreVoteResponse,
        MsgHeartbeat,
        MsgHeartbeatResponse,
        MsgTimeoutNow,
        MsgTransferLeader,
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let mut m = Message::default();
        m.set_msg_type(kind);
        let bytes = joined(&PeerMessage::new(GroupId(1), m));
        assert_eq!(usize::from(bytes[1]), number);
    }
    let mut unknown = joined(&sample()).to_vec();
    unknown[1] = 10;
    assert!(PeerMessage::decode(Bytes::from(unknown)).is_err());
}

#[test]
fn data_is_a_slice_of_what_came_in_and_leaves_as_it_is() {
    let bytes = joined(&sample());
    let inside = |part: &Bytes, whole: &Bytes| {
        let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
        whole.start <= part.start && part.end <= whole.end
    };
    let message = PeerMessage::decode(bytes.clone()).unwrap();
    assert_eq!(message, sample());
    let parts = message.encode();
    let data = &message.raft.entries[2].data;
    assert!(inside(data, &bytes));
    assert!(parts.iter().any(|part| part.as_ptr() == data.as_ptr()));
}

#[test]
fn every_cut_and_every_tail_is_refused() {
    let bytes = joined(&sample());
    for cut in 0..bytes.len() {
        assert!(
            PeerMessage::decode(bytes.slice(..cut)).is_err(),
            "cut at {cut}"
        );
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(PeerMessage::decode(Bytes::from(longer)).is_err());
}

#[test]
fn entries_must_follow_each_other() {
    let breaks: [fn(&mut Message); 4] = [
        |m| m.index += 1,
        |m| m.entries[1].index += 1,
        |m| m.entries[1].term -= 1,
        |m| m.term = 5,
    ];
    for (number, break_it) in breaks.into_iter().enumerate() {
        let mut message = sample();
        break_it(&mut message.raft);
        assert!(PeerMessage::decode(joined(&message)).is_err(), "{number}");
    }
}

/// Whatever is accepted is the one encoding of what it says, and is covered by its bytes.
#[test]
fn mutations_never_panic_and_never_alias() {
    let bytes = joined(&sample());
    let mut random = Random::new(1);
    let mut accepted = 0;
    for _ in 0..50_000 {
        let mut mutated = bytes.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(mutated.len() as u64) as usize;
            mutated[at] = random.next_u64() as u8;
        }
        let mutated = Bytes::from(mutated);
        if let Ok(message) = PeerMessage::decode(mutated.clone()) {
            assert_eq!(joined(&message), mutated);
            accepted += 1;
        }
    }
    assert!(accepted > 1_000, "{accepted} mutations were messages");
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random::new(2);
    for _ in 0..50_000 {
        let mut bytes = vec![0; random.below(400) as usize];
        random.fill(&mut bytes);
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        let bytes = Bytes::from(bytes);
        if let Ok(message) = PeerMessage::decode(bytes.clone()) {
            assert_eq!(joined(&message), bytes);
        }
    }
}

#[test]
fn mutations() {
    let mut empty = Message::default();
    empty.set_msg_type(MessageType::MsgHeartbeat);
    let mut change = sample();
    for entry in change.raft.entries.iter_mut() {
        entry.set_entry_type(EntryType::EntryConfChangeV2);
    }
    let messages = [sample(), change, PeerMessage::new(GroupId(1), empty)];
    let seeds = messages.map(|message| Seed {
        label: "message".into(),
        bytes: joined(&message).to_vec(),
    });
    let mut accepted = 0;
    Fuzz::from_env(1).run("peer message", &seeds, |bytes| {
        if let Ok(message) = PeerMessage::decode(Bytes::copy_from_slice(bytes)) {
            accepted += 1;
            assert_eq!(joined(&message), bytes, "one form for each message");
        }
    });
    assert!(accepted > 3, "no mutant is sound");
}
