//! The seam between a coordinator and who hosts it.

use bytes::Bytes;
use corelog_base::{Monotonic, ProducerEpoch, ProducerId, TimestampMs, TopicId};

use crate::{Result, Settings, groups, shares, transactions};

/// State of one partition of an internal topic.
///
/// Its host calls `replay` and `replay_marker` for what the partition holds, in log order, then
/// `loaded`, then `step`. Every call comes from the core that leads the partition.
pub trait Coordinator {
    /// A committed record, before `loaded`.
    ///
    /// # Errors
    /// What of the record cannot be read; the host reports it and goes on with the next one.
    fn replay(
        &mut self,
        at: &At<'_>,
        record: &Replayed<'_>,
    ) -> std::result::Result<(), corelog_wire::Error>;

    /// The end of a transaction whose records were given to `replay`.
    fn replay_marker(&mut self, marker: &Marker);

    /// All has been replayed: requests follow.
    fn loaded(&mut self, at: &At<'_>, out: &mut Vec<Effect>);

    fn step(&mut self, at: &At<'_>, event: Event, out: &mut Vec<Effect>);

    /// When the next `Tick` is due, if ever. A later one does no harm.
    fn deadline(&self) -> Option<Monotonic>;
}

/// When a step is taken, and what it may look at.
pub struct At<'a> {
    pub now: Monotonic,
    pub wall: TimestampMs,
    pub topics: &'a dyn Topics,
    pub settings: &'a Settings,
}

/// The topics that there are, internal ones too.
pub trait Topics {
    /// Its id, and how many partitions it has.
    fn named(&self, name: &str) -> Option<(TopicId, u32)>;
    /// Its name, and how many partitions it has.
    fn with_id(&self, id: TopicId) -> Option<(&str, u32)>;
    /// Every topic, by name.
    fn each(&self, take: &mut dyn FnMut(&str, TopicId, u32));
}

/// A request in progress: its reply carries it, once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);

#[derive(Debug)]
pub enum Event {
    Request {
        token: Token,
        request: Request,
    },
    /// Time has passed.
    Tick,
    /// Topics were made, grown or deleted.
    TopicsChanged,
    /// These topics are gone for good.
    TopicsDeleted(Vec<TopicId>),
    /// A transaction that wrote to this partition has ended, and its marker has committed.
    Marker(Marker),
    /// An `Effect::Mark` is done.
    Marked(transactions::Marked),
}

/// What the host must do, in this order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Appends records, all or none of them.
    Append {
        records: Vec<Stored>,
        /// They count only once this producer's transaction is committed.
        producer: Option<Producer>,
    },
    /// Answers, once all that was appended before has committed.
    Reply { token: Token, reply: Result<Reply> },
    /// Writes markers, once all that was appended before has committed; then says `Marked`.
    Mark(transactions::Mark),
}

/// A record for the internal topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    pub key: Bytes,
    /// None says that what the key names is gone.
    pub value: Option<Bytes>,
}

/// A committed record of the internal topic.
#[derive(Clone, Copy, Debug)]
pub struct Replayed<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
    pub timestamp: TimestampMs,
    /// Of a record in a transaction: it counts once the transaction's marker says so.
    pub producer: Option<Producer>,
}

/// Who writes in a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Producer {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
}

/// The end of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marker {
    pub producer: Producer,
    pub committed: bool,
}

/// What is asked of a coordinator.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    Group(groups::Request),
    Share(shares::Request),
    Transaction(transactions::Request),
}

/// What it answers.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    Group(groups::Reply),
    Share(shares::Reply),
    Transaction(transactions::Reply),
}

impl Request {
    /// Whether nothing is ever stored for it: it is served where there is no room to store.
    pub fn only_reads(&self) -> bool {
        match self {
            Request::Group(request) => request.only_reads(),
            Request::Share(request) => request.only_reads(),
            Request::Transaction(request) => request.only_reads(),
        }
    }
}
