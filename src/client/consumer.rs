//! Reading partitions that are assigned, without a group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corelog_base::{
    LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerEpoch, ProducerId, TimestampMs, TopicId,
};
use corelog_record::Attributes;
use corelog_wire::kafka::{
    Array, ErrorCode, FetchPartition, FetchRequest, FetchResponse, FetchTopic,
    FetchableTopicResponse, PartitionData,
};
use tokio::task::JoinSet;

use crate::backoff::Backoff;
use crate::control::Aborted;
use crate::error::check;
use crate::fetched::Fetched;
use crate::offsets::milliseconds;
use crate::pool::Pool;
use crate::{
    Client, Error, FoundOffset, Isolation, Kind, OffsetAt, Reply, TopicFilter, TopicPartition,
};

/// Bounds and habits of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    pub isolation: Isolation,
    /// How long a broker may wait for `fetch_bytes_min`.
    pub fetch_wait: Duration,
    pub fetch_bytes_min: i32,
    /// Of one answer; a batch that is larger comes all the same.
    pub fetch_bytes_max: i32,
    pub partition_bytes_max: i32,
    /// What is fetched ahead, in all, before partitions wait for the caller.
    pub buffered_bytes_max: usize,
    /// Of one batch.
    pub decompressed_bytes_max: usize,
    pub out_of_range: OutOfRange,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::Uncommitted,
            fetch_wait: Duration::from_millis(500),
            fetch_bytes_min: 1,
            fetch_bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
            buffered_bytes_max: 64 << 20,
            decompressed_bytes_max: 128 << 20,
            out_of_range: OutOfRange::Fail,
        }
    }
}

/// What to do when the position is not in the partition any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutOfRange {
    Fail,
    Earliest,
    Latest,
}

/// Where a partition is read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    Offset(Offset),
    Earliest,
    Latest,
    /// The first record at or after a time; the end if all are older.
    Time(TimestampMs),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    pub partition: TopicPartition,
    pub start: Start,
}

/// A record, with its bytes shared with what was fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumedRecord {
    pub partition: Arc<TopicPartition>,
    pub offset: Offset,
    pub timestamp: TimestampMs,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Of the record's batch, as are the following.
    pub leader_epoch: LeaderEpoch,
    pub attributes: Attributes,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
}

/// How far a partition was read, and how far it reaches.
#[derive(Debug)]
struct Cursor {
    partition: Arc<TopicPartition>,
    /// The next offset for the caller.
    position: Offset,
    /// The next offset to fetch: `position`, or further by what is buffered.
    fetch_from: Offset,
    fetching: bool,
    topic_id: TopicId,
    leader: Option<(NodeId, LeaderEpoch)>,
    high_watermark: Option<Offset>,
    last_stable: Option<Offset>,
    log_start: Option<Offset>,
}

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

impl Cursor {
    fn new(partition: Arc<TopicPartition>, position: Offset) -> Self {
        Self {
            partition,
            position,
            fetch_from: position,
            fetching: false,
            topic_id: TopicId::ZERO,
            leader: None,
            high_watermark: None,
            last_stable: None,
            log_start: None,
        }
    }

    /// Whether an answer's topic is this one: by id where answers have ids, else by name.
    fn is_of(&self, topic: &FetchableTopicResponse<'_>) -> bool {
        if topic.topic_id == TopicId::ZERO {
            return self.partition.topic == topic.topic;
        }
        self.topic_id == topic.topic_id
    }

    fn lead(&mut self, metadata: &crate::Metadata, node: NodeId) {
        let Some(topic) = metadata.topics.get(&self.partition.topic) else {
            return;
        };
        self.topic_id = topic.id;
        let epoch = topic.partitions.get(&self.partition.partition);
        let epoch = epoch.map_or(LeaderEpoch::UNKNOWN, |partition| partition.leader_epoch);
        self.leader = Some((node, epoch));
    }

    /// Marks the partition as being fetched.
    fn want(&mut self) -> Wanted {
        self.fetching = true;
        Wanted {
            partition: Arc::clone(&self.partition),
            topic_id: self.topic_id,
            from: self.fetch_from,
            epoch: self.leader.map_or(LeaderEpoch::UNKNOWN, |(_, epoch)| epoch),
        }
    }
}

/// One partition of a request.
struct Wanted {
    partition: Arc<TopicPartition>,
    topic_id: TopicId,
    from: Offset,
    epoch: LeaderEpoch,
}

async fn fetch(
    client: &Client,
    pool: &Pool,
    options: &ConsumerOptions,
    node: NodeId,
    wanted: Vec<Wanted>,
) -> Result<Reply, Error> {
    let connection = client.connection(node, pool).await?;
    let by_id = wanted.iter().all(|wanted| wanted.topic_id != TopicId::ZERO);
    let range = if by_id { 4..=i16::MAX } else { 4..=12 };
    let request = FetchRequest {
        max_wait_ms: milliseconds(options.fetch_wait),
        min_bytes: options.fetch_bytes_min,
        max_bytes: options.fetch_bytes_max,
        isolation_level: options.isolation.number(),
        topics: fetch_topics(&wanted, options.partition_bytes_max),
        ..Default::default()
    };
    connection.call(range, &request, options.fetch_wait).await
}

/// The partitions by topic; topics, and partitions within one, in the order given, for that is the
/// order in which a broker fills its answer.
fn fetch_topics(wanted: &[Wanted], partition_max_bytes: i32) -> Array<'_, FetchTopic<'_>> {
    let mut topics: Vec<(&Wanted, Vec<FetchPartition>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for wanted in wanted {
        let place = *places.entry(&wanted.partition.topic).or_insert_with(|| {
            topics.push((wanted, Vec::new()));
            topics.len() - 1
        });
        topics[place].1.push(FetchPartition {
            partition: wanted.partition.partition.0,
            current_leader_epoch: wanted.epoch.0,
            fetch_offset: wanted.from.0,
            partition_max_bytes,
            ..Default::default()
        });
    }
    topics
        .into_iter()
        .map(|(wanted, partitions)| FetchTopic {
            topic: &wanted.partition.topic,
            topic_id: wanted.topic_id,
            partitions: partitions.into(),
        })
        .collect()
}
