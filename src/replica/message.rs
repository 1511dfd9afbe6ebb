//! What replicas of a group on different brokers say to each other: our own bytes, not protobuf.
//!
//! | bytes | field (little-endian) |
//! |---|---|
//! | 1 | version: 1 |
//! | 1 | kind: its place in `KINDS` |
//! | 1 | flags: bit 0 is *reject*, the others 0 |
//! | 1 | 0 |
//! | 4 | number of entries |
//! | 80 | group, from, to, term, log term, index, commit, commit term, reject hint, request snapshot |
//! | 4 + n | length of the context, and the context |
//!
//! then for each entry: type u8 (0 an entry, 1 a change of members), length of its context u8,
//! 0 u16, length of its data u32, term u64, index u64, context, data. The entries follow each other
//! from `index + 1` on, terms never fall and are at most the message's. There is one encoding of
//! each message. The data of decoded entries are slices of the buffer that came in.

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
const KINDS: [MessageType; 10] = [
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
    /// If the engine made a kind of message that does not travel, or an entry of 4 GiB.
    pub fn encode(&self) -> Vec<Bytes> {
        let m = &self.raft;
        let kind = KINDS.iter().position(|k| *k == m.get_msg_type());
        let kind = kind.expect("only these kinds leave a replica");
        let mut parts = Vec::with_capacity(1 + 2 * m.entries.len());
        let mut head = BytesMut::with_capacity(HEADER_BYTES + m.context.len() + ENTRY_BYTES);
        head.put_u8(VERSION);
        head.put_u8(length(kind));
        head.put_u8(u8::from(m.reject));
        head.put_u8(0);
        head.put_u32_le(length(m.entries.len()));
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
        head.put_u32_le(length(m.context.len()));
        head.put_slice(&m.context);
        for entry in m.entries.iter() {
            head.put_u8(u8::from(entry.get_entry_type() != EntryType::EntryNormal));
            head.put_u8(length(entry.context.len()));
            head.put_u16_le(0);
            head.put_u32_le(length(entry.data.len()));
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
    ///
    /// # Errors
    /// If the bytes are not exactly one message of a known version, as the layout above has it.
    pub fn decode(mut bytes: Bytes) -> Result<Self, MessageError> {
        if bytes.len() < HEADER_BYTES || bytes.get_u8() != VERSION {
            return Err(MessageError);
        }
        let mut m = Message::default();
        let kind = KINDS.get(usize::from(bytes.get_u8())).ok_or(MessageError)?;
        m.set_msg_type(*kind);
        let (flags, zero) = (bytes.get_u8(), bytes.get_u8());
        if flags > 1 || zero != 0 {
            return Err(MessageError);
        }
        m.reject = flags == 1;
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
        let mut before = (m.index, m.log_term);
        for _ in 0..entries {
            let entry = decode_entry(&mut bytes)?;
            let follows = before.0.checked_add(1) == Some(entry.index);
            if !follows || entry.term < before.1 || entry.term > m.term {
                return Err(MessageError);
            }
            before = (entry.index, entry.term);
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
    if bytes.get_u16_le() != 0 {
        return Err(MessageError);
    }
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

/// A length of what we made ourselves, in the field's width.
fn length<T: TryFrom<usize>>(length: usize) -> T {
    let narrow = T::try_from(length).ok();
    narrow.expect("what an engine makes is bounded by MESSAGE_BYTES_MAX and one batch")
}
