//! Compares what a compacted log reads with what was written.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use corelog_base::{GroupId, Offset, ProducerId, Random, TimestampMs};
use corelog_log::{AbortedRange, Error, Kind, Log, Read};
use corelog_record::{BatchHeader, EndMarker, batches};
use corelog_rt::Shared;
use corelog_sim::SimRuntime;

use super::facts::{Facts, Seen, apply, seen};
use crate::log::model::Model;

pub(super) struct Checker {
    log: Log<SimRuntime>,
    id: GroupId,
    model: Shared<Model>,
}

/// What was read of a group at rest.
#[derive(Default)]
struct Scanned {
    headers: Vec<BatchHeader>,
    records: BTreeMap<Offset, Seen>,
    /// What a reader of committed records has in the end.
    state: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Checker {
    pub(super) fn new(log: Log<SimRuntime>, id: GroupId, model: Shared<Model>) -> Self {
        Self { log, id, model }
    }

    fn facts(&self) -> Option<(Facts, Offset)> {
        self.model.with(|model| {
            let group = model.groups.get(&self.id)?;
            let entries = group.committed_entries();
            Some((Facts::with_records(entries), group.start().offset))
        })
    }

    async fn read(&self, from: Offset, upto: Offset, bytes_max: u32) -> Result<Vec<Bytes>, Error> {
        match self.log.read(self.id, from, upto, bytes_max, true)? {
            Read::Ready(parts) => Ok(parts),
            Read::Disk(plan) => plan.run(&self.log).await,
        }
    }

    /// One random read while others work: what comes is what was written.
    pub(super) async fn look(&self, random: &mut Random) {
        let Some((facts, start)) = self.facts() else {
            return;
        };
        if facts.end <= start {
            return;
        }
        let from = start.plus(random.below((facts.end.0 - start.0) as u64) as i64);
        let bytes_max = [100, 3_000, 50_000][random.below(3) as usize];
        match self.read(from, facts.end, bytes_max).await {
            Ok(found) => {
                let mut scanned = Scanned::default();
                self.take(&facts, from, &found, &mut scanned);
            }
            Err(error) => {
                let moved = self.facts().is_none_or(|(_, start)| start > from);
                let moved = moved && error.kind == Kind::OutOfRange;
                assert!(moved, "{:?}: read at {from}: {error}", self.id);
            }
        }
    }

    /// Each batch has the offsets of one that was written, each record is as it was. Gives the
    /// offset behind the last.
    fn take(&self, facts: &Facts, from: Offset, found: &[Bytes], into: &mut Scanned) -> Offset {
        let (id, mut next) = (self.id, from);
        let bytes = found.concat();
        for batch in batches(&bytes) {
            let (header, batch) = batch.expect("whole batches");
            assert!(
                header.next_offset() > next,
                "{id:?}: out of order at {next}"
            );
            let written = facts.batches.get(&header.base_offset);
            let same = written == Some(&header.next_offset());
            assert!(same, "{id:?}: {header:?} was never written");
            corelog_record::verify(batch).expect("a sound batch");
            next = header.next_offset();
            into.headers.push(header);
            if header.attributes.is_control() {
                EndMarker::parse(&header, batch).expect("a sound marker");
                continue;
            }
            for record in seen(batch) {
                let written = facts.records.get(&record.offset);
                assert!(
                    written == Some(&record),
                    "{id:?}: another record at {}",
                    record.offset
                );
                into.records.insert(record.offset, record);
            }
        }
        next
    }

    /// What a client does with one response to a reader of committed records.
    fn read_committed(&self, facts: &Facts, from: Offset, found: &[Bytes], into: &mut Scanned) {
        let bytes = found.concat();
        let all: Vec<_> = batches(&bytes).flatten().collect();
        let end = all.last().map_or(from, |(header, _)| header.next_offset());
        let compacted = self.log.compacted_upto(self.id);
        let named = |a: &&AbortedRange| a.last >= from && a.first < end && a.last >= compacted;
        let mut named: Vec<AbortedRange> = facts.aborted.iter().filter(named).copied().collect();
        named.sort_by_key(|a| a.first);
        let mut named = named.into_iter().peekable();
        let mut skipped: BTreeSet<ProducerId> = BTreeSet::new();
        for (header, batch) in all {
            while let Some(next) = named.next_if(|a| a.first <= header.last_offset()) {
                skipped.insert(next.producer);
            }
            if header.attributes.is_control() {
                let marker = EndMarker::parse(&header, batch).expect("a sound marker");
                if marker.is_some_and(|marker| !marker.committed) {
                    skipped.remove(&header.producer_id);
                }
                continue;
            }
            let transactional = header.attributes.is_transactional();
            if transactional && skipped.contains(&header.producer_id) {
                continue;
            }
            let wanted = seen(batch)
                .into_iter()
                .filter(|record| record.offset >= from);
            wanted.for_each(|record| apply(&mut into.state, &record));
        }
    }

    /// Everything, at rest.
    pub(super) async fn check_all(&self, random: &mut Random) {
        let Some((facts, start)) = self.facts() else {
            return;
        };
        let id = self.id;
        let stable = facts.stable().max(start);
        let mut scanned = Scanned::default();
        let mut from = start;
        while from < facts.end {
            let found = self.read(from, facts.end, 8_000).await;
            let found = found.unwrap_or_else(|error| panic!("{id:?} is read at rest: {error}"));
            let next = self.take(&facts, from, &found, &mut scanned);
            if next == from {
                break;
            }
            from = next;
        }
        let mut from = start;
        while from < stable {
            let found = self.read(from, stable, 8_000).await.expect("read above");
            self.read_committed(&facts, from, &found, &mut scanned);
            let bytes = found.concat();
            match batches(&bytes).flatten().last() {
                Some((header, _)) => from = header.next_offset(),
                None => break,
            }
        }
        let expected = facts.state(start, stable);
        let differs = scanned
            .state
            .iter()
            .find(|(k, v)| expected.get(*k) != Some(v));
        assert!(differs.is_none(), "{id:?}: a value came back: {differs:?}");
        let lost = expected
            .keys()
            .find(|key| !scanned.state.contains_key(*key));
        assert!(lost.is_none(), "{id:?}: a value is lost: {lost:?}");
        self.check_producers(&facts, start, &scanned);
        self.check_places(&facts, start, &scanned, random).await;
        self.check_times(&facts, start, &scanned, random).await;
    }

    fn check_producers(&self, facts: &Facts, start: Offset, scanned: &Scanned) {
        for (producer, last) in &facts.last {
            let Some(offset) = last.offset.filter(|offset| *offset >= start) else {
                continue;
            };
            let kept = scanned
                .headers
                .iter()
                .any(|h| h.producer_id == *producer && h.last_offset() == offset);
            assert!(
                kept,
                "{:?}: the last batch of {producer:?} is lost",
                self.id
            );
        }
    }

    /// A read at any offset begins with the batch that has it, or with the next that is left.
    async fn check_places(
        &self,
        facts: &Facts,
        start: Offset,
        scanned: &Scanned,
        random: &mut Random,
    ) {
        for _ in 0..10 {
            if facts.end <= start {
                return;
            }
            let from = start.plus(random.below((facts.end.0 - start.0) as u64) as i64);
            let found = self.read(from, facts.end, 1).await.expect("read at rest");
            let bytes = found.concat();
            let first = batches(&bytes).flatten().next().map(|(h, _)| h.base_offset);
            let expected = scanned.headers.iter().find(|h| h.next_offset() > from);
            let expected = expected.map(|h| h.base_offset);
            assert_eq!(first, expected, "{:?}: read at {from}", self.id);
        }
    }

    async fn check_times(
        &self,
        facts: &Facts,
        start: Offset,
        scanned: &Scanned,
        random: &mut Random,
    ) {
        let times: Vec<TimestampMs> = facts.records.values().map(|r| r.time).collect();
        let markers = |offset: &Offset| !scanned.records.contains_key(offset);
        for _ in 0..5 {
            let Some(time) = times.get(random.below(times.len().max(1) as u64) as usize) else {
                return;
            };
            let found = self.log.offset_at_time(self.id, *time, facts.end).await;
            let found = found.expect("sought at rest");
            let mut expected = scanned.records.values().filter(|r| r.time >= *time);
            // Of a batch that the start cuts, the first offset that is still there is the answer.
            let expected = expected.next().map(|r| (r.offset.max(start), r.time));
            // A marker has a time, too.
            let other = found.is_some_and(|(offset, _)| markers(&offset));
            assert!(
                found == expected || other,
                "{:?}: {found:?} {expected:?}",
                self.id
            );
        }
        let largest = self.log.max_timestamp(self.id, facts.end).await;
        let largest = largest.expect("sought at rest").map(|(_, time)| time);
        let expected = scanned.records.values().map(|r| r.time).max();
        assert!(
            largest >= expected,
            "{:?}: {largest:?} {expected:?}",
            self.id
        );
    }

    /// Compaction has nothing to do: below its end, of each key only the last is left.
    pub(super) async fn check_compacted(&self) -> u64 {
        let Some((facts, start)) = self.facts() else {
            return 0;
        };
        let end = self.log.compacted_upto(self.id);
        let mut last: BTreeMap<&[u8], Offset> = BTreeMap::new();
        let below = facts.records.range(..end);
        for (offset, record) in below.clone() {
            if !facts.aborted_records.contains(offset) {
                last.insert(&record.key, *offset);
            }
        }
        let mut scanned = Scanned::default();
        let mut from = start;
        while from < end {
            let found = self.read(from, end, 50_000).await.expect("read at rest");
            let next = self.take(&facts, from, &found, &mut scanned);
            if next == from {
                break;
            }
            from = next;
        }
        for (offset, record) in scanned.records.range(start..end.max(start)) {
            let is_last = last.get(&record.key[..]) == Some(offset);
            assert!(is_last, "{:?}: {offset} should be gone", self.id);
        }
        let gone = below.filter(|(offset, _)| !scanned.records.contains_key(*offset));
        gone.count() as u64
    }
}
