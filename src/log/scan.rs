//! Boot: what the journals and maps of this node hold, and who gets what.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use corelog_base::{
    CoreId, GroupId, HardState, LogIndex, LogStart, Offset, PartitionIndex, TopicId,
};
use corelog_rt::Runtime;

use crate::frame::{EntryHead, Payload};
use crate::group::SegmentMeta;
use crate::map::SegmentMap;
use crate::record::GroupRecord;
use crate::reference::Place;
use crate::replay::{Finished, Replay, all_terms, join_damage};
use crate::scan_journal::{FoundFile, FoundJournal, read_journal};
use crate::scan_segments::{FoundSegments, list, read_segments};
use crate::{DamagedRange, Error, JournalId, Position, RestoredGroup};

/// What only the log needs of a restored group.
pub(crate) struct Kept {
    /// Of each of `RestoredGroup::entries`: the frame that holds it, and where its data are if not
    /// there.
    pub places: Vec<(u64, Option<Place>)>,
    pub record_sequence: u64,
    /// What the record says is settled.
    pub record_settled: Position,
    pub segments: Vec<SegmentMeta>,
    pub newest: Option<Arc<SegmentMap>>,
    /// To be removed when the log opens.
    pub orphans: Vec<PathBuf>,
    /// The same, once the folder is flushed.
    pub replaced: Vec<PathBuf>,
    /// Compaction has looked at every record below.
    pub clean: Offset,
}

/// What a core needs to go on with a journal.
#[derive(Clone, Debug)]
pub(crate) struct KeptJournal {
    pub files: Vec<FoundFile>,
    pub live_from: u64,
    pub last: u64,
    pub highest: u64,
}

/// Everything that the journals and the newest segment maps of this node hold.
pub struct Scan {
    groups: Vec<RestoredGroup>,
    kept: Vec<Kept>,
    journals: BTreeMap<JournalId, KeptJournal>,
    /// Folders of groups that were deleted.
    dead: Vec<(TopicId, PartitionIndex)>,
    incomplete: bool,
    /// Groups of which frames tell, and whose record is in none of them.
    without_record: Vec<GroupId>,
}

/// Reads the journals that the committed placement names (none at the first start) and the newest
/// map of each group. Torn tails are dropped; damage is told apart and named in the groups.
///
/// # Errors
/// `Kind::Io` if files cannot be read at all. Damage is no error.
pub async fn scan<R: Runtime>(rt: &R, dir: &Path, journals: &[JournalId]) -> Result<Scan, Error> {
    scan_reporting(rt, dir, journals, &|_| ()).await
}

/// The same; `read` hears of every journal byte once it was looked at.
///
/// # Errors
/// As [`scan`].
pub async fn scan_reporting<R: Runtime>(
    rt: &R,
    dir: &Path,
    journals: &[JournalId],
    read: &dyn Fn(u64),
) -> Result<Scan, Error> {
    let segments = read_segments(rt, dir).await?;
    let settled: BTreeMap<GroupId, LogIndex> = segments
        .iter()
        .filter_map(|s| s.newest.as_ref())
        .map(|map| (map.group, map.settled.index))
        .collect();
    let keep = |head: &EntryHead| {
        head.payload == Payload::GroupRecord
            || settled.get(&head.group).is_none_or(|s| head.index > *s)
    };
    let mut found = Vec::new();
    for id in journals {
        found.push(read_journal(rt, dir, *id, &keep, read).await?);
    }
    Ok(combine(found, segments))
}

/// The newest copy of a group in any journal: the highest placement epoch counts alone.
fn combine(journals: Vec<FoundJournal>, segments: Vec<FoundSegments>) -> Scan {
    let mut scan = Scan {
        groups: Vec::new(),
        kept: Vec::new(),
        journals: BTreeMap::new(),
        dead: Vec::new(),
        incomplete: false,
        without_record: Vec::new(),
    };
    let mut by_group = BTreeMap::new();
    let mut by_folder = BTreeMap::new();
    for found in segments {
        by_folder.insert((found.topic, found.partition), found);
    }
    let settled: BTreeMap<GroupId, Position> = by_folder
        .values()
        .filter_map(|f| f.newest.as_ref())
        .map(|map| (map.group, map.settled))
        .collect();
    for journal in journals {
        scan.take_journal(journal, &settled, &mut by_group);
    }
    for (id, (journal, finished)) in by_group {
        if let Some((sequence, record)) = &finished.record {
            let found = by_folder.remove(&(record.topic, record.partition));
            if record.removed {
                let place = found.map(|f| (f.topic, f.partition));
                scan.dead.extend(place);
                continue;
            }
            let (sequence, record) = (*sequence, record.clone());
            scan.add(id, journal, finished, sequence, record, found);
        } else {
            scan.without_record.push(id);
        }
    }
    for found in by_folder.into_values() {
        scan.add_without_record(found);
    }
    scan.sort();
    scan
}

fn choose(
    all: &mut BTreeMap<GroupId, (JournalId, Finished)>,
    id: GroupId,
    journal: JournalId,
    finished: Finished,
) {
    let newer = all
        .get(&id)
        .is_none_or(|(_, other)| other.placement_epoch < finished.placement_epoch);
    if newer {
        all.insert(id, (journal, finished));
    }
}

impl Scan {
    /// Replays one journal, and offers what it has of each group.
    fn take_journal(
        &mut self,
        journal: FoundJournal,
        settled: &BTreeMap<GroupId, Position>,
        all: &mut BTreeMap<GroupId, (JournalId, Finished)>,
    ) {
        let frames = journal.files.iter().flat_map(|file| &file.frames);
        let before = frames.map(|(_, header)| (header.sequence, header.metadata_before));
        let mut replay = Replay::new(before.collect());
        for sequence in &journal.verdict.damaged {
            if !journal.contents.contains_key(sequence) {
                replay.lost(*sequence);
            }
        }
        if journal.verdict.damaged_more {
            replay.lost(journal.verdict.last);
        }
        for (sequence, content) in journal.contents {
            replay.apply(sequence, content);
        }
        self.incomplete |= replay.is_incomplete();
        let ids: Vec<GroupId> = replay.groups.keys().copied().collect();
        for id in ids {
            let known = settled.get(&id).copied();
            let from = known
                .or_else(|| replay.settled_by_record(id))
                .unwrap_or_default();
            if let Some(finished) = replay.finish(id, from) {
                choose(all, id, journal.id, finished);
            }
        }
        self.journals.insert(
            journal.id,
            KeptJournal {
                files: journal.files,
                live_from: journal.verdict.live_from.max(1),
                last: journal.verdict.last,
                highest: journal.verdict.highest,
            },
        );
    }

    fn add(
        &mut self,
        id: GroupId,
        journal: JournalId,
        finished: Finished,
        record_sequence: u64,
        record: GroupRecord,
        found: Option<FoundSegments>,
    ) {
        let newest = found.as_ref().and_then(|f| f.newest.as_ref());
        let newest = newest.filter(|map| map.group == id);
        let settled = newest.map_or(Position::default(), |map| map.settled);
        let mut damage = record.damage.clone();
        damage.extend(finished.damage.iter().copied());
        let lost = lost_settled(&record, settled);
        let is_lost = lost.is_some();
        let behind = if is_lost { record.settled } else { settled };
        damage.extend(lost);
        let mut entries = Vec::new();
        let mut places = Vec::new();
        for (sequence, entry, place) in finished.entries {
            if entry.index > behind.index {
                entries.push(entry);
                places.push((sequence, place));
            }
        }
        let terms = newest.map(|map| map.terms.clone()).unwrap_or_default();
        let mut restored = RestoredGroup {
            group: id,
            topic: record.topic,
            partition: record.partition,
            journal,
            hard_state: HardState {
                commit: record.hard_state.commit.max(behind.index),
                ..record.hard_state
            },
            start: record.start,
            settled: behind,
            terms: all_terms(terms, record.start, &entries),
            entries,
            checkpoint: newest.and_then(|map| map.checkpoint.clone()),
            damage: Vec::new(),
        };
        if let Some(range) = lost_commit(&restored, &damage) {
            damage.push(range);
        }
        restored.damage = join_damage(damage);
        self.groups.push(restored);
        self.kept.push(Kept {
            places,
            record_sequence,
            record_settled: record.settled,
            newest: newest.cloned().map(Arc::new),
            clean: found.as_ref().map_or(Offset(0), |f| f.clean),
            segments: found.as_ref().map(|f| f.list.clone()).unwrap_or_default(),
            replaced: match &found {
                Some(found) if !is_lost => found.replaced.clone(),
                _ => Vec::new(),
            },
            // What is lost is left to look at.
            orphans: found
                .filter(|_| !is_lost)
                .map(|f| f.orphans)
                .unwrap_or_default(),
        });
    }

    /// A folder that no journal speaks of: its record is lost, or it is a deleted group's.
    fn add_without_record(&mut self, found: FoundSegments) {
        let Some(map) = found.newest else {
            self.incomplete |= found.map_lost;
            return;
        };
        self.groups.push(RestoredGroup {
            group: map.group,
            topic: found.topic,
            partition: found.partition,
            journal: JournalId(0),
            hard_state: HardState {
                term: map.settled.term,
                vote: 0,
                commit: map.settled.index,
            },
            start: LogStart::default(),
            settled: map.settled,
            entries: Vec::new(),
            terms: map.terms.clone(),
            checkpoint: map.checkpoint.clone(),
            damage: vec![all_after(map.settled)],
        });
        self.kept.push(Kept {
            places: Vec::new(),
            record_sequence: 0,
            record_settled: Position::default(),
            segments: found.list,
            newest: Some(Arc::new(map)),
            orphans: found.orphans,
            replaced: found.replaced,
            clean: found.clean,
        });
    }

    fn sort(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        let kept = std::mem::take(&mut self.kept);
        let mut both: Vec<_> = groups.into_iter().zip(kept).collect();
        both.sort_by_key(|(g, _)| g.group);
        (self.groups, self.kept) = both.into_iter().unzip();
    }

    /// Sorted by id. Groups that metadata does not know are among them: keep and report those.
    pub fn groups(&self) -> &[RestoredGroup] {
        &self.groups
    }

    /// True if a frame was damaged beyond its directory: groups that metadata knows and that are
    /// not here may have been lost with it. Create those with `Log::create_damaged_group`.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Groups whose record is lost with a damaged frame: where they belong, nobody knows.
    pub fn without_record(&self) -> &[GroupId] {
        &self.without_record
    }

    /// Hands out one share a core. `journals[core]` is that core's journal: the same list as
    /// before if the number of cores is the same; fresh ids after it changed. `epoch` is the
    /// placement's epoch, higher than any before if anything moves. `owner` is asked for each
    /// group; groups whose journal is not their owner's are rewritten by [`crate::Log::open`].
    ///
    /// # Panics
    /// If `owner` names a core without a journal.
    pub fn share_out(
        self,
        journals: &[JournalId],
        epoch: u32,
        owner: impl Fn(&RestoredGroup) -> CoreId,
    ) -> Vec<Share> {
        let mut shares: Vec<Share> = journals
            .iter()
            .map(|id| Share {
                journal: *id,
                epoch,
                groups: Vec::new(),
                kept: Vec::new(),
                dead: Vec::new(),
                found: self.journals.get(id).cloned(),
            })
            .collect();
        for (group, kept) in self.groups.into_iter().zip(self.kept) {
            let core = usize::from(owner(&group).0);
            let share = shares.get_mut(core).expect("an owner has a journal");
            share.groups.push(group);
            share.kept.push(kept);
        }
        if let Some(first) = shares.first_mut() {
            first.dead = self.dead;
        }
        shares
    }
}

fn all_after(last: Position) -> DamagedRange {
    DamagedRange {
        first: last.index.next(),
        last: LogIndex(u64::MAX),
        base_offset: last.next_offset,
        next_offset: Offset(i64::MAX),
    }
}

/// The maps must say at least as much as the record: the rest is lost.
fn lost_settled(record: &GroupRecord, settled: Position) -> Option<DamagedRange> {
    (record.settled.index > settled.index).then(|| DamagedRange {
        first: settled.index.next(),
        last: record.settled.index,
        base_offset: settled.next_offset.max(record.start.offset),
        next_offset: record.settled.next_offset,
    })
}

/// Entries that the hard state calls committed and that are not here.
fn lost_commit(group: &RestoredGroup, damage: &[DamagedRange]) -> Option<DamagedRange> {
    let last = group.last();
    let known = damage.iter().any(|d| d.last >= group.hard_state.commit);
    (group.hard_state.commit > last.index && !known).then(|| all_after(last))
}

/// One core's part of a [`Scan`]. May be sent to the core's thread.
pub struct Share {
    pub(crate) journal: JournalId,
    pub(crate) epoch: u32,
    pub(crate) groups: Vec<RestoredGroup>,
    pub(crate) kept: Vec<Kept>,
    pub(crate) dead: Vec<(TopicId, PartitionIndex)>,
    pub(crate) found: Option<KeptJournal>,
}

impl Share {
    /// Sorted by id.
    pub fn groups(&self) -> &[RestoredGroup] {
        &self.groups
    }

    pub fn group(&self, group: GroupId) -> Option<&RestoredGroup> {
        let at = self.groups.binary_search_by_key(&group, |g| g.group).ok()?;
        self.groups.get(at)
    }
}

/// Removes the folders of journals that the committed placement does not name. Only after the
/// placement is durable and every core's [`crate::Log::open`] returned, or before a scan.
pub async fn retire<R: Runtime>(rt: &R, dir: &Path, keep: &[JournalId]) -> Result<(), Error> {
    let journals = dir.join("journal");
    for entry in list(rt, &journals).await? {
        let name = entry.name.to_str().unwrap_or_default();
        let Ok(id) = u64::from_str_radix(name, 16) else {
            continue;
        };
        if !keep.contains(&JournalId(id)) {
            let path = journals.join(&entry.name);
            rt.remove_dir_all(&path)
                .await
                .map_err(|e| Error::io("remove journal", &path, e))?;
        }
    }
    Ok(())
}
