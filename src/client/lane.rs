//! One partition's way out: batches in order, one in flight, tried until delivered or given up.
//!
//! Idempotence: a batch keeps its sequence through all tries, so a broker that has it says so
//! instead of writing it again. When a batch is given up, nobody knows whether it was written; the
//! lane then goes on under the next epoch, from sequence 0, and the broker refuses what may still be
//! on its way. Epochs are checked a partition, so each lane counts its own.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use corelog_base::{NodeId, Offset, ProducerEpoch, TimestampMs, TopicId};
use corelog_record::{BatchBuilder, BatchHeader, Codec, ProducerState};
use corelog_wire::kafka::{
    ErrorCode, PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData,
};
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::error::check;
use crate::offsets::milliseconds;
use crate::producer::{Acks, Delivered, Identity, Parts, Pending, headers};
use crate::{Error, Kind, Reply, TopicFilter, TopicPartition};

pub(crate) struct Lane {
    parts: Arc<Parts>,
    partition: Arc<TopicPartition>,
    /// This lane's own epoch of the producer's id; none before the first batch.
    identity: Option<Identity>,
    /// The epochs of the producer's id are used up for this lane: it takes an id of its own.
    exhausted: bool,
    /// Of the next batch's first record.
    sequence: i32,
}

/// Where a batch went.
#[derive(Clone, Copy)]
struct Placed {
    base_offset: Option<Offset>,
    append_time: Option<TimestampMs>,
}

impl Placed {
    const UNKNOWN: Placed = Placed {
        base_offset: None,
        append_time: None,
    };
}

impl Lane {
    pub(crate) fn new(parts: Arc<Parts>, partition: TopicPartition) -> Self {
        Self {
            parts,
            partition: Arc::new(partition),
            identity: None,
            exhausted: false,
            sequence: 0,
        }
    }

    /// Runs until all senders are gone and everything is delivered or given up.
    pub(crate) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Pending>) {
        let mut over = None;
        loop {
            let first = match over.take() {
                Some(pending) => pending,
                None => match queue.recv().await {
                    Some(pending) => pending,
                    None => return,
                },
            };
            let batch = self.gather(first, &mut queue, &mut over);
            self.deliver(batch).await;
        }
    }

    /// Takes what waits, up to the batch's bound. What does not fit is left in `over`.
    fn gather(
        &self,
        first: Pending,
        queue: &mut mpsc::UnboundedReceiver<Pending>,
        over: &mut Option<Pending>,
    ) -> Vec<Pending> {
        let bytes_max = self.parts.options.batch_bytes_max;
        let mut bytes = BatchHeader::BYTES + first.bytes();
        let mut batch = vec![first];
        while let Ok(pending) = queue.try_recv() {
            bytes += pending.bytes();
            if bytes > bytes_max {
                *over = Some(pending);
                break;
            }
            batch.push(pending);
        }
        batch
    }

    /// Delivers a batch; halves it where the broker says that it is too large.
    async fn deliver(&mut self, batch: Vec<Pending>) {
        let mut batches = VecDeque::from([batch]);
        while let Some(mut batch) = batches.pop_front() {
            match self.place(&batch).await {
                Ok(placed) => self.settle(batch, placed),
                Err(error) if is_too_large(&error) && batch.len() > 1 => {
                    let rest = batch.split_off(batch.len() / 2);
                    batches.push_front(rest);
                    batches.push_front(batch);
                }
                Err(error) => {
                    if !is_too_large(&error) {
                        self.forsake();
                    }
                    for pending in batch {
                        let _ = pending.delivered.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn settle(&mut self, batch: Vec<Pending>, placed: Placed) {
        let count = i32::try_from(batch.len()).expect("a batch has at most 2^31 - 1 records");
        // Sequences wrap from 2^31 - 1 to 0.
        self.sequence = self.sequence.wrapping_add(count) & i32::MAX;
        for (delta, pending) in (0i64..).zip(batch) {
            let _ = pending.delivered.send(Ok(Delivered {
                partition: Arc::clone(&self.partition),
                offset: placed.base_offset.map(|base| base.plus(delta)),
                timestamp: placed.append_time.unwrap_or(pending.timestamp),
            }));
        }
    }

    /// The next batch must not be taken for one that may still be on its way.
    fn forsake(&mut self) {
        self.sequence = 0;
        let Some(identity) = self.identity else {
            return;
        };
        let next = identity.epoch.0.checked_add(1);
        self.exhausted |= next.is_none();
        self.identity = next.map(|epoch| Identity {
            epoch: ProducerEpoch(epoch),
            ..identity
        });
    }

    /// Tries until the batch has its place.
    async fn place(&mut self, batch: &[Pending]) -> Result<Placed, Error> {
        let parts = Arc::clone(&self.parts);
        let options = parts.client.options();
        let mut backoff = Backoff::lasting(options, parts.options.delivery_timeout);
        let mut unknown_tries = 0;
        let mut bytes = self.build(batch).await?;
        loop {
            let error = match self.attempt(&bytes).await {
                Ok(placed) => return Ok(placed),
                Err(error) => error,
            };
            match error.code() {
                // Brokers before 2.5 forget a producer whose records were all deleted.
                Some(ErrorCode::UNKNOWN_PRODUCER_ID) if unknown_tries == 0 => {
                    unknown_tries += 1;
                    self.forsake();
                    bytes = self.build(batch).await?;
                    continue;
                }
                Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                    unknown_tries += 1;
                    if unknown_tries >= options.unknown_topic_tries {
                        return Err(error);
                    }
                }
                _ => {}
            }
            backoff.again(error).await?;
            let names = [self.partition.topic.as_str()];
            // If this fails, so does the next try, which then says why.
            let _ = parts.client.refresh_once(TopicFilter::Named(&names)).await;
        }
    }

    async fn build(&mut self, batch: &[Pending]) -> Result<Bytes, Error> {
        let mut builder = BatchBuilder::new(self.parts.options.codec);
        if self.parts.options.idempotent {
            let identity = self.identity().await?;
            builder.producer(ProducerState {
                id: identity.id,
                epoch: identity.epoch,
                base_sequence: self.sequence,
            });
        }
        for pending in batch {
            let record = &pending.record;
            builder.push(
                pending.timestamp,
                record.key.as_deref(),
                record.value.as_deref(),
                &headers(record),
            )?;
        }
        Ok(builder.finish().freeze())
    }

    async fn identity(&mut self) -> Result<Identity, Error> {
        let fresh = match self.identity {
            Some(identity) => return Ok(identity),
            None if self.exhausted => self.parts.new_identity().await?,
            None => self.parts.identity().await?,
        };
        self.identity = Some(fresh);
        Ok(fresh)
    }

    /// One try.
    async fn attempt(&self, batch: &Bytes) -> Result<Placed, Error> {
        let client = &self.parts.client;
        let (node, topic_id) = self.leader()?;
        let connection = client.connection(node, &self.parts.pool).await?;
        let acks = self.parts.options.acks;
        let wait = client.options().request_timeout;
        let partition = PartitionProduceData {
            index: self.partition.partition.0,
            records: batch.clone().into(),
        };
        let topic = TopicProduceData {
            name: &self.partition.topic,
            topic_id,
            partition_data: vec![partition].into(),
        };
        let request = ProduceRequest {
            transactional_id: None,
            acks: acks.number(),
            timeout_ms: milliseconds(wait),
            topic_data: vec![topic].into(),
        };
        // Brokers before 2.1 know no zstd; those before 4.0 no topic ids here.
        let lowest = if self.parts.options.codec == Codec::Zstd {
            7
        } else {
            3
        };
        let highest = if topic_id == TopicId::ZERO {
            12
        } else {
            i16::MAX
        };
        if acks == Acks::None {
            connection.send(lowest..=highest, &request).await?;
            return Ok(Placed::UNKNOWN);
        }
        let reply = connection.call(lowest..=highest, &request, wait).await?;
        self.placed(&reply)
    }

    fn leader(&self) -> Result<(NodeId, TopicId), Error> {
        let known = self.parts.client.known();
        let node = crate::routed::leader(&known, &self.partition)?;
        let topic = known.topics.get(&self.partition.topic);
        Ok((node, topic.map_or(TopicId::ZERO, |topic| topic.id)))
    }

    fn placed(&self, reply: &Reply) -> Result<Placed, Error> {
        let response: ProduceResponse<'_> = reply.read()?;
        let topic = response.responses.first();
        let result = topic.and_then(|topic| topic.partition_responses.first());
        let Some(result) = result.filter(|result| result.index == self.partition.partition.0)
        else {
            let context = format!("the broker says nothing of {}", self.partition);
            return Err(Error::new(Kind::Protocol, context));
        };
        if result.error_code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER {
            return Ok(Placed::UNKNOWN);
        }
        check(result.error_code, message(&result).as_deref(), || {
            format!("write to {}", self.partition)
        })?;
        Ok(Placed {
            base_offset: Some(Offset(result.base_offset)).filter(|offset| offset.0 >= 0),
            append_time: Some(TimestampMs(result.log_append_time_ms)).filter(|time| time.0 >= 0),
        })
    }
}

/// What the broker says beside the code: of the batch, and of the first record at fault.
fn message(result: &PartitionProduceResponse<'_>) -> Option<String> {
    let record = result.record_errors.first();
    let detail = record.and_then(|record| {
        let text = record.batch_index_error_message?;
        Some(format!(
            "record {} of the batch: {text}",
            record.batch_index
        ))
    });
    match (result.error_message, detail) {
        (Some(text), Some(detail)) => Some(format!("{text} ({detail})")),
        (text, detail) => detail.or(text.map(str::to_string)),
    }
}

fn is_too_large(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE)
    )
}
