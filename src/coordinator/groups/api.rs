//! What doors ask of a group's coordinator, and what they get. All of it is owned: it travels to the
//! core that leads the group's partition.

use bytes::Bytes;
use corelog_base::{LeaderEpoch, Offset, TopicId};

use crate::{Producer, Result};

#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    Join(Join),
    Sync(Sync),
    Heartbeat(Heartbeat),
    Leave(Leave),
    Commit(Commit),
    /// Offsets that count once the producer's transaction is committed.
    TransactionalCommit(TransactionalCommit),
    Fetch(Fetch),
    List(List),
    /// A classic group.
    Describe(String),
    Delete(String),
    DeleteOffsets(DeleteOffsets),
    ConsumerHeartbeat(Box<ConsumerHeartbeat>),
    /// A group of KIP-848.
    DescribeConsumer(String),
    ShareHeartbeat(Box<ShareHeartbeat>),
    /// A share group.
    DescribeShare(String),
    /// A share group without members has no place in a topic any more.
    ForgetShared {
        group: String,
        topic: TopicId,
    },
}

#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    Joined(Joined),
    /// Join again as the member of this id (KIP-394).
    JoinAs(String),
    Synced(Synced),
    Done,
    /// In the order of those who leave.
    Left(Vec<Result<()>>),
    /// In the order of the partitions that were named.
    Partitions(Vec<Result<()>>),
    Fetched(Vec<FetchedTopic>),
    Listed(Vec<Listed>),
    Described(Described),
    Beat(Beat),
    DescribedConsumer(DescribedConsumer),
    DescribedShare(DescribedShare),
}

impl Request {
    pub(crate) fn only_reads(&self) -> bool {
        matches!(
            self,
            Request::Heartbeat(_)
                | Request::Fetch(_)
                | Request::List(_)
                | Request::Describe(_)
                | Request::DescribeConsumer(_)
                | Request::DescribeShare(_)
        )
    }
}

/// Who speaks, as it is shown to people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Client {
    pub id: String,
    pub host: String,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Join {
    pub group: String,
    pub client: Client,
    /// Empty for a first request.
    pub member: String,
    /// Of a static member.
    pub instance: Option<String>,
    pub session_ms: i32,
    pub rebalance_ms: i32,
    pub protocol_type: String,
    /// The most wanted first, each with its opaque metadata.
    pub protocols: Vec<(String, Bytes)>,
    pub abilities: Abilities,
}

/// What a member's version of JoinGroup can say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Abilities {
    /// It takes an id and joins again with it (version 4).
    pub takes_id: bool,
    /// As the leader it can be told to keep the assignment (version 9).
    pub skips_assignment: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Joined {
    pub generation: i32,
    pub protocol_type: String,
    pub protocol: String,
    pub leader: String,
    pub member: String,
    pub skip_assignment: bool,
    /// For the leader only; others get none.
    pub members: Vec<JoinedMember>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct JoinedMember {
    pub id: String,
    pub instance: Option<String>,
    pub metadata: Bytes,
}

/// A member of a generation, as it names itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Membership {
    /// Of a classic group, or the member's epoch; -1 is from outside of the group's generations.
    pub generation: i32,
    pub member: String,
    pub instance: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Sync {
    pub group: String,
    pub membership: Membership,
    /// None is not checked.
    pub protocol_type: Option<String>,
    /// None is not checked.
    pub protocol: Option<String>,
    /// From the leader: what each member gets.
    pub assignments: Vec<(String, Bytes)>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Synced {
    pub protocol_type: String,
    pub protocol: String,
    pub assignment: Bytes,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Heartbeat {
    pub group: String,
    pub membership: Membership,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Leave {
    pub group: String,
    pub members: Vec<Leaver>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaver {
    /// Empty if a static member is named by its instance.
    pub member: String,
    pub instance: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Commit {
    pub group: String,
    pub membership: Membership,
    /// How long the offsets live, whatever the group does; None leaves it to the broker.
    pub retention_ms: Option<i64>,
    pub topics: Vec<CommitTopic>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct TransactionalCommit {
    pub producer: Producer,
    pub commit: Commit,
}

#[derive(Clone, PartialEq, Debug)]
pub struct CommitTopic {
    pub name: String,
    pub id: TopicId,
    pub partitions: Vec<CommitPartition>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct CommitPartition {
    pub partition: i32,
    pub offset: Offset,
    /// -1 is unknown.
    pub leader_epoch: LeaderEpoch,
    pub metadata: String,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Fetch {
    pub group: String,
    /// None asks without being a member.
    pub membership: Option<Membership>,
    /// Topics with their partitions; None asks for all.
    pub topics: Option<Vec<(String, Vec<i32>)>>,
    /// Refuses a partition of whose offset a transaction has yet to decide.
    pub require_stable: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct FetchedTopic {
    pub name: String,
    pub partitions: Vec<(i32, Result<Option<Committed>>)>,
}

/// A committed offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    pub offset: Offset,
    /// -1 is unknown.
    pub leader_epoch: LeaderEpoch,
    /// As it was committed, unchanged.
    pub metadata: String,
}

/// Empty filters list everything.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct List {
    /// Names of states, in any case of letters.
    pub states: Vec<String>,
    /// Names of types, in any case of letters.
    pub types: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub group: String,
    pub protocol_type: String,
    pub state: &'static str,
    /// `classic`, `consumer` or `share`.
    pub kind: &'static str,
}

/// A classic group.
#[derive(Clone, PartialEq, Debug)]
pub struct Described {
    pub state: &'static str,
    pub protocol_type: String,
    /// Empty if none is chosen.
    pub protocol: String,
    pub members: Vec<DescribedMember>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct DescribedMember {
    pub id: String,
    pub instance: Option<String>,
    pub client: Client,
    pub metadata: Bytes,
    pub assignment: Bytes,
}

#[derive(Clone, PartialEq, Debug)]
pub struct DeleteOffsets {
    pub group: String,
    pub topics: Vec<(String, Vec<i32>)>,
}

/// A heartbeat of a member of KIP-848. What is None has not changed.
#[derive(Clone, PartialEq, Debug)]
pub struct ConsumerHeartbeat {
    pub group: String,
    pub client: Client,
    /// Made by the member; empty in the first request of older clients.
    pub member: String,
    /// 0 joins, -1 leaves, -2 leaves as a static member that comes back.
    pub epoch: i32,
    pub instance: Option<String>,
    pub rack: Option<String>,
    pub rebalance_ms: Option<i32>,
    pub topics: Option<Vec<String>>,
    /// Empty for none.
    pub pattern: Option<String>,
    pub assignor: Option<String>,
    /// What the member has.
    pub owned: Option<Vec<(TopicId, Vec<i32>)>>,
}

/// The answer to a heartbeat.
#[derive(Clone, PartialEq, Debug)]
pub struct Beat {
    pub member: String,
    pub epoch: i32,
    /// None if it has not changed.
    pub assignment: Option<Vec<(TopicId, Vec<i32>)>>,
}

/// A group of KIP-848.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribedConsumer {
    pub state: &'static str,
    pub epoch: i32,
    pub assignment_epoch: i32,
    pub assignor: &'static str,
    pub members: Vec<DescribedConsumerMember>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct DescribedConsumerMember {
    pub id: String,
    pub instance: Option<String>,
    pub rack: Option<String>,
    pub epoch: i32,
    pub client: Client,
    pub topics: Vec<String>,
    pub pattern: Option<String>,
    pub assigned: Vec<TopicPartitions>,
    pub target: Vec<TopicPartitions>,
    /// It speaks the classic protocol.
    pub classic: bool,
}

/// Partitions of a topic: its id, its name (empty if it is gone), and which.
pub type TopicPartitions = (TopicId, String, Vec<i32>);

/// A heartbeat of a member of a share group. What is None has not changed.
#[derive(Clone, PartialEq, Debug)]
pub struct ShareHeartbeat {
    pub group: String,
    pub client: Client,
    pub member: String,
    /// 0 joins, -1 leaves.
    pub epoch: i32,
    pub rack: Option<String>,
    pub topics: Option<Vec<String>>,
}

/// A share group.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribedShare {
    pub state: &'static str,
    pub epoch: i32,
    pub members: Vec<DescribedShareMember>,
    /// Where the group has a place.
    pub begun: Vec<TopicPartitions>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct DescribedShareMember {
    pub id: String,
    pub rack: Option<String>,
    pub epoch: i32,
    pub client: Client,
    pub topics: Vec<String>,
    pub assigned: Vec<TopicPartitions>,
}
