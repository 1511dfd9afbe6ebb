//! What groups have committed.

use std::collections::BTreeMap;
use std::time::Duration;

use corelog_base::Offset;
use corelog_wire::kafka::{
    ErrorCode, OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchRequestGroup,
    OffsetFetchResponse,
};

use crate::backoff::Backoff;
use crate::error::check;
use crate::groups::place;
use crate::{Client, Error, GroupMember, Reply, TopicPartition};

/// Outcomes by partition.
pub type PartitionOutcomes = Vec<(TopicPartition, Result<(), Error>)>;

/// Topics with their partitions, in order.
fn by_topic<T: Copy>(
    partitions: impl IntoIterator<Item = (TopicPartition, T)>,
) -> BTreeMap<String, Vec<(i32, T)>> {
    let mut topics: BTreeMap<String, Vec<(i32, T)>> = BTreeMap::new();
    for (partition, with) in partitions {
        let of = topics.entry(partition.topic).or_default();
        of.push((partition.partition.0, with));
    }
    topics
}

impl Client {
    /// Everything that a group has committed.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or does not tell one of the offsets.
    pub async fn committed(&self, group: &str) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        let asked = OffsetFetchRequestGroup {
            group_id: group,
            topics: None,
            ..Default::default()
        };
        let request = OffsetFetchRequest {
            group_id: group,
            topics: None,
            groups: vec![asked].into(),
            require_stable: false,
        };
        // Version 10 names topics by id only.
        let mut backoff = Backoff::new(self.options());
        loop {
            let asked = async {
                let node = self.coordinator_once(group, crate::groups::GROUPS).await?;
                let reply = self
                    .call_node(node, 2..=9, &request, Duration::ZERO)
                    .await?;
                offsets(group, &reply)
            };
            let error = match asked.await {
                Ok(offsets) => return Ok(offsets),
                Err(error) => error,
            };
            self.recover(&mut backoff, error).await?;
        }
    }

    /// Commits offsets, for a member or from outside of the group.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn commit_offsets(
        &self,
        group: &str,
        member: Option<&GroupMember>,
        offsets: Vec<(TopicPartition, Offset)>,
    ) -> Result<PartitionOutcomes, Error> {
        let topics = by_topic(offsets);
        let topics = topics
            .iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                name,
                partitions: partitions
                    .iter()
                    .map(|(index, offset)| OffsetCommitRequestPartition {
                        partition_index: *index,
                        committed_offset: offset.0,
                        committed_metadata: Some(""),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
        let request = OffsetCommitRequest {
            group_id: group,
            generation_id_or_member_epoch: member.map_or(-1, |member| member.epoch),
            member_id: member.map_or("", |member| &member.id),
            topics: topics.collect(),
            ..Default::default()
        };
        let mut backoff = Backoff::new(self.options());
        loop {
            let asked = async {
                let node = self.coordinator_once(group, crate::groups::GROUPS).await?;
                let reply = self
                    .call_node(node, 2..=9, &request, Duration::ZERO)
                    .await?;
                committed(group, &reply)
            };
            let error = match asked.await {
                Ok(outcomes) => return Ok(outcomes),
                Err(error) => error,
            };
            self.recover(&mut backoff, error).await?;
        }
    }

    /// Forgets committed offsets.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or the group has members that could use any of them.
    pub async fn delete_offsets(
        &self,
        group: &str,
        partitions: Vec<TopicPartition>,
    ) -> Result<PartitionOutcomes, Error> {
        let topics = by_topic(partitions.into_iter().map(|partition| (partition, ())));
        let topics = topics
            .iter()
            .map(|(name, partitions)| OffsetDeleteRequestTopic {
                name,
                partitions: partitions
                    .iter()
                    .map(|(index, ())| OffsetDeleteRequestPartition {
                        partition_index: *index,
                    })
                    .collect(),
            });
        let request = OffsetDeleteRequest {
            group_id: group,
            topics: topics.collect(),
        };
        let code = |reply: &Reply| Ok(reply.read::<OffsetDeleteResponse<'_>>()?.error_code);
        let (_, reply) = self.ask_group(group, &request, code).await?;
        let deleted: OffsetDeleteResponse<'_> = reply.read()?;
        let mut outcomes = Vec::new();
        for topic in deleted.topics.iter() {
            for partition in topic.partitions.iter() {
                let at = place(topic.name, partition.partition_index);
                let done = check(partition.error_code, None, || format!("offset of {at}"));
                outcomes.push((at, done));
            }
        }
        Ok(outcomes)
    }
}

fn offsets(group: &str, reply: &Reply) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
    let found: OffsetFetchResponse<'_> = reply.read()?;
    let mut all = BTreeMap::new();
    let mut take = |topic: &str, index: i32, code: ErrorCode, offset: i64| {
        let at = place(topic, index);
        check(code, None, || format!("offset of group '{group}' in {at}"))?;
        if offset >= 0 {
            all.insert(at, Offset(offset));
        }
        Ok::<(), Error>(())
    };
    check(found.error_code, None, || {
        format!("offsets of group '{group}'")
    })?;
    for topic in found.topics.iter() {
        for p in topic.partitions.iter() {
            take(
                topic.name,
                p.partition_index,
                p.error_code,
                p.committed_offset,
            )?;
        }
    }
    for of in found.groups.iter() {
        check(of.error_code, None, || {
            format!("offsets of group '{group}'")
        })?;
        for topic in of.topics.iter() {
            for p in topic.partitions.iter() {
                take(
                    topic.name,
                    p.partition_index,
                    p.error_code,
                    p.committed_offset,
                )?;
            }
        }
    }
    Ok(all)
}

/// Outcomes of a commit; what may pass is an error of the whole, so that it is tried again.
fn committed(group: &str, reply: &Reply) -> Result<PartitionOutcomes, Error> {
    let done: OffsetCommitResponse<'_> = reply.read()?;
    let mut outcomes = Vec::new();
    for topic in done.topics.iter() {
        for partition in topic.partitions.iter() {
            let at = place(topic.name, partition.partition_index);
            let code = partition.error_code;
            let outcome = check(code, None, || format!("commit {at} in group '{group}'"));
            match outcome {
                Err(error)
                    if code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION && error.is_retriable() =>
                {
                    return Err(error);
                }
                outcome => outcomes.push((at, outcome)),
            }
        }
    }
    Ok(outcomes)
}
