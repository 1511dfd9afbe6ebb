//! Transactions: what coordinators and partitions know of them, and how they are ended from outside.

use std::time::Duration;

use corelog_base::{NodeId, Offset, PartitionIndex, ProducerId, TimestampMs};
use corelog_wire::kafka::{
    DescribeProducersRequest, DescribeProducersResponse, DescribeProducersTopic,
    DescribeTransactionsRequest, DescribeTransactionsResponse, InitProducerIdRequest,
    InitProducerIdResponse, ListTransactionsRequest, ListTransactionsResponse, WritableTxnMarker,
    WritableTxnMarkerTopic, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

use crate::backoff::Backoff;
use crate::client::ANY_VERSION;
use crate::error::check;
use crate::groups::place;
use crate::offsets::milliseconds;
use crate::routed::{LeaderCall, Outcome, ask_leaders, by_topic};
use crate::{Client, Connection, Error, Kind, TopicFilter, TopicPartition};

/// Of a key that a coordinator is looked for.
pub(crate) const TRANSACTIONS: i8 = 1;
/// For an id that only takes over, and writes nothing.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(1);

/// A transactional id in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedTransaction {
    pub id: String,
    pub producer: ProducerId,
    /// Kafka's name: `Ongoing`, `CompleteCommit` and others.
    pub state: String,
    pub coordinator: NodeId,
}

/// A transactional id, as its coordinator knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedTransaction {
    pub state: String,
    pub producer: ProducerId,
    pub epoch: i16,
    pub timeout: Duration,
    /// None if none is open.
    pub started: Option<TimestampMs>,
    pub partitions: Vec<TopicPartition>,
    pub coordinator: NodeId,
}

/// A producer, as a partition knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionProducer {
    pub producer: ProducerId,
    pub epoch: i16,
    /// Of the last marker; -1 if there was none.
    pub coordinator_epoch: i32,
    pub last_timestamp: TimestampMs,
    /// Where its open transaction begins; None if none is open.
    pub open_from: Option<Offset>,
}

impl Client {
    /// Every transactional id of the cluster, by id; only those in these states, if any is named.
    ///
    /// # Errors
    /// If a broker cannot be asked.
    pub async fn list_transactions(
        &self,
        states: &[String],
    ) -> Result<Vec<ListedTransaction>, Error> {
        self.metadata(TopicFilter::None).await?;
        let mut all = Vec::new();
        for node in self.known().brokers.keys().copied().collect::<Vec<_>>() {
            let mut backoff = Backoff::new(self.options());
            loop {
                match self.list_transactions_of(node, states).await {
                    Ok(found) => break all.extend(found),
                    Err(error) => backoff.again(error).await?,
                }
            }
        }
        all.sort_by(|a: &ListedTransaction, b| a.id.cmp(&b.id));
        Ok(all)
    }

    async fn list_transactions_of(
        &self,
        node: NodeId,
        states: &[String],
    ) -> Result<Vec<ListedTransaction>, Error> {
        let request = ListTransactionsRequest {
            state_filters: states.iter().map(String::as_str).collect(),
            ..Default::default()
        };
        let asked = self.call_node(node, ANY_VERSION, &request, Duration::ZERO);
        let reply = asked.await?;
        let listed: ListTransactionsResponse<'_> = reply.read()?;
        check(listed.error_code, None, || "list transactions".to_owned())?;
        let unknown: Vec<&str> = listed.unknown_state_filters.iter().collect();
        if !unknown.is_empty() {
            let what = format!("no transaction has the state {}", unknown.join(", "));
            return Err(Error::new(Kind::Invalid, what));
        }
        let all = listed.transaction_states.iter();
        let all = all.map(|transaction| ListedTransaction {
            id: transaction.transactional_id.to_owned(),
            producer: ProducerId(transaction.producer_id),
            state: transaction.transaction_state.to_owned(),
            coordinator: node,
        });
        Ok(all.collect())
    }

    /// What the coordinator knows of a transactional id.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or there is none.
    pub async fn describe_transaction(&self, id: &str) -> Result<DescribedTransaction, Error> {
        let mut backoff = Backoff::new(self.options());
        loop {
            match self.describe_transaction_once(id).await {
                Ok(described) => return Ok(described),
                Err(error) => self.recover(&mut backoff, error).await?,
            }
        }
    }

    async fn describe_transaction_once(&self, id: &str) -> Result<DescribedTransaction, Error> {
        let coordinator = self.coordinator_once(id, TRANSACTIONS).await?;
        let request = DescribeTransactionsRequest {
            transactional_ids: vec![id].into(),
        };
        let asked = self.call_node(coordinator, ANY_VERSION, &request, Duration::ZERO);
        let reply = asked.await?;
        let response: DescribeTransactionsResponse<'_> = reply.read()?;
        let state = response.transaction_states.first().unwrap_or_default();
        check(state.error_code, None, || {
            format!("transactional id '{id}'")
        })?;
        let mut partitions = Vec::new();
        for topic in state.topics.iter() {
            let indexes = topic.partitions.iter();
            partitions.extend(indexes.map(|index| place(topic.topic, index)));
        }
        let timeout = u64::try_from(state.transaction_timeout_ms).unwrap_or(0);
        Ok(DescribedTransaction {
            state: state.transaction_state.to_owned(),
            producer: ProducerId(state.producer_id),
            epoch: state.producer_epoch,
            timeout: Duration::from_millis(timeout),
            started: Some(TimestampMs(state.transaction_start_time_ms)).filter(|at| at.0 >= 0),
            partitions,
            coordinator,
        })
    }

    /// Takes a transactional id over: an open transaction is aborted, and whoever wrote it is fenced.
    ///
    /// # Errors
    /// If the cluster cannot be asked, or refuses.
    pub async fn fence_transactional_id(&self, id: &str) -> Result<(), Error> {
        let mut backoff = Backoff::new(self.options());
        loop {
            match self.fence_once(id).await {
                Ok(()) => return Ok(()),
                Err(error) => self.recover(&mut backoff, error).await?,
            }
        }
    }

    async fn fence_once(&self, id: &str) -> Result<(), Error> {
        let coordinator = self.coordinator_once(id, TRANSACTIONS).await?;
        let request = InitProducerIdRequest {
            transactional_id: Some(id),
            transaction_timeout_ms: milliseconds(TAKEOVER_TIMEOUT),
            producer_epoch: -1,
            ..Default::default()
        };
        let wait = self.options().request_timeout;
        let asked = self.call_node(coordinator, ANY_VERSION, &request, wait);
        let reply = asked.await?;
        let response: InitProducerIdResponse = reply.read()?;
        check(response.error_code, None, || {
            format!("take over the transactional id '{id}'")
        })
    }

    /// The producers that partitions know, each from its leader.
    pub async fn describe_producers(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Vec<(TopicPartition, Result<Vec<PartitionProducer>, Error>)> {
        let items = partitions.into_iter().map(|partition| (partition, ()));
        ask_leaders(self, &DescribeProducers, items.collect()).await
    }

    /// Ends a producer's open transaction in one partition by a marker that aborts it, whatever its
    /// coordinator says: for one that its coordinator knows nothing of.
    ///
    /// # Errors
    /// If the leader cannot be asked, or refuses.
    pub async fn abort_in_partition(
        &self,
        partition: &TopicPartition,
        producer: PartitionProducer,
    ) -> Result<(), Error> {
        let items = vec![(partition.clone(), producer)];
        let outcomes = ask_leaders(self, &AbortMarker, items).await;
        outcomes.into_iter().try_for_each(|(_, outcome)| outcome)
    }
}

struct DescribeProducers;

impl LeaderCall for DescribeProducers {
    type Item = ();
    type Out = Vec<PartitionProducer>;

    async fn ask(
        &self,
        connection: &Connection,
        items: &[(TopicPartition, ())],
    ) -> Result<Vec<Outcome<Vec<PartitionProducer>>>, Error> {
        let topics = by_topic(items);
        let topics = topics.iter().map(|(name, partitions)| {
            let indexes = partitions.iter().map(|(index, ())| index.0);
            DescribeProducersTopic {
                name,
                partition_indexes: indexes.collect(),
            }
        });
        let request = DescribeProducersRequest {
            topics: topics.collect(),
        };
        let asked = connection.call(ANY_VERSION, &request, Duration::ZERO);
        let reply = asked.await?;
        let response: DescribeProducersResponse<'_> = reply.read()?;
        let mut outcomes = Vec::new();
        for topic in response.topics.iter() {
            for found in topic.partitions.iter() {
                let partition = place(topic.name, found.partition_index);
                let checked = check(found.error_code, found.error_message, || {
                    format!("the producers of {partition}")
                });
                let producers = found.active_producers.iter();
                let producers = producers.map(|producer| PartitionProducer {
                    producer: ProducerId(producer.producer_id),
                    epoch: i16::try_from(producer.producer_epoch).unwrap_or(-1),
                    coordinator_epoch: producer.coordinator_epoch,
                    last_timestamp: TimestampMs(producer.last_timestamp),
                    open_from: Some(Offset(producer.current_txn_start_offset))
                        .filter(|offset| offset.0 >= 0),
                });
                outcomes.push((partition, checked.map(|()| producers.collect())));
            }
        }
        Ok(outcomes)
    }
}

struct AbortMarker;

impl LeaderCall for AbortMarker {
    type Item = PartitionProducer;
    type Out = ();

    async fn ask(
        &self,
        connection: &Connection,
        items: &[(TopicPartition, PartitionProducer)],
    ) -> Result<Vec<Outcome<()>>, Error> {
        let markers = items.iter().map(|(partition, producer)| {
            let PartitionIndex(index) = partition.partition;
            WritableTxnMarker {
                producer_id: producer.producer.0,
                producer_epoch: producer.epoch,
                transaction_result: false,
                topics: vec![WritableTxnMarkerTopic {
                    name: &partition.topic,
                    partition_indexes: vec![index].into(),
                }]
                .into(),
                coordinator_epoch: producer.coordinator_epoch.max(0),
                ..Default::default()
            }
        });
        let request = WriteTxnMarkersRequest {
            markers: markers.collect(),
        };
        let asked = connection.call(ANY_VERSION, &request, Duration::ZERO);
        let reply = asked.await?;
        let response: WriteTxnMarkersResponse<'_> = reply.read()?;
        let mut outcomes = Vec::new();
        for marker in response.markers.iter() {
            for topic in marker.topics.iter() {
                for written in topic.partitions.iter() {
                    let partition = place(topic.name, written.partition_index);
                    let checked = check(written.error_code, None, || {
                        format!("abort a transaction in {partition}")
                    });
                    outcomes.push((partition, checked));
                }
            }
        }
        Ok(outcomes)
    }
}
