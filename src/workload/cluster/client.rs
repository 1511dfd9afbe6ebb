//! Clients of the cluster: producers with and without idempotence, consumers, trimmers.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use corelog_base::{Offset, ProducerEpoch, ProducerId, Random};
use corelog_broker::{
    Acks, Error, FetchPart, FetchRequest, Fetched, PartitionKey, ProducePart, ProduceRequest,
    Produced, TrimPart,
};
use corelog_record::{BatchHeader, ProducerState, batches, records};
use corelog_rt::{Runtime, Shared};
use corelog_sim::SimRuntime;
use corelog_sim::history::{Action, History, Key, OperationId, Outcome, Process, Value};

use super::node::{Handle, Node};
use crate::batch::value_batch;

/// What all clients share.
#[derive(Clone)]
pub(super) struct Shop {
    pub rt: SimRuntime,
    pub nodes: Vec<Node>,
    pub keys: Vec<PartitionKey>,
    pub history: Shared<History>,
    pub next_value: Shared<u64>,
    /// Set when the cluster is healed: from then on, clients come to an end.
    pub ending: Shared<bool>,
}

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Shop {
    fn invoke(&self, process: Process, action: Action) -> OperationId {
        let now = self.rt.now();
        self.history.with(|h| h.invoke(now, process, action))
    }

    fn complete(&self, id: OperationId, outcome: Outcome) {
        let now = self.rt.now();
        self.history.with(|h| h.complete(now, id, outcome));
    }

    fn is_ending(&self) -> bool {
        self.ending.with(|ending| *ending)
    }

    fn key(&self, key: Key) -> PartitionKey {
        self.keys[key.0 as usize]
    }

    /// Mostly the node that is said to lead, else any.
    fn pick(&self, key: PartitionKey, random: &mut Random) -> Node {
        let any = self.nodes[random.below(self.nodes.len() as u64) as usize].clone();
        if random.chance(150) {
            return any;
        }
        let broker = any
            .directory
            .with(|nodes| nodes[any.id.0 as usize].first().cloned());
        let leader = broker.and_then(|broker| broker.leadership(key).leader);
        let found = self.nodes.iter().find(|node| Some(node.id) == leader);
        found.cloned().unwrap_or(any)
    }

    pub(super) async fn fetch(
        &self,
        key: PartitionKey,
        offset: i64,
        random: &mut Random,
    ) -> Option<Result<Fetched, Error>> {
        let request = FetchRequest {
            isolation: corelog_broker::Isolation::Uncommitted,
            wait_max: Duration::from_millis([0, 50, 500][random.below(3) as usize]),
            bytes_min: 1 + random.below(2000),
            bytes_max: 1 + random.below(100_000),
            parts: vec![FetchPart {
                key,
                offset: Offset(offset),
                leader_epoch: None,
                bytes_max: 1 + random.below(50_000),
            }],
        };
        let node = self.pick(key, random);
        let ask = |broker: Handle| async move { broker.fetch(request).await };
        let answer = node.call(&self.rt, PATIENCE, ask).await?;
        answer.into_iter().next()
    }

    pub(super) async fn produce(
        &self,
        key: PartitionKey,
        batch: BytesMut,
        random: &mut Random,
    ) -> Option<Result<Produced, Error>> {
        let header = BatchHeader::parse(&batch).expect("a sound batch");
        let request = ProduceRequest {
            acks: if random.chance(500) {
                Acks::Commit
            } else {
                Acks::InSync
            },
            timeout: Duration::from_secs(1 + random.below(4)),
            parts: vec![ProducePart {
                key,
                verified: corelog_broker::Verified::No,
                header,
                batch,
            }],
        };
        let node = self.pick(key, random);
        let ask = |broker: Handle| async move { broker.produce(request).await };
        let answer = node.call(&self.rt, PATIENCE, ask).await?;
        // Now and then the answer is lost on its way.
        answer.into_iter().next().filter(|_| !random.chance(30))
    }

    fn values(&self, random: &mut Random) -> Vec<Value> {
        let count = 1 + random.below(3);
        self.next_value.with(|next| {
            let first = *next;
            *next += count;
            (first..first + count).map(Value).collect()
        })
    }

    async fn rest(&self, random: &mut Random) {
        let long = random.chance(100);
        let us = random.below(if long { 400_000 } else { 40_000 });
        self.rt.sleep(Duration::from_micros(us)).await;
    }
}

/// Reads the records of what was fetched, from the offset that was asked on.
pub(super) fn contents(fetched: &Fetched, from: i64) -> Vec<(i64, Value)> {
    let bytes = fetched.batches.concat();
    let mut found = Vec::new();
    for batch in batches(&bytes) {
        let (_, batch) = batch.expect("whole batches");
        let all = records(batch, 1 << 20).expect("a sound batch");
        for record in all.iter() {
            let record = record.expect("a sound record");
            let value = record.value.and_then(|value| value.first_chunk());
            let value = Value(u64::from_le_bytes(*value.expect("eight bytes")));
            if record.offset.0 >= from {
                found.push((record.offset.0, value));
            }
        }
    }
    found
}

/// What an error says of the batch that met it.
fn verdict(error: &Error) -> Outcome {
    match error {
        // Refused before anything was appended.
        Error::NotEnoughReplicas
        | Error::DiskFull
        | Error::InvalidBatch(_)
        | Error::UnknownPartition
        | Error::UnknownTopicId => Outcome::Failed,
        Error::SequenceGap | Error::SequenceForgotten | Error::ProducerFenced => {
            panic!("a producer that keeps the rules is told: {error}")
        }
        _ => Outcome::Unknown,
    }
}

/// Sends batches to partitions at random, each once.
pub(super) async fn produce(shop: Shop, process: Process, mut random: Random) {
    while !shop.is_ending() {
        let key = Key(random.below(shop.keys.len() as u64) as u32);
        let values = shop.values(&mut random);
        let padding = random.below(600) as usize;
        let batch = value_batch(&values, ProducerState::NONE, shop.rt.wall(), padding);
        let id = shop.invoke(process, Action::Send { key, values });
        let answer = shop.produce(shop.key(key), batch, &mut random).await;
        let outcome = match answer {
            Some(Ok(produced)) => Outcome::Sent {
                base: produced.base.0,
            },
            Some(Err(error)) => verdict(&error),
            None => Outcome::Unknown,
        };
        shop.complete(id, outcome);
        shop.rest(&mut random).await;
    }
}

/// As above, but numbers its batches and repeats each until it is acknowledged.
pub(super) async fn produce_idempotently(shop: Shop, process: Process, mut random: Random) {
    let Some(producer) = producer_id(&shop, &mut random).await else {
        return;
    };
    let mut sequences: BTreeMap<Key, i32> = BTreeMap::new();
    while !shop.is_ending() {
        let key = Key(random.below(shop.keys.len() as u64) as u32);
        let sequence = *sequences.get(&key).unwrap_or(&0);
        let values = shop.values(&mut random);
        let state = ProducerState {
            id: producer,
            epoch: ProducerEpoch(0),
            base_sequence: sequence,
        };
        let count = values.len() as i32;
        let padding = random.below(600) as usize;
        let batch = value_batch(&values, state, shop.rt.wall(), padding);
        let id = shop.invoke(process, Action::Send { key, values });
        let outcome = repeat(&shop, key, &batch, &mut random).await;
        shop.complete(id, outcome);
        sequences.insert(key, sequence + count);
        shop.rest(&mut random).await;
    }
}

async fn producer_id(shop: &Shop, random: &mut Random) -> Option<ProducerId> {
    while !shop.is_ending() {
        let node = &shop.nodes[random.below(shop.nodes.len() as u64) as usize];
        let ask = |broker: Handle| async move { broker.producer_id().await };
        if let Some(Ok((id, _))) = node.call(&shop.rt, PATIENCE, ask).await {
            return Some(id);
        }
        shop.rest(random).await;
    }
    None
}

/// Goes on beyond the healing of the cluster: every batch must get its answer then.
async fn repeat(shop: &Shop, key: Key, batch: &BytesMut, random: &mut Random) -> Outcome {
    loop {
        match shop.produce(shop.key(key), batch.clone(), random).await {
            Some(Ok(produced)) => {
                return Outcome::Sent {
                    base: produced.base.0,
                };
            }
            // An earlier attempt may be in the log: no refusal is the last word.
            Some(Err(error)) => drop(verdict(&error)),
            None => {}
        }
        shop.rest(random).await;
    }
}

/// Reads on, from node to node; now and then starts anew somewhere.
pub(super) async fn consume(shop: Shop, process: Process, mut random: Random) {
    let mut places: BTreeMap<Key, i64> = BTreeMap::new();
    while !shop.is_ending() {
        let key = Key(random.below(shop.keys.len() as u64) as u32);
        let mut offset = *places.get(&key).unwrap_or(&0);
        if random.chance(20) {
            offset = random.below(offset as u64 + 1) as i64;
            seek(&shop, process, key, offset);
        }
        let id = shop.invoke(process, Action::Poll { key });
        match shop.fetch(shop.key(key), offset, &mut random).await {
            Some(Ok(fetched)) => {
                let records = contents(&fetched, offset);
                offset = records.last().map_or(offset, |(last, _)| last + 1);
                shop.complete(id, Outcome::Read { records });
            }
            Some(Err(Error::OffsetOutOfRange { start, end })) => {
                shop.complete(id, Outcome::Failed);
                // A follower that was just elected may not know the end yet; the start has moved.
                if start.0 > offset {
                    offset = start.0;
                    seek(&shop, process, key, offset);
                }
                assert!(end >= start);
            }
            Some(Err(_)) => shop.complete(id, Outcome::Failed),
            None => shop.complete(id, Outcome::Unknown),
        }
        places.insert(key, offset);
        shop.rest(&mut random).await;
    }
}

fn seek(shop: &Shop, process: Process, key: Key, offset: i64) {
    let id = shop.invoke(process, Action::Seek { key, offset });
    shop.complete(id, Outcome::Done);
}

/// Deletes records from the front, now and then.
pub(super) async fn trim(shop: Shop, process: Process, mut random: Random) {
    while !shop.is_ending() {
        let pause = Duration::from_millis(random.below(3000));
        shop.rt.sleep(pause).await;
        let key = Key(random.below(shop.keys.len() as u64) as u32);
        let sent = shop.history.with(|h| h.highest_acknowledged(key));
        let before = random.below(sent.max(0) as u64 + 1) as i64;
        let id = shop.invoke(process, Action::Trim { key, before });
        let part = TrimPart {
            key: shop.key(key),
            before: Some(Offset(before)),
        };
        let node = shop.pick(part.key, &mut random);
        let ask = |broker: Handle| async move { broker.trim(vec![part]).await };
        let answer = node.call(&shop.rt, PATIENCE, ask).await;
        let outcome = match answer.and_then(|answers| answers.into_iter().next()) {
            Some(Ok(_)) => Outcome::Done,
            _ => Outcome::Unknown,
        };
        shop.complete(id, outcome);
    }
}

/// Reads all that there is of a partition, however long it takes.
pub(super) async fn read_all(shop: &Shop, key: Key, random: &mut Random) {
    let id = shop.invoke(Process(u32::MAX), Action::FinalRead { key });
    let mut all = Vec::new();
    let mut offset = 0;
    loop {
        match shop.fetch(shop.key(key), offset, random).await {
            Some(Ok(fetched)) => {
                let records = contents(&fetched, offset);
                offset = records.last().map_or(offset, |(last, _)| last + 1);
                all.extend(records);
                if offset >= fetched.high_watermark.0 {
                    break;
                }
            }
            Some(Err(Error::OffsetOutOfRange { start, .. })) if start.0 > offset => {
                offset = start.0;
            }
            _ => shop.rest(random).await,
        }
    }
    shop.complete(id, Outcome::Read { records: all });
}
