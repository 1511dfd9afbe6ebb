//! What replicas of a group on different brokers say to each other: our own bytes, not protobuf.
//!
//! Layout, little-endian: version u8 (1), kind u8, flags u8 (bit 0 reject),
//! reserved u8, entry count u32, group u64, from u64, to u64, term u64, log term u64,
//! index u64, commit u64, commit term u64, reject hint u64, request snapshot u64; context length
//! u32 and its bytes; then for each entry: kind of entry u8, context length u8, reserved u16, data
//! length u32, term u64, index u64, context, data. The data of entries are slices of one buffer.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use corelog_base::GroupId;
use raft::prelude::{Entry as RaftEntry, EntryType, Message, MessageType};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 92;
const ENTRY_BYTES: usize = 24;

/// One message of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerMessage {
    group: GroupId,
    pub(crate) raft: Message,
}

/// The bytes are not a message of a version that is known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageError;

/// The kinds that travel, by their number on the wire: frozen.
const KINDS: [MessageType; 11] = [
    MessageType::MsgAppend,
    MessageType::MsgAppendResponse,
    MessageType::MsgRequestVote,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgRequestPreVote,
    MessageType::MsgRequestPreVoteResponse,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResponse,
    MessageType::MsgTimeoutNow,
    MessageType::MsgTransferLeader,
    MessageType::MsgUnreachable,
];

impl PeerMessage {
    pub(crate) fn new(group: GroupId, raft: Message) -> Self {
        Self { group, raft }
    }

    pub fn group(&self) -> GroupId {
        self.group
    }

    /// The replica id that it is for.
    pub fn to(&self) -> u64 {
        self.raft.to
    }

    /// Gathered: the headers, and the entries' data as they are.
    ///
    /// # Panics
    /// If the engine made a kind of message that does not travel.
    pub fn encode(&self) -> Vec<Bytes> {
        let m = &self.raft;
        let kind = KINDS.iter().position(|k| *k == m.get_msg_type());
        let kind = kind.expect("only these kinds leave a replica");
        let mut parts = Vec::with_capacity(1 + 2 * m.entries.len());
        let mut head = BytesMut::with_capacity(HEADER_BYTES + m.context.len() + ENTRY_BYTES);
        head.put_u8(VERSION);
        head.put_u8(kind as u8);
        head.put_u8(u8::from(m.reject));
        head.put_u8(0);
        head.put_u32_le(m.entries.len() as u32);
        for word in [
            self.group.0,
            m.from,
            m.to,
            m.term,
            m.log_term,
            m.index,
            m.commit,
            m.commit_term,
            m.reject_hint,
            m.request_snapshot,
        ] {
            head.put_u64_le(word);
        }
        head.put_u32_le(m.context.len() as u32);
        head.put_slice(&m.context);
        for entry in m.entries.iter() {
            head.put_u8(u8::from(entry.get_entry_type() != EntryType::EntryNormal));
            head.put_u8(entry.context.len() as u8);
            head.put_u16_le(0);
            head.put_u32_le(entry.data.len() as u32);
            head.put_u64_le(entry.term);
            head.put_u64_le(entry.index);
            head.put_slice(&entry.context);
            parts.push(head.split().freeze());
            parts.push(entry.data.clone());
        }
        if !head.is_empty() {
            parts.push(head.freeze());
        }
        parts
    }

    /// The reverse of [`PeerMessage::encode`]; nothing is allocated by a count that the bytes do
    /// not cover.
    pub fn decode(mut bytes: Bytes) -> Result<Self, MessageError> {
        if bytes.len() < HEADER_BYTES || bytes.get_u8() != VERSION {
            return Err(MessageError);
        }
        let mut m = Message::default();
        let kind = KINDS.get(usize::from(bytes.get_u8())).ok_or(MessageError)?;
        m.set_msg_type(*kind);
        m.reject = bytes.get_u8() & 1 == 1;
        bytes.advance(1);
        let entries = bytes.get_u32_le();
        let group = GroupId(bytes.get_u64_le());
        m.from = bytes.get_u64_le();
        m.to = bytes.get_u64_le();
        m.term = bytes.get_u64_le();
        m.log_term = bytes.get_u64_le();
        m.index = bytes.get_u64_le();
        m.commit = bytes.get_u64_le();
        m.commit_term = bytes.get_u64_le();
        m.reject_hint = bytes.get_u64_le();
        m.request_snapshot = bytes.get_u64_le();
        let context = bytes.get_u32_le();
        m.context = take(&mut bytes, context)?;
        for _ in 0..entries {
            let entry = decode_entry(&mut bytes)?;
            m.entries.push(entry);
        }
        if !bytes.is_empty() {
            return Err(MessageError);
        }
        Ok(Self { group, raft: m })
    }
}

fn decode_entry(bytes: &mut Bytes) -> Result<RaftEntry, MessageError> {
    if bytes.len() < ENTRY_BYTES {
        return Err(MessageError);
    }
    let mut entry = RaftEntry::default();
    entry.set_entry_type(match bytes.get_u8() {
        0 => EntryType::EntryNormal,
        1 => EntryType::EntryConfChangeV2,
        _ => return Err(MessageError),
    });
    let context = bytes.get_u8();
    bytes.advance(2);
    let data = bytes.get_u32_le();
    entry.term = bytes.get_u64_le();
    entry.index = bytes.get_u64_le();
    entry.context = take(bytes, u32::from(context))?;
    entry.data = take(bytes, data)?;
    Ok(entry)
}

fn take(bytes: &mut Bytes, count: u32) -> Result<Bytes, MessageError> {
    let count = usize::try_from(count).map_err(|_| MessageError)?;
    if count > bytes.len() {
        return Err(MessageError);
    }
    Ok(bytes.split_to(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corelog_base::Random;

    fn sample() -> PeerMessage {
        let mut m = Message::default();
        m.set_msg_type(MessageType::MsgAppend);
        (m.from, m.to, m.term, m.index) = (1, 2, 7, 40);
        m.context = Bytes::from_static(b"ctx");
        for i in 0..3u64 {
            let mut entry = RaftEntry::default();
            (entry.term, entry.index) = (7, 41 + i);
            entry.data = Bytes::from(vec![i as u8; 100 * i as usize]);
            entry.context = Bytes::from_static(b"123456789");
            m.entries.push(entry);
        }
        PeerMessage::new(GroupId(9), m)
    }

    fn joined(message: &PeerMessage) -> Bytes {
        Bytes::from(message.encode().concat())
    }

    #[test]
    fn round_trip_and_golden_head() {
        let bytes = joined(&sample());
        assert_eq!(
            &bytes[..16],
            &[1, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(PeerMessage::decode(bytes), Ok(sample()));
    }

    #[test]
    fn every_cut_is_refused_and_mutations_never_panic() {
        let bytes = joined(&sample());
        for cut in 0..bytes.len() {
            assert!(
                PeerMessage::decode(bytes.slice(..cut)).is_err(),
                "cut at {cut}"
            );
        }
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let mut mutated = bytes.to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(mutated.len() as u64) as usize;
                mutated[at] = random.next_u64() as u8;
            }
            if let Ok(message) = PeerMessage::decode(Bytes::from(mutated)) {
                assert!(message.raft.entries.len() <= bytes.len() / ENTRY_BYTES);
            }
        }
    }
}
