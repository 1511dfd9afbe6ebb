//! One share group in one partition.

use std::collections::BTreeMap;

use bytes::Bytes;
use corelog_base::{Monotonic, Offset, TimestampMs};
use corelog_wire::kafka::internal::{ShareSnapshotKey, ShareSnapshotValue, ShareStateBatch};

use super::{Acquire, Acquired, Key, Mode, Position, Verdicts};
use crate::{Error, Result, ShareSettings, Stored};

/// As they are stored.
const AVAILABLE: i8 = 0;
const DONE: i8 = 2;
const ARCHIVED: i8 = 4;

/// A record that is not done with.
struct Record {
    /// How often it was delivered.
    count: i16,
    holder: Option<Holder>,
}

struct Holder {
    member: String,
    /// When it is free again.
    until: Monotonic,
}

/// Records from `start` to `next` that are not in `open` are done with.
pub(super) struct Partition {
    start: i64,
    next: i64,
    open: BTreeMap<i64, Record>,
    snapshot_epoch: i32,
}

impl Partition {
    pub(super) fn new(start: Offset) -> Self {
        Self {
            start: start.0,
            next: start.0,
            open: BTreeMap::new(),
            snapshot_epoch: 0,
        }
    }

    fn has_room(&self, settings: &ShareSettings) -> bool {
        u32::try_from(self.open.len()).is_ok_and(|n| n < settings.records_max)
    }

    pub(super) fn next(&self, settings: &ShareSettings) -> Option<Offset> {
        let free = self.open.iter().find(|(_, record)| record.holder.is_none());
        let free = free.map(|(offset, _)| *offset);
        let fresh = self.has_room(settings).then_some(self.next);
        free.or(fresh).map(Offset)
    }

    /// Records before `log_start` are gone. True if that changes anything.
    pub(super) fn trim(&mut self, log_start: Offset) -> bool {
        if log_start.0 <= self.start {
            return false;
        }
        self.open = self.open.split_off(&log_start.0);
        self.next = self.next.max(log_start.0);
        self.start = log_start.0;
        self.advance();
        true
    }

    fn advance(&mut self) {
        let first = self.open.keys().next().copied();
        self.start = first.unwrap_or(self.next).max(self.start);
    }

    pub(super) fn acquire(
        &mut self,
        asked: &Acquire,
        settings: &ShareSettings,
        now: Monotonic,
    ) -> Vec<Acquired> {
        let mut acquired: Vec<Acquired> = Vec::new();
        let mut left = i64::from(asked.records_max);
        for batch in &asked.batches {
            if left <= 0 {
                break;
            }
            if batch.control {
                self.skip(batch.first.0, batch.last.0);
                continue;
            }
            let most = match asked.mode {
                Mode::Batches => i64::MAX,
                Mode::Records => left,
            };
            let taken = self.take(batch.first.0, batch.last.0, most, settings);
            for offset in &taken {
                let Some(record) = self.open.get_mut(offset) else {
                    continue;
                };
                record.count = record.count.saturating_add(1);
                record.holder = Some(Holder {
                    member: asked.member.clone(),
                    until: now + settings.lock,
                });
                extend(&mut acquired, *offset, record.count);
            }
            left -= i64::try_from(taken.len()).unwrap_or(i64::MAX);
        }
        self.advance();
        acquired
    }

    /// Nobody gets these.
    fn skip(&mut self, first: i64, last: i64) {
        if first <= self.next && last >= self.next {
            self.next = last + 1;
        }
    }

    /// Free records of a batch; those that were never seen are seen now.
    fn take(&mut self, first: i64, last: i64, most: i64, settings: &ShareSettings) -> Vec<i64> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let known = self
            .open
            .range(first.max(self.start)..=last.max(self.start));
        let free = known.filter(|(offset, record)| record.holder.is_none() && **offset <= last);
        let mut taken: Vec<i64> = free.map(|(offset, _)| *offset).take(most).collect();
        if last >= self.next {
            // What lies before this batch and was not seen is not in the log.
            self.next = self.next.max(first);
        }
        while self.next <= last && taken.len() < most && self.has_room(settings) {
            let fresh = Record {
                count: 0,
                holder: None,
            };
            self.open.insert(self.next, fresh);
            taken.push(self.next);
            self.next += 1;
        }
        taken
    }

    /// Takes a member's verdicts, all or none. True if something is to be stored.
    ///
    /// # Errors
    /// `InvalidRecordState` if the member does not hold one of the records, `InvalidRequest`.
    pub(super) fn acknowledge(
        &mut self,
        member: &str,
        batches: &[Verdicts],
        settings: &ShareSettings,
        now: Monotonic,
    ) -> Result<bool> {
        for batch in batches {
            self.check(member, batch)?;
        }
        let mut stores = false;
        for batch in batches {
            let offsets: Vec<i64> = self.held(batch).map(|(offset, _)| *offset).collect();
            for offset in offsets {
                let at = usize::try_from(offset - batch.first.0).unwrap_or(0);
                let verdict = batch.types.get(at).or(batch.types.first());
                stores |= self.decide(offset, verdict.copied().unwrap_or(0), settings, now);
            }
        }
        self.advance();
        Ok(stores)
    }

    fn held(&self, batch: &Verdicts) -> impl Iterator<Item = (&i64, &Record)> {
        let from = batch.first.0.max(self.start);
        self.open
            .range(from..=batch.last.0.max(from))
            .filter(|(o, _)| **o <= batch.last.0)
    }

    fn check(&self, member: &str, batch: &Verdicts) -> Result<()> {
        let span = batch.last.0.checked_sub(batch.first.0);
        let count = span.and_then(|span| span.checked_add(1)).filter(|n| *n > 0);
        let count = count.ok_or(Error::InvalidRequest)?;
        let types = i64::try_from(batch.types.len()).unwrap_or(i64::MAX);
        if types != 1 && types != count || batch.types.iter().any(|t| !(0..=4).contains(t)) {
            return Err(Error::InvalidRequest);
        }
        // What the log has lost meanwhile is decided already.
        let lost = (self.start - batch.first.0).clamp(0, count);
        let mut found = 0;
        for (_, record) in self.held(batch) {
            let mine = record.holder.as_ref().is_some_and(|h| h.member == member);
            if !mine {
                return Err(Error::InvalidRecordState);
            }
            found += 1;
        }
        match found == count - lost {
            true => Ok(()),
            false => Err(Error::InvalidRecordState),
        }
    }

    fn decide(
        &mut self,
        offset: i64,
        verdict: i8,
        settings: &ShareSettings,
        now: Monotonic,
    ) -> bool {
        match verdict {
            2 => self.free(offset, settings),
            4 => {
                if let Some(holder) = self.open.get_mut(&offset).and_then(|r| r.holder.as_mut()) {
                    holder.until = now + settings.lock;
                }
                return false;
            }
            _ => drop(self.open.remove(&offset)),
        }
        true
    }

    /// The record is nobody's; one that was delivered too often is given up.
    fn free(&mut self, offset: i64, settings: &ShareSettings) {
        let Some(record) = self.open.get_mut(&offset) else {
            return;
        };
        record.holder = None;
        if record.count >= settings.deliveries_max {
            self.open.remove(&offset);
        }
    }

    /// Frees what a member holds. True if it held anything.
    pub(super) fn release(&mut self, member: &str, settings: &ShareSettings) -> bool {
        let held = |holder: &Holder| holder.member == member;
        self.free_all(held, settings)
    }

    /// Frees what was held for too long.
    pub(super) fn expire(&mut self, now: Monotonic, settings: &ShareSettings) -> bool {
        self.free_all(|holder| holder.until <= now, settings)
    }

    fn free_all(&mut self, which: impl Fn(&Holder) -> bool, settings: &ShareSettings) -> bool {
        let held = self.open.iter();
        let freed = held.filter(|(_, record)| record.holder.as_ref().is_some_and(&which));
        let freed: Vec<i64> = freed.map(|(offset, _)| *offset).collect();
        for offset in &freed {
            self.free(*offset, settings);
        }
        self.advance();
        !freed.is_empty()
    }

    /// When the next record is free again.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let holders = self
            .open
            .values()
            .filter_map(|record| record.holder.as_ref());
        holders.map(|holder| holder.until).min()
    }

    pub(super) fn position(&self) -> Position {
        let open = i64::try_from(self.open.len()).unwrap_or(i64::MAX);
        Position {
            start: Offset(self.start),
            done: self.next - self.start - open,
        }
    }

    /// The whole state, so that a compacted topic keeps all that counts.
    pub(super) fn record(&mut self, key: &Key, wall: TimestampMs) -> Stored {
        self.snapshot_epoch = self.snapshot_epoch.checked_add(1).unwrap_or(0);
        let mut runs: Vec<ShareStateBatch> = Vec::new();
        let mut at = self.start;
        for (offset, record) in &self.open {
            if *offset > at {
                runs.push(run(at, offset - 1, DONE, 1));
            }
            match runs.last_mut() {
                Some(last)
                    if last.delivery_state == AVAILABLE
                        && last.delivery_count == record.count
                        && last.last_offset == offset - 1 =>
                {
                    last.last_offset = *offset;
                }
                _ => runs.push(run(*offset, *offset, AVAILABLE, record.count)),
            }
            at = offset + 1;
        }
        if self.next > at {
            runs.push(run(at, self.next - 1, DONE, 1));
        }
        let done = self.position().done;
        let value = ShareSnapshotValue {
            snapshot_epoch: self.snapshot_epoch,
            state_epoch: 0,
            leader_epoch: 0,
            start_offset: self.start,
            create_timestamp: wall.0,
            write_timestamp: wall.0,
            state_batches: runs.into(),
            delivery_complete_count: i32::try_from(done).unwrap_or(-1),
        };
        Stored {
            key: snapshot_key(key),
            value: Some(made(value.encode(0))),
        }
    }

    pub(super) fn restore(value: &ShareSnapshotValue<'_>, settings: &ShareSettings) -> Self {
        let mut partition = Self::new(Offset(value.start_offset));
        partition.snapshot_epoch = value.snapshot_epoch;
        for run in value.state_batches.iter() {
            if !matches!(run.delivery_state, DONE | ARCHIVED) {
                let mut offset = run.first_offset.max(value.start_offset);
                // More than this was never written.
                while offset <= run.last_offset && partition.has_room(settings) {
                    let record = Record {
                        count: run.delivery_count,
                        holder: None,
                    };
                    partition.open.insert(offset, record);
                    offset += 1;
                }
            }
            partition.next = partition.next.max(run.last_offset.saturating_add(1));
        }
        partition
    }
}

fn run(first: i64, last: i64, state: i8, count: i16) -> ShareStateBatch {
    ShareStateBatch {
        first_offset: first,
        last_offset: last,
        delivery_state: state,
        delivery_count: count,
    }
}

fn extend(acquired: &mut Vec<Acquired>, offset: i64, count: i16) {
    match acquired.last_mut() {
        Some(last) if last.last.0 + 1 == offset && last.count == count => {
            last.last = Offset(offset)
        }
        _ => acquired.push(Acquired {
            first: Offset(offset),
            last: Offset(offset),
            count,
        }),
    }
}

fn made(encoded: std::result::Result<Bytes, corelog_wire::Error>) -> Bytes {
    encoded.expect("what a request could say can be stored")
}

pub(super) fn snapshot_key(key: &Key) -> Bytes {
    let key = ShareSnapshotKey {
        group_id: &key.group,
        topic_id: key.topic,
        partition: key.partition,
    };
    made(key.encode())
}
