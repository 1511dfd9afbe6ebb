//! A member of a group, for `corelog consume -g`: it reads what the broker assigns to it.

use std::collections::BTreeMap;

use corelog_base::{Offset, TopicId, entropy};
use corelog_client::{
    Assignment, Client, ConsumedRecord, Consumer, ConsumerOptions, Error, GroupMember, Start,
    TopicFilter, TopicPartition,
};
use tokio::time::{Instant, timeout_at};

use super::common::Failure;

pub(super) struct Member {
    client: Client,
    group: String,
    topics: Vec<String>,
    options: ConsumerOptions,
    /// Where to begin in a partition of which the group has committed nothing.
    first: Start,
    member: GroupMember,
    assigned: Vec<TopicPartition>,
    consumer: Option<Consumer>,
    /// What was given to the caller and is not committed.
    read: BTreeMap<TopicPartition, Offset>,
    next_beat: Instant,
}

impl Member {
    pub(super) fn new(
        client: Client,
        group: String,
        topics: Vec<String>,
        options: ConsumerOptions,
        first: Start,
    ) -> Self {
        Self {
            client,
            group,
            topics,
            options,
            first,
            member: GroupMember {
                id: format!("corelog-{:016x}", entropy()),
                epoch: 0,
            },
            assigned: Vec::new(),
            consumer: None,
            read: BTreeMap::new(),
            next_beat: Instant::now(),
        }
    }

    /// The next records; what came before is committed with the next heartbeat. Returns nothing
    /// from time to time.
    pub(super) async fn poll(&mut self) -> Result<Vec<ConsumedRecord>, Failure> {
        if Instant::now() >= self.next_beat {
            self.beat().await?;
        }
        let Some(consumer) = &mut self.consumer else {
            tokio::time::sleep_until(self.next_beat).await;
            return Ok(Vec::new());
        };
        match timeout_at(self.next_beat, consumer.poll()).await {
            Ok(records) => Ok(records?),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// These were given to whom they are for.
    pub(super) fn done(&mut self, record: &ConsumedRecord) {
        let partition = TopicPartition::clone(&record.partition);
        self.read.insert(partition, record.offset.plus(1));
    }

    async fn beat(&mut self) -> Result<(), Failure> {
        self.commit().await?;
        let owned = self.owned();
        let beat = self
            .client
            .group_heartbeat(&self.group, &self.member, &self.topics, &owned);
        match beat.await {
            Ok(told) => {
                self.next_beat = Instant::now() + told.interval;
                self.member.epoch = told.epoch;
                if let Some(assigned) = told.assigned
                    && assigned != self.assigned
                {
                    self.take(assigned).await?;
                    // What it let go of, others wait for.
                    self.next_beat = Instant::now();
                }
                Ok(())
            }
            Err(error) if is_lost(&error) => {
                self.take(Vec::new()).await?;
                self.member.epoch = 0;
                Ok(())
            }
            Err(error) if error.is_retriable() => {
                self.next_beat = Instant::now() + self.client.options().backoff_max;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn owned(&self) -> Vec<(TopicId, Vec<i32>)> {
        let known = self.client.known();
        let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
        for partition in &self.assigned {
            if let Some(topic) = known.topics.get(&partition.topic) {
                let of = topics.entry(topic.id).or_default();
                of.push(partition.partition.0);
            }
        }
        topics.into_iter().collect()
    }

    async fn take(&mut self, assigned: Vec<TopicPartition>) -> Result<(), Failure> {
        self.consumer = None;
        self.read.clear();
        self.assigned.clone_from(&assigned);
        if assigned.is_empty() {
            return Ok(());
        }
        let committed = self.client.committed(&self.group).await?;
        let starts = assigned.into_iter().map(|partition| Assignment {
            start: match committed.get(&partition) {
                Some(offset) => Start::Offset(*offset),
                None => self.first,
            },
            partition,
        });
        let consumer = Consumer::assign(&self.client, self.options.clone(), starts.collect());
        self.consumer = Some(consumer.await?);
        Ok(())
    }

    /// Commits what was given. Of a member that was replaced, another one reads it again.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        let read = std::mem::take(&mut self.read);
        if read.is_empty() {
            return Ok(());
        }
        let offsets = read.into_iter().collect();
        let asked = self
            .client
            .commit_offsets(&self.group, Some(&self.member), offsets);
        for (_, outcome) in asked.await? {
            match outcome {
                Err(error) if !is_lost(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Commits and leaves.
    pub(super) async fn leave(mut self) -> Result<(), Failure> {
        self.commit().await?;
        self.member.epoch = -1;
        let left = self
            .client
            .group_heartbeat(&self.group, &self.member, &self.topics, &[]);
        // If it is not heard, the group goes on without this member after its session.
        drop(left.await);
        Ok(())
    }

    /// Learns the topics' ids before it is told of them.
    pub(super) async fn learn(&self) -> Result<(), Failure> {
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        self.client.topics(TopicFilter::Named(&names)).await?;
        Ok(())
    }
}

/// The group does not know this member, or another epoch of it: it joins again.
fn is_lost(error: &Error) -> bool {
    let code = error.code().map(|code| code.to_string());
    let lost = [
        "UNKNOWN_MEMBER_ID",
        "FENCED_MEMBER_EPOCH",
        "STALE_MEMBER_EPOCH",
    ];
    code.is_some_and(|code| lost.iter().any(|name| code.starts_with(name)))
}
