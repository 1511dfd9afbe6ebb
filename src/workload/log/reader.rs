//! Compares what a log reads with what it was told.

use bytes::Bytes;
use corelog_base::{Entry, EntryKind, GroupId, LogIndex, Offset, Random, TimestampMs};
use corelog_log::{Entries, Error, Kind, Log, Read};
use corelog_record::{batches, first_at_or_after};
use corelog_rt::Shared;
use corelog_sim::SimRuntime;

use super::model::Model;

/// Whether reads may fail by the disk's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Disk {
    Sound,
    Faulty,
    /// Bits of segments have flipped.
    Rotten,
}

pub(super) fn settings(rt: &SimRuntime) -> Disk {
    let faulty = rt
        .host()
        .disk(|disk| disk.faults.read_errors_ppm > 0 || disk.faults.breaks.is_some());
    if faulty { Disk::Faulty } else { Disk::Sound }
}

pub(super) struct Reader {
    log: Log<SimRuntime>,
    id: GroupId,
    model: Shared<Model>,
}

impl Reader {
    pub(super) fn new(log: Log<SimRuntime>, id: GroupId, model: Shared<Model>) -> Self {
        Self { log, id, model }
    }

    /// The committed entries of the model from the start on, and the first offset.
    fn expected(&self) -> Option<(Vec<Entry>, Offset)> {
        self.model.with(|model| {
            let group = model.groups.get(&self.id)?;
            let start = group.start();
            let first = start.index.0 as usize - 1;
            let committed = group.committed.0 as usize;
            let entries = group.now.get(first..committed.max(first))?;
            Some((entries.to_vec(), start.offset))
        })
    }

    /// Removed or trimmed while the read was underway.
    fn excuse(&self, error: &Error, from: Offset, disk: Disk) {
        let gone = self.model.with(|model| {
            let group = model.groups.get(&self.id);
            group.is_none_or(|group| group.start().offset > from)
        });
        let fault = disk == Disk::Faulty && error.kind == Kind::Io;
        assert!(gone || fault, "{:?}: read at {from}: {error}", self.id);
    }

    /// A read from anywhere, and some that go on behind it.
    pub(super) async fn look(&self, random: &mut Random, disk: Disk) {
        let Some((entries, start)) = self.expected() else {
            return;
        };
        let Some(last) = entries.last() else { return };
        let end = last.next_offset;
        if end <= start {
            return;
        }
        let mut from = start.plus(random.below((end.0 - start.0) as u64) as i64);
        if random.chance(200) {
            self.look_by_time(&entries, start, random, disk).await;
            return;
        }
        let bytes_max = [100, 5_000, 100_000][random.below(3) as usize];
        for _ in 0..=random.below(6) {
            match self.read(from, end, bytes_max).await {
                Ok(found) => from = self.compare(&entries, from, &found),
                Err(error) => return self.excuse(&error, from, disk),
            }
            if from >= end {
                return;
            }
        }
    }

    async fn read(&self, from: Offset, upto: Offset, bytes_max: u32) -> Result<Vec<Bytes>, Error> {
        match self.log.read(self.id, from, upto, bytes_max, true)? {
            Read::Ready(parts) => Ok(parts),
            Read::Disk(plan) => plan.run(&self.log).await,
        }
    }

    /// What was read is what was written, from the batch that contains `from` on. Where it ends.
    fn compare(&self, entries: &[Entry], from: Offset, found: &[Bytes]) -> Offset {
        let id = self.id;
        let bytes = found.concat();
        let is_wanted = |e: &&Entry| e.kind == EntryKind::Batch && e.next_offset > from;
        let mut wanted = entries.iter().filter(is_wanted);
        let (mut count, mut end) = (0, from);
        for batch in batches(&bytes) {
            let (header, batch) = batch.expect("whole batches");
            let entry = wanted.next().expect("no more than was written");
            assert_eq!(
                header.base_offset, entry.base_offset,
                "{id:?} read at {from}"
            );
            assert!(batch == &entry.data[..], "{id:?}: other bytes at {from}");
            count += batch.len();
            end = entry.next_offset;
        }
        assert_eq!(count, bytes.len(), "{id:?}: half a batch at {from}");
        assert!(count > 0, "{id:?}: nothing at {from}");
        end
    }

    async fn look_by_time(
        &self,
        entries: &[Entry],
        start: Offset,
        random: &mut Random,
        disk: Disk,
    ) {
        let Some(last) = entries.last() else { return };
        let pick = &entries[random.below(entries.len() as u64) as usize];
        let some = batches(&pick.data).flatten().next();
        let time = some.map_or(TimestampMs(0), |(h, _)| h.max_timestamp);
        let expected = entries
            .iter()
            .filter(|e| e.kind == EntryKind::Batch && e.next_offset > start)
            .find_map(|e| first_at_or_after(&e.data, time, 1 << 20).expect("a sound batch"));
        match self
            .log
            .offset_at_time(self.id, time, last.next_offset)
            .await
        {
            // Inside the batch that the start lies in, both the first and the next are right.
            Ok(found) => {
                let moved = self.model.with(|model| {
                    let group = model.groups.get(&self.id);
                    group.is_none_or(|group| group.start().offset != start)
                });
                let before = expected.is_some_and(|(offset, _)| offset < start);
                assert!(
                    found == expected || moved || before,
                    "{:?}: {found:?} at {time:?}, expected {expected:?}",
                    self.id
                );
            }
            Err(error) => self.excuse(&error, start, disk),
        }
    }

    /// Bytes that are not what was written are named, never given.
    fn note_damage(&self, error: &Error, disk: Disk) -> Offset {
        let id = self.id;
        let named = disk == Disk::Rotten && error.kind == Kind::Damaged;
        assert!(named, "{id:?} is read at rest: {error}");
        self.model.with(|model| model.damaged += 1);
        let range = error.range.as_ref().expect("damage has a range");
        range.end
    }

    /// Everything, in both ways; at rest.
    pub(super) async fn check_all(&self, disk: Disk) {
        let id = self.id;
        let model = self.model.with(|model| {
            let group = model.groups.get(&id)?;
            Some((group.now.clone(), group.start(), group.end()))
        });
        let Some((now, start, end)) = model else {
            return;
        };
        let mut next = start.index;
        let last = LogIndex(now.len() as u64);
        assert_eq!(self.log.last(id).map(|p| p.index), Some(last), "{id:?}");
        while next <= last {
            let found = self.log.entries(id, next, last.next(), 20_000);
            let found = match found.expect("entries are there") {
                Entries::Ready(entries) => entries,
                Entries::Disk(plan) => match plan.run(&self.log).await {
                    Ok(entries) => entries,
                    Err(error) => {
                        self.note_damage(&error, disk);
                        break;
                    }
                },
            };
            assert!(!found.is_empty(), "{id:?}: nothing at {next:?}");
            for entry in found {
                let expected = &now[next.0 as usize - 1];
                assert!(entry == *expected, "{id:?}: {entry:?} is not {expected:?}");
                assert_eq!(self.log.term_at(id, next), Some(entry.term), "{id:?}");
                next = next.next();
            }
        }
        let before = LogIndex(start.index.0 - 1);
        if last >= before {
            assert_eq!(
                self.log.term_at(id, before),
                Some(start.term_before),
                "{id:?}"
            );
        }
        self.check_records(&now, start.offset, end, disk).await;
    }

    async fn check_records(&self, now: &[Entry], start: Offset, end: Offset, disk: Disk) {
        let mut from = start;
        while from < end {
            let found = match self.read(from, end, 50_000).await {
                Ok(found) => found,
                Err(error) => {
                    let sound = self.note_damage(&error, disk);
                    from = sound.max(from.plus(1));
                    continue;
                }
            };
            self.compare(now, from, &found);
            let bytes = found.concat();
            let last = batches(&bytes)
                .flatten()
                .last()
                .map(|(h, _)| h.next_offset());
            from = last.expect("there was one");
        }
    }
}
