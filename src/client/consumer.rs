//! Reading partitions that are assigned, without a group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use corelog_base::{NodeId, Offset, PartitionIndex, ProducerId};
use corelog_record::Aborted;
use corelog_wire::kafka::{ErrorCode, FetchResponse, PartitionData};
use tokio::task::JoinSet;

use crate::backoff::Backoff;
use crate::cursor::Cursor;
use crate::error::check;
use crate::fetch::fetch;
use crate::fetched::{ConsumedRecord, Fetched};
use crate::pool::Pool;
use crate::{
    Assignment, Client, ConsumerOptions, Error, FoundOffset, Kind, OffsetAt, OutOfRange, Reply,
    Start, TopicFilter, TopicPartition,
};

/// One request's end: which partitions it asked for, and the answer.
struct Done {
    node: NodeId,
    asked: Vec<(Arc<TopicPartition>, Offset)>,
    result: Result<Reply, Error>,
}

/// Reads assigned partitions. One request a leader is in flight; answers are buffered up to a bound
/// and decompressed batch by batch.
#[derive(Debug)]
pub struct Consumer {
    client: Client,
    options: ConsumerOptions,
    pool: Arc<Pool>,
    cursors: BTreeMap<Arc<TopicPartition>, Cursor>,
    requests: JoinSet<Done>,
    busy: BTreeSet<NodeId>,
    buffered: VecDeque<Fetched>,
    buffered_bytes: usize,
    /// Moves the partition that is named first, so that a full answer starves none.
    turn: usize,
    /// Set while brokers answer with errors that may pass.
    trouble: Option<Backoff>,
}

impl Consumer {
    /// A consumer of these partitions. Starts other than an offset are looked up now.
    ///
    /// # Errors
    /// `Invalid` without a partition; a partition that is not there.
    pub async fn assign(
        client: &Client,
        options: ConsumerOptions,
        assignments: Vec<Assignment>,
    ) -> Result<Self, Error> {
        if assignments.is_empty() {
            return Err(Error::new(Kind::Invalid, "no partition was assigned"));
        }
        let mut consumer = Self {
            client: client.clone(),
            options,
            pool: Arc::default(),
            cursors: BTreeMap::new(),
            requests: JoinSet::new(),
            busy: BTreeSet::new(),
            buffered: VecDeque::new(),
            buffered_bytes: 0,
            turn: 0,
            trouble: None,
        };
        for (partition, position) in consumer.resolve(assignments).await? {
            let partition = Arc::new(partition);
            let cursor = Cursor::new(Arc::clone(&partition), position);
            consumer.cursors.insert(partition, cursor);
        }
        Ok(consumer)
    }

    async fn resolve(
        &self,
        assignments: Vec<Assignment>,
    ) -> Result<Vec<(TopicPartition, Offset)>, Error> {
        let mut resolved = Vec::with_capacity(assignments.len());
        let mut asked = Vec::new();
        for Assignment { partition, start } in assignments {
            match start {
                Start::Offset(offset) => resolved.push((partition, offset)),
                Start::Earliest => asked.push((partition, OffsetAt::Earliest)),
                Start::Latest => asked.push((partition, OffsetAt::Latest)),
                Start::Time(time) => asked.push((partition, OffsetAt::Time(time))),
            }
        }
        let mut beyond = Vec::new();
        for (partition, found) in self.look_up(asked).await {
            match found?.offset {
                Some(offset) => resolved.push((partition, offset)),
                None => beyond.push((partition, OffsetAt::Latest)),
            }
        }
        for (partition, found) in self.look_up(beyond).await {
            resolved.push((partition, found?.offset.unwrap_or_default()));
        }
        Ok(resolved)
    }

    async fn look_up(
        &self,
        items: Vec<(TopicPartition, OffsetAt)>,
    ) -> Vec<(TopicPartition, Result<FoundOffset, Error>)> {
        self.client
            .list_offsets(items, self.options.isolation)
            .await
    }

    /// The next offset that `poll` will return, or pass over.
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.cursors.get(partition).map(|cursor| cursor.position)
    }

    /// How far consumers may read, as of the last answer.
    pub fn high_watermark(&self, partition: &TopicPartition) -> Option<Offset> {
        self.cursors.get(partition)?.high_watermark
    }

    /// How far committed reads go, as of the last answer.
    pub fn last_stable(&self, partition: &TopicPartition) -> Option<Offset> {
        self.cursors.get(partition)?.last_stable
    }

    /// The first offset that there is, as of the last answer.
    pub fn log_start(&self, partition: &TopicPartition) -> Option<Offset> {
        self.cursors.get(partition)?.log_start
    }

    /// Stops reading a partition; what is buffered of it is dropped.
    pub fn unassign(&mut self, partition: &TopicPartition) {
        self.cursors.remove(partition);
        self.buffered
            .retain(|fetched| *fetched.partition != *partition);
        self.buffered_bytes = self.buffered.iter().map(Fetched::bytes).sum();
    }

    /// The records of the next batch of any partition, in the order of offsets. Empty if an answer
    /// brought none; positions may have moved all the same.
    ///
    /// Cancel-safe: nothing that was not returned counts as read.
    ///
    /// # Errors
    /// What does not pass: a damaged batch, a refusal, a position out of range if that is to fail,
    /// or trouble that lasts longer than [`crate::Options::retry_for`].
    pub async fn poll(&mut self) -> Result<Vec<ConsumedRecord>, Error> {
        loop {
            if let Some(records) = self.next_buffered()? {
                return Ok(records);
            }
            if self.cursors.is_empty() {
                return Err(Error::new(
                    Kind::Invalid,
                    "no partition is assigned any more",
                ));
            }
            self.find_leaders().await?;
            self.ask();
            let Some(done) = self.requests.join_next().await else {
                // Every partition is without a leader, or its broker cannot be reached.
                let code = ErrorCode::LEADER_NOT_AVAILABLE;
                self.pause(Error::broker(code, None, "no partition has a leader"))
                    .await?;
                continue;
            };
            let done = done.map_err(|error| Error::with(Kind::Closed, "fetch", error))?;
            let before = self.buffered.len();
            self.take(done).await?;
            if self.buffered.len() == before {
                return Ok(Vec::new());
            }
        }
    }

    /// Records from what was fetched. `None` if nothing is buffered.
    fn next_buffered(&mut self) -> Result<Option<Vec<ConsumedRecord>>, Error> {
        while let Some(fetched) = self.buffered.front_mut() {
            let cursor = self.cursors.get_mut(&fetched.partition);
            let cursor = cursor.expect("what is not assigned is not buffered");
            let before = fetched.bytes();
            let batch = fetched.next(cursor.position, self.options.decompressed_bytes_max);
            self.buffered_bytes -= before - fetched.bytes();
            match batch {
                Ok(Some(batch)) => {
                    cursor.position = batch.next;
                    if !batch.records.is_empty() {
                        return Ok(Some(batch.records));
                    }
                }
                Ok(None) => self.drop_front(),
                Err(error) => {
                    let place = format!("{} at offset {}", cursor.partition, cursor.position);
                    cursor.fetch_from = cursor.position;
                    let partition = Arc::clone(&cursor.partition);
                    self.buffered
                        .retain(|fetched| fetched.partition != partition);
                    self.buffered_bytes = self.buffered.iter().map(Fetched::bytes).sum();
                    return Err(error.of(place));
                }
            }
        }
        Ok(None)
    }

    fn drop_front(&mut self) {
        if let Some(fetched) = self.buffered.pop_front() {
            self.buffered_bytes -= fetched.bytes();
        }
    }

    /// Asks for metadata while a partition has no leader.
    async fn find_leaders(&mut self) -> Result<(), Error> {
        let lost = self
            .cursors
            .values()
            .filter(|cursor| cursor.leader.is_none());
        let names: BTreeSet<&str> = lost.map(|c| c.partition.topic.as_str()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = names.into_iter().collect();
        let metadata = match self.client.refresh_once(TopicFilter::Named(&names)).await {
            Ok(metadata) => metadata,
            Err(error) => return self.pause(error).await,
        };
        let mut refused = None;
        for cursor in self.cursors.values_mut().filter(|c| c.leader.is_none()) {
            match crate::routed::leader(&metadata, &cursor.partition) {
                Ok(node) => cursor.lead(&metadata, node),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if self.requests.is_empty() => self.pause(error).await,
            _ => Ok(()),
        }
    }

    /// Waits before the next try, for as long as retries last.
    async fn pause(&mut self, error: Error) -> Result<(), Error> {
        let options = self.client.options();
        let trouble = self.trouble.get_or_insert_with(|| Backoff::new(options));
        trouble.again(error).await
    }

    /// Sends one request to each leader that has none in flight and partitions to read.
    fn ask(&mut self) {
        if self.buffered_bytes >= self.options.buffered_bytes_max {
            return;
        }
        let mut groups: BTreeMap<NodeId, Vec<&mut Cursor>> = BTreeMap::new();
        for cursor in self.cursors.values_mut().filter(|cursor| !cursor.fetching) {
            if let Some((node, _)) = cursor.leader
                && !self.busy.contains(&node)
            {
                groups.entry(node).or_default().push(cursor);
            }
        }
        self.turn = self.turn.wrapping_add(1);
        for (node, mut cursors) in groups {
            let first = self.turn % cursors.len();
            cursors.rotate_left(first);
            self.busy.insert(node);
            let place = |c: &&mut Cursor| (Arc::clone(&c.partition), c.fetch_from);
            let asked = cursors.iter().map(place).collect();
            let wanted = cursors.iter_mut().map(|cursor| cursor.want()).collect();
            let client = self.client.clone();
            let pool = Arc::clone(&self.pool);
            let options = self.options.clone();
            self.requests.spawn(async move {
                let result = fetch(&client, &pool, &options, node, wanted).await;
                Done {
                    node,
                    asked,
                    result,
                }
            });
        }
    }

    /// Puts an answer where it belongs.
    async fn take(&mut self, done: Done) -> Result<(), Error> {
        self.busy.remove(&done.node);
        for (partition, _) in &done.asked {
            if let Some(cursor) = self.cursors.get_mut(partition) {
                cursor.fetching = false;
            }
        }
        let reply = match done.result {
            Ok(reply) => reply,
            Err(error) => {
                // Whether the leader has moved or only the connection broke, metadata will say.
                done.asked.iter().for_each(|(p, _)| self.forget_leader(p));
                return self.pause(error).await;
            }
        };
        let response: FetchResponse<'_> = reply.read()?;
        check(response.error_code, None, || "fetch".to_string())?;
        let mut worst = None;
        let mut out_of_range = Vec::new();
        for topic in response.responses.iter() {
            for data in topic.partitions.iter() {
                let index = PartitionIndex(data.partition_index);
                let asked = done.asked.iter().find(|(partition, from)| {
                    let cursor = self.cursors.get(partition);
                    partition.partition == index
                        && cursor.is_some_and(|c| c.is_of(&topic) && c.fetch_from == *from)
                });
                // What was let go of, or is read from elsewhere now, is passed over.
                let Some((partition, _)) = asked.cloned() else {
                    continue;
                };
                match data.error_code {
                    ErrorCode::NONE => self.take_data(&partition, &data, &reply)?,
                    ErrorCode::OFFSET_OUT_OF_RANGE => out_of_range.push(partition),
                    code => {
                        self.forget_leader(&partition);
                        worst = Some(Error::broker(code, None, &format!("read {partition}")));
                    }
                }
            }
        }
        for partition in out_of_range {
            self.reset(&partition).await?;
        }
        match worst {
            Some(error) => self.pause(error).await,
            None => {
                self.trouble = None;
                Ok(())
            }
        }
    }

    fn take_data(
        &mut self,
        partition: &Arc<TopicPartition>,
        data: &PartitionData<'_>,
        reply: &Reply,
    ) -> Result<(), Error> {
        let Some(cursor) = self.cursors.get_mut(partition) else {
            return Ok(());
        };
        let known = |offset: i64| Some(Offset(offset)).filter(|offset| offset.0 >= 0);
        cursor.high_watermark = known(data.high_watermark);
        cursor.last_stable = known(data.last_stable_offset);
        cursor.log_start = known(data.log_start_offset);
        let Some(range) = data.records.range().filter(|range| !range.is_empty()) else {
            return Ok(());
        };
        let aborted = data
            .aborted_transactions
            .iter()
            .flat_map(|list| list.iter());
        let aborted = aborted
            .map(|entry| (Offset(entry.first_offset), ProducerId(entry.producer_id)))
            .collect();
        let bytes = reply.body.slice(range);
        let isolation = self.options.isolation;
        let partition = Arc::clone(partition);
        let fetched = Fetched::new(partition, bytes, Aborted::new(aborted), isolation);
        if let Some(end) = fetched.end()? {
            cursor.fetch_from = end.max(cursor.fetch_from);
            self.buffered_bytes += fetched.bytes();
            self.buffered.push_back(fetched);
        }
        Ok(())
    }

    fn forget_leader(&mut self, partition: &Arc<TopicPartition>) {
        if let Some(cursor) = self.cursors.get_mut(partition) {
            cursor.leader = None;
        }
    }

    async fn reset(&mut self, partition: &Arc<TopicPartition>) -> Result<(), Error> {
        let Some(cursor) = self.cursors.get(partition) else {
            return Ok(());
        };
        let at = match self.options.out_of_range {
            OutOfRange::Earliest => OffsetAt::Earliest,
            OutOfRange::Latest => OffsetAt::Latest,
            OutOfRange::Fail => {
                let context = format!("read {partition} at offset {}", cursor.fetch_from);
                return Err(Error::broker(
                    ErrorCode::OFFSET_OUT_OF_RANGE,
                    None,
                    &context,
                ));
            }
        };
        for (_, found) in self
            .look_up(vec![(TopicPartition::clone(partition), at)])
            .await
        {
            let offset = found?.offset.unwrap_or_default();
            let buffered = self.buffered.iter().any(|f| f.partition == *partition);
            if let Some(cursor) = self.cursors.get_mut(partition) {
                cursor.fetch_from = offset;
                if !buffered {
                    cursor.position = offset;
                }
            }
        }
        Ok(())
    }
}
