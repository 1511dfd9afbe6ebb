//! The share groups' places of one partition of `__share_group_state`.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::Monotonic;
use corelog_wire::kafka::internal::{ShareSnapshotValue, ShareStateKey};

use super::partition::{Partition, snapshot_key};
use super::{Key, Next, Reply, Request};
use crate::{
    At, Coordinator, Effect, Error, Event, Marker, Replayed, Reply as AnyReply,
    Request as AnyRequest, Result, Stored,
};

/// Groups in partitions; beyond it, new ones are refused.
const PARTITIONS_MAX: usize = 100_000;

/// See the module.
#[derive(Default)]
pub struct Shares {
    partitions: BTreeMap<Key, Partition>,
    /// When records are free again.
    timers: BTreeSet<(Monotonic, Key)>,
}

impl Shares {
    fn request(&mut self, at: &At<'_>, request: Request, out: &mut Vec<Stored>) -> Result<Reply> {
        match request {
            Request::Begin { key, start } => {
                if !self.partitions.contains_key(&key) {
                    self.begin(at, key, start, out)?;
                }
                Ok(Reply::Done)
            }
            Request::Set { key, start } => {
                self.begin(at, key, start, out)?;
                Ok(Reply::Done)
            }
            Request::Next(Next { key, log_start }) => self.with(&key, |partition| {
                if partition.trim(log_start) {
                    out.push(partition.record(&key, at.wall));
                }
                Ok(Reply::Next(partition.next(&at.settings.shares)))
            }),
            Request::Acquire(asked) => {
                let settings = &at.settings.shares;
                let reply = self.with(&asked.key, |partition| {
                    Ok(Reply::Acquired(partition.acquire(&asked, settings, at.now)))
                });
                self.wake(&asked.key);
                reply
            }
            Request::Acknowledge(asked) => {
                let settings = &at.settings.shares;
                let reply = self.with(&asked.key, |partition| {
                    let (member, batches) = (&asked.member, &asked.batches);
                    if partition.acknowledge(member, batches, settings, at.now)? {
                        out.push(partition.record(&asked.key, at.wall));
                    }
                    Ok(Reply::Done)
                });
                self.wake(&asked.key);
                reply
            }
            Request::Release { key, member } => self.with(&key, |partition| {
                if partition.release(&member, &at.settings.shares) {
                    out.push(partition.record(&key, at.wall));
                }
                Ok(Reply::Done)
            }),
            Request::Read(key) => {
                self.with(&key, |partition| Ok(Reply::Position(partition.position())))
            }
            Request::Delete(key) => {
                self.delete(&key, out);
                Ok(Reply::Done)
            }
        }
    }

    fn with(
        &mut self,
        key: &Key,
        step: impl FnOnce(&mut Partition) -> Result<Reply>,
    ) -> Result<Reply> {
        match self.partitions.get_mut(key) {
            Some(partition) => step(partition),
            None => Ok(Reply::Unknown),
        }
    }

    fn begin(
        &mut self,
        at: &At<'_>,
        key: Key,
        start: corelog_base::Offset,
        out: &mut Vec<Stored>,
    ) -> Result<()> {
        if key.group.is_empty() {
            return Err(Error::InvalidGroupId);
        }
        if self.partitions.len() >= PARTITIONS_MAX && !self.partitions.contains_key(&key) {
            return Err(Error::Unavailable);
        }
        let mut partition = Partition::new(start);
        out.push(partition.record(&key, at.wall));
        self.partitions.insert(key, partition);
        Ok(())
    }

    fn delete(&mut self, key: &Key, out: &mut Vec<Stored>) {
        if self.partitions.remove(key).is_some() {
            out.push(Stored {
                key: snapshot_key(key),
                value: None,
            });
        }
    }

    /// A timer that is too early does no harm, so there is one more at most.
    fn wake(&mut self, key: &Key) {
        let due = self.partitions.get(key).and_then(Partition::deadline);
        if let Some(due) = due {
            self.timers.insert((due, key.clone()));
        }
    }

    fn tick(&mut self, at: &At<'_>, out: &mut Vec<Stored>) {
        while let Some((due, key)) = self.timers.first().cloned()
            && due <= at.now
        {
            self.timers.pop_first();
            if let Some(partition) = self.partitions.get_mut(&key)
                && partition.expire(at.now, &at.settings.shares)
            {
                out.push(partition.record(&key, at.wall));
            }
            self.wake(&key);
        }
    }
}

impl Coordinator for Shares {
    fn replay(
        &mut self,
        at: &At<'_>,
        record: &Replayed<'_>,
    ) -> std::result::Result<(), corelog_wire::Error> {
        let ShareStateKey::Snapshot(key) = ShareStateKey::decode(record.key)? else {
            // Updates between snapshots are not written here.
            return Ok(());
        };
        let key = Key {
            group: key.group_id.to_owned(),
            topic: key.topic_id,
            partition: key.partition,
        };
        match record.value {
            Some(value) => {
                let value = ShareSnapshotValue::decode(value)?;
                let partition = Partition::restore(&value, &at.settings.shares);
                self.partitions.insert(key, partition);
            }
            None => drop(self.partitions.remove(&key)),
        }
        Ok(())
    }

    fn replay_marker(&mut self, _marker: &Marker) {}

    fn loaded(&mut self, _at: &At<'_>, _out: &mut Vec<Effect>) {}

    fn step(&mut self, at: &At<'_>, event: Event, out: &mut Vec<Effect>) {
        let mut records = Vec::new();
        let mut reply = None;
        match event {
            Event::Request {
                token,
                request: AnyRequest::Share(request),
            } => {
                let told = self.request(at, request, &mut records);
                let told = told.map(AnyReply::Share);
                reply = Some(Effect::Reply { token, reply: told });
            }
            Event::Request { token, .. } => {
                let told = Err(Error::InvalidRequest);
                reply = Some(Effect::Reply { token, reply: told });
            }
            Event::Tick => self.tick(at, &mut records),
            Event::TopicsDeleted(topics) => {
                let all = self.partitions.keys();
                let gone = all.filter(|key| topics.contains(&key.topic)).cloned();
                for key in gone.collect::<Vec<_>>() {
                    self.delete(&key, &mut records);
                }
            }
            _ => {}
        }
        if !records.is_empty() {
            out.push(Effect::Append {
                records,
                producer: None,
            });
        }
        out.extend(reply);
    }

    fn deadline(&self) -> Option<Monotonic> {
        self.timers.first().map(|(due, _)| *due)
    }
}
