//! What follows from a group's entries: the naive side of the comparison.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::{Entry, EntryKind, GroupId, Offset, ProducerId, TimestampMs};
use corelog_log::{AbortedRange, Checkpoint, Checkpoints, LastOf};
use corelog_record::{BatchHeader, EndMarker, records};
use corelog_rt::Shared;

use crate::log::model::Model;

pub(super) const SECTION_BYTES_MAX: usize = 1 << 20;

/// A record as a client sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub offset: Offset,
    pub time: TimestampMs,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

#[derive(Default)]
pub(super) struct Facts {
    /// Of batches that are no markers.
    pub records: BTreeMap<Offset, Seen>,
    /// Those that belong to aborted transactions.
    pub aborted_records: BTreeSet<Offset>,
    /// Batches by their base offset, with the offset after them.
    pub batches: BTreeMap<Offset, Offset>,
    pub aborted: Vec<AbortedRange>,
    pub last: BTreeMap<ProducerId, LastOf>,
    /// Where open transactions begin.
    pub open: BTreeMap<ProducerId, Offset>,
    pub end: Offset,
}

/// The records of a batch.
pub(super) fn seen(batch: &[u8]) -> Vec<Seen> {
    let records = records(batch, SECTION_BYTES_MAX).expect("a sound batch");
    let records = records.iter().map(|record| {
        let record = record.expect("a sound record");
        Seen {
            offset: record.offset,
            time: record.timestamp,
            key: record.key.expect("every record has a key").to_vec(),
            value: record.value.map(<[u8]>::to_vec),
        }
    });
    records.collect()
}

impl Facts {
    /// Without the records: that takes long.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut facts = Self::default();
        for entry in entries {
            facts.end = entry.next_offset;
            if entry.kind == EntryKind::Batch {
                facts.add(entry);
            }
        }
        facts
    }

    fn add(&mut self, entry: &Entry) {
        let header = BatchHeader::parse(&entry.data).expect("a sound batch");
        self.batches
            .insert(header.base_offset, header.next_offset());
        let producer = header.producer_id;
        let marker = EndMarker::parse(&header, &entry.data).expect("a sound marker");
        if let Some(marker) = marker {
            self.end_transaction(&header, marker);
            return;
        }
        if producer != ProducerId::NONE {
            let last = LastOf {
                epoch: header.producer_epoch,
                offset: Some(header.last_offset()),
            };
            self.last.insert(producer, last);
        }
        if header.attributes.is_transactional() {
            self.open.entry(producer).or_insert(header.base_offset);
        }
    }

    fn end_transaction(&mut self, header: &BatchHeader, marker: EndMarker) {
        let producer = header.producer_id;
        let fresh = LastOf {
            epoch: header.producer_epoch,
            offset: None,
        };
        self.last.entry(producer).or_insert(fresh);
        let Some(first) = self.open.remove(&producer) else {
            return;
        };
        if marker.committed {
            return;
        }
        self.aborted.push(AbortedRange {
            producer,
            first,
            last: header.base_offset,
        });
    }

    /// Where a reader of committed records must stop.
    pub(super) fn stable(&self) -> Offset {
        self.open.values().min().copied().unwrap_or(self.end)
    }

    /// With the records, and which of them were aborted: those of the producer within its
    /// transaction.
    pub(super) fn with_records(entries: &[Entry]) -> Self {
        let mut facts = Self::of(entries);
        for entry in entries.iter().filter(|e| e.kind == EntryKind::Batch) {
            let header = BatchHeader::parse(&entry.data).expect("a sound batch");
            if header.attributes.is_control() {
                continue;
            }
            let within = |a: &AbortedRange| {
                let inside = (a.first..a.last).contains(&header.base_offset);
                a.producer == header.producer_id && inside
            };
            let transactional = header.attributes.is_transactional();
            let aborted = transactional && facts.aborted.iter().any(within);
            for record in seen(&entry.data) {
                if aborted {
                    facts.aborted_records.insert(record.offset);
                }
                facts.records.insert(record.offset, record);
            }
        }
        facts
    }

    /// The value of each key once everything in `from..upto` was read that was not aborted.
    pub(super) fn state(&self, from: Offset, upto: Offset) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let counts = self.records.range(from..upto.max(from));
        let counts = counts.filter(|(offset, _)| !self.aborted_records.contains(offset));
        let mut state = BTreeMap::new();
        counts.for_each(|(_, record)| apply(&mut state, record));
        state
    }
}

pub(super) fn apply(state: &mut BTreeMap<Vec<u8>, Vec<u8>>, record: &Seen) {
    match &record.value {
        Some(value) => drop(state.insert(record.key.clone(), value.clone())),
        None => drop(state.remove(&record.key)),
    }
}

/// Tells a log what the model's committed entries say.
pub(super) struct Told(pub Shared<Model>);

impl Told {
    fn facts(&self, group: GroupId) -> Facts {
        self.0.with(|model| match model.groups.get(&group) {
            Some(group) => Facts::of(group.committed_entries()),
            None => Facts::default(),
        })
    }
}

impl Checkpoints for Told {
    fn checkpoint(&self, _group: GroupId) -> Option<Checkpoint> {
        None
    }

    fn aborted(&self, group: GroupId, from: Offset, upto: Offset) -> Vec<AbortedRange> {
        let mut aborted = self.facts(group).aborted;
        aborted.retain(|a| a.last >= from && a.first < upto);
        aborted
    }

    fn last_of(&self, group: GroupId, producer: ProducerId) -> Option<LastOf> {
        self.facts(group).last.get(&producer).copied()
    }
}
