//! Looking up offsets.

use std::collections::BTreeMap;

use corelog_base::{CoreId, Offset, PartitionIndex, TimestampMs};
use corelog_wire::native::v1::{ArchivedListed, ListOffsetsRequest, ListOffsetsResponse, ListPart};
use corelog_wire::native::{Api, encode, v2};

use crate::client::Wanted;
use crate::error::check;
use crate::topics::Topic;
use crate::{Client, Error, Kind};

/// A place in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// The first record that is kept.
    Earliest,
    /// Behind the last record.
    Latest,
    /// The record with this offset.
    Offset(Offset),
    /// The first record whose timestamp is this or later; behind the last record if none is.
    Time(TimestampMs),
}

impl Position {
    /// What the broker is asked; none where it need not be.
    fn time(self) -> Option<i64> {
        match self {
            Self::Offset(_) => None,
            Self::Latest => Some(-1),
            Self::Earliest => Some(-2),
            Self::Time(time) => Some(time.0.max(0)),
        }
    }
}

impl Client {
    /// The offsets of places in partitions of a topic.
    ///
    /// # Errors
    /// `Invalid` for a partition that the topic does not have; an unknown topic.
    pub async fn offsets(
        &self,
        topic: &str,
        positions: &BTreeMap<PartitionIndex, Position>,
    ) -> Result<BTreeMap<PartitionIndex, Offset>, Error> {
        self.retrying(|| async {
            let topic = self.find(Wanted::Named(topic)).await?;
            self.look_up(&topic, positions).await
        })
        .await
    }

    /// One try.
    pub(crate) async fn look_up(
        &self,
        topic: &Topic,
        positions: &BTreeMap<PartitionIndex, Position>,
    ) -> Result<BTreeMap<PartitionIndex, Offset>, Error> {
        let mut found = BTreeMap::new();
        let mut behind = BTreeMap::new();
        for (partition, offset) in self.list(topic, positions).await? {
            match offset {
                Some(offset) => found.insert(partition, offset).map(drop),
                None => behind.insert(partition, Position::Latest).map(drop),
            };
        }
        for (partition, offset) in self.list(topic, &behind).await? {
            found.insert(partition, offset.unwrap_or_default());
        }
        Ok(found)
    }

    /// Asks the owners. None where no record is at that time or later.
    async fn list(
        &self,
        topic: &Topic,
        positions: &BTreeMap<PartitionIndex, Position>,
    ) -> Result<BTreeMap<PartitionIndex, Option<Offset>>, Error> {
        let mut found = BTreeMap::new();
        let mut by_core: BTreeMap<CoreId, Vec<ListPart>> = BTreeMap::new();
        for (partition, position) in positions {
            let core = self.owner(topic, *partition)?;
            match (position, position.time()) {
                (Position::Offset(offset), _) => drop(found.insert(*partition, Some(*offset))),
                (_, None) => {}
                (_, Some(time)) => by_core.entry(core).or_default().push(ListPart {
                    topic: topic.id.0,
                    partition: partition.0,
                    epoch: -1,
                    time,
                }),
            }
        }
        for (core, parts) in by_core {
            let request = ListOffsetsRequest { parts };
            let connection = self.connection(core).await?;
            let version = connection.hello().version(Api::ListOffsets)?;
            let asked = |correlation| match version {
                1 => encode(correlation, 0, &request, Vec::new()),
                _ => {
                    let request = v2::ListOffsetsRequest::from(request.clone());
                    encode(correlation, 0, &request, Vec::new())
                }
            };
            let reply = connection.call(Api::ListOffsets, asked).await?;
            let parts: &[ArchivedListed] = match version {
                1 => &reply.meta.read::<ListOffsetsResponse>()?.parts,
                _ => &reply.meta.read::<v2::ListOffsetsResponse>()?.parts,
            };
            if parts.len() != request.parts.len() {
                let context = "the broker answers for other partitions than were asked for";
                return Err(Error::new(Kind::Protocol, context));
            }
            for (asked, listed) in request.parts.iter().zip(parts) {
                check(listed.error.to_native(), "", || {
                    format!("look up offsets of '{}'/{}", topic.name, asked.partition)
                })?;
                let offset = Some(Offset(listed.offset.to_native())).filter(|o| o.0 >= 0);
                found.insert(PartitionIndex(asked.partition), offset);
            }
        }
        Ok(found)
    }
}
