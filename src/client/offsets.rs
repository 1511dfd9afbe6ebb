//! Offsets: finding them, and moving a partition's start.

use std::time::Duration;

use corelog_base::{LeaderEpoch, Offset, PartitionIndex, TimestampMs};
use corelog_wire::kafka::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};

use crate::client::ANY_VERSION;
use crate::error::check;
use crate::routed::{LeaderCall, Outcome, ask_leaders, by_topic};
use crate::{Client, Connection, Error, TopicPartition};

/// Which offset to find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetAt {
    /// The first that can be read.
    Earliest,
    /// The next that will be given: the high watermark, or the last stable offset under
    /// [`Isolation::Committed`].
    Latest,
    /// The record with the largest timestamp. Brokers since 3.0.
    MaxTimestamp,
    /// The first record at or after a time.
    Time(TimestampMs),
}

impl OffsetAt {
    fn number(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::Time(timestamp) => timestamp.0.max(0),
        }
    }
}

/// Whether records of open and aborted transactions are seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Isolation {
    #[default]
    Uncommitted,
    Committed,
}

impl Isolation {
    pub(crate) fn number(self) -> i8 {
        match self {
            Self::Uncommitted => 0,
            Self::Committed => 1,
        }
    }
}

/// An offset that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoundOffset {
    /// None if no record matches: all are older than the time asked for.
    pub offset: Option<Offset>,
    /// The record's; none for a start or an end.
    pub timestamp: Option<TimestampMs>,
    pub leader_epoch: LeaderEpoch,
}

/// What a partition's records were cut to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeletedRecords {
    pub start: Offset,
}

struct ListOffsets(Isolation);

impl LeaderCall for ListOffsets {
    type Item = OffsetAt;
    type Out = FoundOffset;

    async fn ask(
        &self,
        connection: &Connection,
        items: &[(TopicPartition, OffsetAt)],
    ) -> Result<Vec<Outcome<FoundOffset>>, Error> {
        let largest = items.iter().any(|(_, at)| *at == OffsetAt::MaxTimestamp);
        let range = if largest { 7..=i16::MAX } else { ANY_VERSION };
        let topics = by_topic(items);
        let request = ListOffsetsRequest {
            isolation_level: self.0.number(),
            timeout_ms: 5_000,
            topics: topics.iter().map(list_topic).collect(),
            ..Default::default()
        };
        let reply = connection.call(range, &request, Duration::ZERO).await?;
        let response: ListOffsetsResponse<'_> = reply.read()?;
        let mut outcomes = Vec::with_capacity(items.len());
        for topic in response.topics.iter() {
            for found in topic.partitions.iter() {
                let index = PartitionIndex(found.partition_index);
                let partition = TopicPartition::new(topic.name, index);
                let checked = check(found.error_code, None, || {
                    format!("find an offset of {partition}")
                });
                let offset = FoundOffset {
                    offset: Some(Offset(found.offset)).filter(|offset| offset.0 >= 0),
                    timestamp: Some(TimestampMs(found.timestamp)).filter(|time| time.0 >= 0),
                    leader_epoch: LeaderEpoch(found.leader_epoch),
                };
                outcomes.push((partition, checked.map(|()| offset)));
            }
        }
        Ok(outcomes)
    }
}

fn list_topic<'a>(
    (name, partitions): &(&'a str, Vec<(PartitionIndex, &OffsetAt)>),
) -> ListOffsetsTopic<'a> {
    let partition = |(index, at): &(PartitionIndex, &OffsetAt)| ListOffsetsPartition {
        partition_index: index.0,
        timestamp: at.number(),
        ..Default::default()
    };
    ListOffsetsTopic {
        name,
        partitions: partitions.iter().map(partition).collect(),
    }
}

struct DeleteRecords(Duration);

impl LeaderCall for DeleteRecords {
    type Item = Option<Offset>;
    type Out = DeletedRecords;

    async fn ask(
        &self,
        connection: &Connection,
        items: &[(TopicPartition, Option<Offset>)],
    ) -> Result<Vec<Outcome<DeletedRecords>>, Error> {
        let topics = by_topic(items);
        let request = DeleteRecordsRequest {
            topics: topics.iter().map(delete_topic).collect(),
            timeout_ms: milliseconds(self.0),
        };
        let reply = connection.call(ANY_VERSION, &request, self.0).await?;
        let response: DeleteRecordsResponse<'_> = reply.read()?;
        let mut outcomes = Vec::with_capacity(items.len());
        for topic in response.topics.iter() {
            for result in topic.partitions.iter() {
                let index = PartitionIndex(result.partition_index);
                let partition = TopicPartition::new(topic.name, index);
                let checked = check(result.error_code, None, || format!("trim {partition}"));
                let start = Offset(result.low_watermark);
                outcomes.push((partition, checked.map(|()| DeletedRecords { start })));
            }
        }
        Ok(outcomes)
    }
}

fn delete_topic<'a>(
    (name, partitions): &(&'a str, Vec<(PartitionIndex, &Option<Offset>)>),
) -> DeleteRecordsTopic<'a> {
    let partition = |(index, before): &(PartitionIndex, &Option<Offset>)| DeleteRecordsPartition {
        partition_index: index.0,
        offset: before.map_or(-1, |offset| offset.0),
    };
    DeleteRecordsTopic {
        name,
        partitions: partitions.iter().map(partition).collect(),
    }
}

pub(crate) fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

impl Client {
    /// Finds one offset a partition. Each partition has its own outcome.
    pub async fn list_offsets(
        &self,
        items: Vec<(TopicPartition, OffsetAt)>,
        isolation: Isolation,
    ) -> Vec<(TopicPartition, Result<FoundOffset, Error>)> {
        ask_leaders(self, &ListOffsets(isolation), items).await
    }

    /// Deletes the records before an offset, or before the high watermark where none is given.
    pub async fn delete_records(
        &self,
        items: Vec<(TopicPartition, Option<Offset>)>,
    ) -> Vec<(TopicPartition, Result<DeletedRecords, Error>)> {
        let call = DeleteRecords(self.options().request_timeout);
        ask_leaders(self, &call, items).await
    }
}
