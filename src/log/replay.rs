//! From frames to groups: entries in the order in which they were journaled, and what is lost.

use std::collections::BTreeMap;

use bytes::Bytes;
use corelog_base::{Entry, EntryKind, GroupId, LogIndex, LogStart, Offset};

use crate::frame::{EntryHead, MetadataBefore, Payload, Row};
use crate::map::term_at;
use crate::record::{DAMAGE_MAX, GroupRecord};
use crate::reference::Place;
use crate::{DamagedRange, Position, TermStart};

/// A journal entry with its own bytes.
#[derive(Clone, Debug)]
pub(crate) struct JournalEntry {
    pub head: EntryHead,
    pub data: Data,
}

/// What a journal entry carries or refers to.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Own(Bytes),
    Placed(Bytes, Place),
    /// What it refers to is not what was written.
    Lost,
}

/// What a scan has of one frame.
pub(crate) enum Content {
    Good(Vec<JournalEntry>),
    /// A damaged frame: what still passes, and its directory if that does.
    Partial {
        entries: Vec<JournalEntry>,
        rows: Option<Vec<Row>>,
    },
}

enum Slot {
    Entry(Entry, Option<Place>),
    /// At most up to this offset.
    Lost {
        next_offset: Offset,
    },
}

/// One group's part of one journal.
#[derive(Default)]
pub(crate) struct Replayed {
    /// With the frame that holds it.
    pub record: Option<(u64, GroupRecord)>,
    /// The highest placement epoch of anything in it.
    pub placement_epoch: u32,
    slots: BTreeMap<LogIndex, (u64, Slot)>,
    /// The last frame in which it is known to have anything.
    last_sequence: u64,
    /// The last frame in which its group record was lost.
    lost_record: u64,
}

/// All groups of one journal.
#[derive(Default)]
pub(crate) struct Replay {
    pub groups: BTreeMap<GroupId, Replayed>,
    /// The last frame whose directory is lost: what it held, nobody knows.
    unknown: u64,
    /// The same, if it may have held metadata.
    unknown_metadata: u64,
    /// What each good frame says of those before it.
    before: BTreeMap<u64, MetadataBefore>,
}

impl Replay {
    /// `before`: what each good frame says of those before it.
    pub(crate) fn new(before: BTreeMap<u64, MetadataBefore>) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// Applies a frame; in ascending order of sequence.
    pub(crate) fn apply(&mut self, sequence: u64, content: Content) {
        match content {
            Content::Good(entries) => self.entries(sequence, entries),
            Content::Partial { entries, rows } => {
                let Some(rows) = rows else {
                    self.lost(sequence);
                    self.entries(sequence, entries);
                    return;
                };
                rows.iter().for_each(|row| self.lose(sequence, row));
                self.salvage(sequence, entries);
            }
        }
    }

    /// A frame that nothing was found of.
    pub(crate) fn lost(&mut self, sequence: u64) {
        self.unknown = self.unknown.max(sequence);
        let next = self.before.range(sequence + 1..).next();
        if !next.is_some_and(|(_, before)| before.is_before(sequence)) {
            self.unknown_metadata = self.unknown_metadata.max(sequence);
        }
    }

    pub(crate) fn is_incomplete(&self) -> bool {
        self.unknown > 0 || self.groups.values().any(|g| g.record.is_none())
    }

    fn entries(&mut self, sequence: u64, entries: Vec<JournalEntry>) {
        for entry in entries {
            self.entry(sequence, entry, true);
        }
    }

    /// Entries of a damaged frame that pass. Its directory has cut off what they replace, and
    /// said what is lost.
    fn salvage(&mut self, sequence: u64, entries: Vec<JournalEntry>) {
        for entry in entries {
            self.entry(sequence, entry, false);
        }
    }

    fn entry(&mut self, sequence: u64, entry: JournalEntry, cuts: bool) {
        let JournalEntry { head, data } = entry;
        let group = self.touch(head.group, head.placement_epoch, sequence);
        let kind = match (head.payload, &data) {
            (Payload::Entry(kind), _) => kind,
            (Payload::Reference, _) => EntryKind::Batch,
            (Payload::GroupRecord, Data::Own(data)) => {
                if let Some(record) = GroupRecord::decode(data) {
                    group.record = Some((sequence, record));
                }
                return;
            }
            (Payload::GroupRecord, _) => return,
        };
        #[cfg(feature = "planted")]
        let cuts = cuts && !crate::planted::is_awake(crate::planted::Bug::KeepsConflicts);
        if cuts && !head.carried {
            group.slots.split_off(&head.index);
        }
        let (data, place) = match data {
            Data::Own(data) => (data, None),
            Data::Placed(data, place) => (data, Some(place)),
            Data::Lost => {
                let next_offset = head.next_offset;
                let lost = (sequence, Slot::Lost { next_offset });
                group.slots.insert(head.index, lost);
                return;
            }
        };
        let entry = Entry {
            index: head.index,
            term: head.term,
            kind,
            base_offset: head.base_offset,
            next_offset: head.next_offset,
            data,
        };
        group
            .slots
            .insert(head.index, (sequence, Slot::Entry(entry, place)));
    }

    fn touch(&mut self, group: GroupId, epoch: u32, sequence: u64) -> &mut Replayed {
        let state = self.groups.entry(group).or_default();
        state.placement_epoch = state.placement_epoch.max(epoch);
        state.last_sequence = state.last_sequence.max(sequence);
        state
    }

    fn lose(&mut self, sequence: u64, row: &Row) {
        let group = self.touch(row.group, row.placement_epoch, sequence);
        if row.has_record {
            group.lost_record = sequence;
        }
        if row.first == LogIndex(0) {
            return;
        }
        if !row.carried {
            group.slots.split_off(&row.first);
        }
        let last = row
            .last
            .0
            .min(row.first.0.saturating_add(u64::from(row.entries)));
        for at in row.first.0..=last {
            group.slots.entry(LogIndex(at)).or_insert((
                sequence,
                Slot::Lost {
                    next_offset: row.next_offset,
                },
            ));
        }
    }

    /// What the newest record of a group says is settled.
    pub(crate) fn settled_by_record(&self, group: GroupId) -> Option<Position> {
        let (_, record) = self.groups.get(&group)?.record.as_ref()?;
        Some(record.settled)
    }

    /// Whether something of the group may be gone without a trace.
    fn is_suspect(&self, id: GroupId, group: &Replayed) -> bool {
        let record = group.record.as_ref().map_or(0, |r| r.0);
        let unknown = match id {
            GroupId::METADATA => self.unknown_metadata,
            _ => self.unknown,
        };
        let unseen = unknown > 0 && (unknown > group.last_sequence || record < unknown);
        unseen || group.lost_record > record
    }

    /// Takes one group out, as it stands behind `settled` (by its map).
    pub(crate) fn finish(&mut self, id: GroupId, settled: Position) -> Option<Finished> {
        let group = self.groups.remove(&id)?;
        let suspect = self.is_suspect(id, &group);
        let mut finished = Finished {
            record: group.record,
            placement_epoch: group.placement_epoch,
            entries: Vec::new(),
            damage: Vec::new(),
        };
        let mut before = settled;
        for (at, (sequence, slot)) in group.slots.range(settled.index.next()..) {
            match slot {
                Slot::Lost { next_offset } => {
                    finished.lose(before, *at, *next_offset);
                }
                Slot::Entry(entry, place) => {
                    if entry.index != before.index.next() {
                        finished.lose(before, LogIndex(at.0 - 1), entry.base_offset);
                    } else if let Some(range) = finished.damage.last_mut()
                        && range.last.next() == *at
                    {
                        range.next_offset = entry.base_offset;
                    }
                    finished.entries.push((*sequence, entry.clone(), *place));
                }
            }
            before = match slot {
                Slot::Entry(entry, _) => Position {
                    index: entry.index,
                    term: entry.term,
                    next_offset: entry.next_offset,
                },
                Slot::Lost { .. } => Position {
                    index: *at,
                    ..before
                },
            };
        }
        if suspect {
            let end = finished.damage.last().map_or(before.next_offset, |d| {
                before.next_offset.max(d.next_offset)
            });
            finished.damage.push(DamagedRange {
                first: before.index.next(),
                last: LogIndex(u64::MAX),
                base_offset: end,
                next_offset: Offset(i64::MAX),
            });
        }
        Some(finished)
    }
}

/// A group's part of a journal, with the frames that hold it.
pub(crate) struct Finished {
    pub record: Option<(u64, GroupRecord)>,
    pub placement_epoch: u32,
    pub entries: Vec<(u64, Entry, Option<Place>)>,
    pub damage: Vec<DamagedRange>,
}

impl Finished {
    /// Everything after `before` up to `last` is lost; the offset behind it is `next_offset`.
    fn lose(&mut self, before: Position, last: LogIndex, next_offset: Offset) {
        if let Some(range) = self.damage.last_mut()
            && range.last == before.index
        {
            range.last = last;
            range.next_offset = range.next_offset.max(next_offset);
            return;
        }
        self.damage.push(DamagedRange {
            first: before.index.next(),
            last,
            base_offset: before.next_offset,
            next_offset,
        });
    }
}

/// Joins what the record knew already and what this scan found; bounded.
pub(crate) fn join_damage(mut all: Vec<DamagedRange>) -> Vec<DamagedRange> {
    all.sort_by_key(|d| (d.first, d.last));
    let mut joined: Vec<DamagedRange> = Vec::new();
    for range in all {
        let full = joined.len() == DAMAGE_MAX;
        match joined.last_mut() {
            Some(last) if full || range.first <= last.last => {
                last.last = last.last.max(range.last);
                last.base_offset = last.base_offset.min(range.base_offset);
                last.next_offset = last.next_offset.max(range.next_offset);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// Where each term begins, from the map's list and the entries behind it.
pub(crate) fn all_terms(
    mut terms: Vec<TermStart>,
    start: LogStart,
    entries: &[Entry],
) -> Vec<TermStart> {
    for entry in entries {
        if terms.last().is_none_or(|t| t.term < entry.term) {
            terms.push(TermStart {
                term: entry.term,
                index: entry.index,
                offset: entry.base_offset,
            });
        }
    }
    prune_terms(&mut terms, start);
    terms
}

/// Forgets terms that end before the log start; the one that holds it stays. The start's index may
/// lie behind its offset: those of records that are still there stay, too.
pub(crate) fn prune_terms(terms: &mut Vec<TermStart>, start: LogStart) {
    if term_at(terms, start.index).is_some() {
        let begun = |t: &TermStart| t.index <= start.index && t.offset <= start.offset;
        let keep = terms.partition_point(begun).saturating_sub(1);
        terms.drain(..keep);
    }
}

#[cfg(test)]
#[path = "replay_test.rs"]
mod replay_test;
