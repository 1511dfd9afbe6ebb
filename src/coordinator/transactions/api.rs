//! What doors ask of a transaction's coordinator, and what they get.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::{ProducerId, TimestampMs};

use crate::{Producer, Result};

/// Partitions by the names of their topics.
pub type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// How epochs and transactions go together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// A producer keeps its epoch until it is fenced. Kafka's transaction versions 0 and 1.
    Classic,
    /// Each transaction has an epoch of its own (KIP-890). Kafka's transaction version 2.
    Epochs,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    Init(Init),
    Add(Add),
    /// Whether partitions are in the open transaction.
    Verify(Verify),
    End(End),
    List(List),
    Describe(Describe),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// The id and the epoch to write with.
    Producer(Producer),
    Done,
    /// In the order that was asked.
    Partitions(Vec<Result<()>>),
    Listed(Vec<Listed>),
    Described(Described),
}

impl Request {
    pub(crate) fn only_reads(&self) -> bool {
        matches!(
            self,
            Request::Verify(_) | Request::List(_) | Request::Describe(_)
        )
    }
}

/// InitProducerId: takes the transactional id over from whoever had it.
#[derive(Clone, PartialEq, Debug)]
pub struct Init {
    pub id: String,
    pub timeout_ms: i32,
    /// What the producer has, if it goes on after an error (KIP-360).
    pub current: Option<Producer>,
    /// An id that nobody has, to be used if one is needed.
    pub fresh: ProducerId,
}

/// AddPartitionsToTxn, or a first Produce under KIP-890.
#[derive(Clone, PartialEq, Debug)]
pub struct Add {
    pub id: String,
    pub producer: Producer,
    pub protocol: Protocol,
    pub partitions: Partitions,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Verify {
    pub id: String,
    pub producer: Producer,
    pub partitions: Vec<(String, i32)>,
}

/// EndTxn.
#[derive(Clone, PartialEq, Debug)]
pub struct End {
    pub id: String,
    pub producer: Producer,
    pub protocol: Protocol,
    pub committed: bool,
    /// An id that nobody has, for an epoch that cannot grow any more.
    pub fresh: Option<ProducerId>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Describe {
    pub id: String,
}

/// Empty filters list everything.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct List {
    /// Kafka's names of states.
    pub states: Vec<String>,
    pub producers: Vec<ProducerId>,
    /// Only those that are open for longer; None is any.
    pub open_for_ms: Option<i64>,
    /// A regular expression that all of an id must match.
    pub pattern: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub id: String,
    pub producer: ProducerId,
    pub state: &'static str,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Described {
    pub producer: Producer,
    pub state: &'static str,
    pub timeout_ms: i32,
    /// -1 if none is open.
    pub started: TimestampMs,
    pub partitions: Partitions,
}

/// Markers to be written, each until its partition has it or is gone.
#[derive(Clone, PartialEq, Debug)]
pub struct Mark {
    pub id: String,
    pub producer: Producer,
    pub protocol: Protocol,
    pub committed: bool,
    pub partitions: Partitions,
}

/// The markers of a transaction are in all its partitions.
#[derive(Clone, PartialEq, Debug)]
pub struct Marked {
    pub id: String,
    /// As the mark had it.
    pub producer: Producer,
}
