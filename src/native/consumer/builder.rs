//! What a consumer is made from.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::{Offset, PartitionIndex};

use super::handle::Consumer;
use super::state::State;
use crate::client::Wanted;
use crate::offsets::Position;
use crate::{Client, Error, Kind};

/// Where to go on when the offset to read next does not exist: it was deleted, or lies behind the
/// end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutOfRange {
    Earliest,
    Latest,
    /// The error is told, and told again.
    Fail,
}

/// Which records of transactions are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// All, as they are written.
    Uncommitted,
    /// Those of committed transactions, once these have ended.
    Committed,
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    /// None: all of the topic, also those that are added later.
    pub partitions: Option<BTreeSet<PartitionIndex>>,
    pub start: Position,
    pub positions: BTreeMap<PartitionIndex, Offset>,
    pub out_of_range: OutOfRange,
    pub isolation: Isolation,
    pub buffer_bytes: u64,
    pub decompressed_bytes_max: usize,
}

/// Bounds and habits of a [`Consumer`].
#[derive(Clone)]
pub struct ConsumerBuilder {
    client: Client,
    topic: String,
    options: Options,
}

impl ConsumerBuilder {
    pub(crate) fn new(client: Client, topic: String) -> Self {
        Self {
            client,
            topic,
            options: Options {
                partitions: None,
                start: Position::Latest,
                positions: BTreeMap::new(),
                out_of_range: OutOfRange::Fail,
                isolation: Isolation::Uncommitted,
                buffer_bytes: 16 << 20,
                decompressed_bytes_max: 256 << 20,
            },
        }
    }

    /// Reads these partitions; all if not set, those that are added later included.
    pub fn partitions(mut self, partitions: impl IntoIterator<Item = PartitionIndex>) -> Self {
        self.options.partitions = Some(partitions.into_iter().collect());
        self
    }

    /// Where to begin; [`Position::Latest`] if not set. Partitions that are added later begin at
    /// their first record.
    pub fn start(mut self, start: Position) -> Self {
        self.options.start = start;
        self
    }

    /// Where to begin in some partitions, as an earlier [`Consumer::positions`] said.
    pub fn positions(mut self, positions: BTreeMap<PartitionIndex, Offset>) -> Self {
        self.options.positions = positions;
        self
    }

    /// [`OutOfRange::Fail`] if not set.
    pub fn out_of_range(mut self, out_of_range: OutOfRange) -> Self {
        self.options.out_of_range = out_of_range;
        self
    }

    /// [`Isolation::Uncommitted`] if not set. `Committed` needs a broker that speaks version 2 of
    /// Subscribe.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.options.isolation = isolation;
        self
    }

    /// Bytes that the broker may send before they are read, over all cores; one batch more a core
    /// may come, however large. 16 MiB if not set.
    pub fn buffer_bytes(mut self, bytes: u64) -> Self {
        self.options.buffer_bytes = bytes;
        self
    }

    /// What one batch may decompress to; 256 MiB if not set.
    pub fn decompressed_bytes_max(mut self, bytes: usize) -> Self {
        self.options.decompressed_bytes_max = bytes;
        self
    }

    /// Finds the topic and where to begin. Nothing is read before the first poll.
    ///
    /// # Errors
    /// An unknown topic; `Invalid` for a partition that it does not have.
    pub async fn build(self) -> Result<Consumer, Error> {
        if self.options.buffer_bytes == 0 {
            return Err(Error::new(Kind::Invalid, "a buffer takes a byte or more"));
        }
        let client = &self.client;
        let find = || client.find(Wanted::Named(&self.topic));
        let topic = client.retrying(find).await?;
        let all = topic.partitions.iter().map(|partition| partition.index);
        let partitions = match &self.options.partitions {
            Some(some) => some.clone(),
            None => all.collect(),
        };
        let given = &self.options.positions;
        let wanted = partitions.iter().map(|partition| {
            let given = given.get(partition).copied().map(Position::Offset);
            (*partition, given.unwrap_or(self.options.start))
        });
        let positions = client.offsets(&self.topic, &wanted.collect()).await?;
        let state = State::new(self.client, topic, self.options, positions);
        Ok(Consumer::new(state))
    }
}
