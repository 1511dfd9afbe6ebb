//! Opening a core's log: its journal goes on, what moved here is rewritten, the tasks start.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use corelog_base::{IdMap, PartitionIndex, TopicId};
use corelog_rt::{File, Gate, OpenMode, Runtime, Shared, oneshot};

use crate::cache::Cache;
use crate::codec::round_down;
use crate::compact::Queue;
use crate::core::{Core, Disk, Memory};
use crate::frame::MetadataBefore;
use crate::group::{Group, Segments, TailEntry, UNFRAMED, folder, memory_of};
use crate::journal::{Item, Journal, JournalFile};
use crate::log::Wake;
use crate::release::{monitor_space, release_files};
use crate::rewrite::{flush_newest, write_again};
use crate::scan::{Kept, KeptJournal};
use crate::scan_journal::journal_folder;
use crate::settler::settle_due;
use crate::trim::remove_folder;
use crate::writer::{create, grow_files, write_frames};
use crate::{
    Checkpoints, CoreStats, Error, GroupConfig, JournalOptions, Kind, Log, Options, RestoredGroup,
    Share,
};

pub(crate) async fn open<R: Runtime>(
    rt: R,
    options: Options,
    share: Share,
    checkpoints: Box<dyn Checkpoints>,
) -> Result<Log<R>, Error> {
    check(&options.journal)?;
    let (journal, block) = open_journal(&rt, &options, &share).await?;
    let mut core = Core {
        placement_epoch: share.epoch,
        block,
        groups: IdMap::default(),
        journal,
        memory: Memory::default(),
        disk: Disk::default(),
        events: Vec::new(),
        due: VecDeque::new(),
        busy: IdMap::default(),
        cache: Cache::new(options.block_cache_bytes_max, options.segment_files_max),
        compaction: Queue::default(),
        spare: Vec::new(),
        stats: CoreStats::default(),
        options,
    };
    let (mut orphans, mut unsure) = (Vec::new(), Vec::new());
    let mut replaced = Vec::new();
    let id = share.journal;
    for (restored, kept) in share.groups.into_iter().zip(share.kept) {
        let moved = restored.journal != id;
        orphans.extend(kept.orphans.iter().cloned());
        replaced.extend(kept.replaced.iter().cloned());
        let group = restored.group;
        adopt(&mut core, restored, kept, moved);
        if moved && core.groups.get(&group).is_some_and(|g| g.segments.unsure) {
            unsure.push(group);
        }
    }
    remove_orphans(&rt, orphans).await?;
    remove_replaced(&rt, replaced).await?;
    remove_dead(&rt, &core.options.dir, share.dead).await?;
    let log = Log {
        rt: rt.clone(),
        core: Shared::new(core),
        wake: Wake::default(),
        checkpoints: Shared::new(checkpoints),
        gate: Gate::new(),
        journal_gate: Gate::new(),
    };
    // The journal that still has what these settled last will go.
    for group in unsure {
        flush_newest(&log, group).await?;
    }
    log.start_journal(write_frames(log.clone()));
    log.start_journal(grow_files(log.clone()));
    rewritten(&log).await?;
    log.start(settle_due(log.clone()));
    log.start(release_files(log.clone()));
    log.start(monitor_space(log.clone()));
    Ok(log)
}

fn check(options: &JournalOptions) -> Result<(), Error> {
    let whole = options.file_bytes >= 1 << 20 && options.file_bytes.is_multiple_of(1 << 20);
    if !whole || options.files_max < 2 || options.prewrite_bytes == 0 {
        return Err(Error::new(Kind::OutOfRange, "check journal options"));
    }
    Ok(())
}

async fn open_journal<R: Runtime>(
    rt: &R,
    options: &Options,
    share: &Share,
) -> Result<(Journal<R::File>, u32), Error> {
    let dir = journal_folder(&options.dir, share.journal);
    make_folder(rt, &dir).await?;
    let mut journal = Journal::new(
        share.journal,
        dir.clone(),
        options.journal.clone(),
        rt.random(),
    );
    if let Some(found) = &share.found {
        continue_journal(rt, &mut journal, found).await?;
    }
    if journal.file_count() == 0 {
        let number = journal.next_number;
        journal.next_number += 1;
        let path = dir.join(format!("{number:08}.journal"));
        let file = create(rt, &path, number, journal.first_bytes())
            .await
            .map_err(|e| Error::io("create journal file", &path, e))?;
        journal.free.push(file);
    }
    let all = journal.files.iter().chain(&journal.free);
    let block = all.map(|f| f.file.alignment()).max().unwrap_or(4096);
    Ok((journal, block))
}

/// Creates a folder and makes its name, and its parents' names, durable.
pub(crate) async fn make_folder<R: Runtime>(rt: &R, path: &Path) -> Result<(), Error> {
    rt.create_dir_all(path)
        .await
        .map_err(|e| Error::io("create folder", path, e))?;
    // The data directory and the two levels below it.
    for parent in path.ancestors().skip(1).take(3) {
        // Where a relative path begins.
        let parent = match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        };
        rt.sync_dir(parent)
            .await
            .map_err(|e| Error::io("flush folder", parent, e))?;
    }
    Ok(())
}

async fn continue_journal<R: Runtime>(
    rt: &R,
    journal: &mut Journal<R::File>,
    found: &KeptJournal,
) -> Result<(), Error> {
    journal.next_sequence = found.highest + 1;
    journal.generation_first = journal.next_sequence;
    journal.continues_after = found.last;
    // The last frame may hold metadata: its header does not say.
    journal.metadata_before = MetadataBefore::at(found.last);
    journal.flushed_through = found.last;
    journal.live_from = found.live_from;
    // The name of a file that was created just before the process died may not be durable.
    rt.sync_dir(&journal.dir)
        .await
        .map_err(|e| Error::io("flush folder", &journal.dir, e))?;
    let mut files = found.files.clone();
    files.sort_by_key(|f| (f.last_sequence, f.number));
    let headers = files.iter().flat_map(|f| f.frames.iter().map(|(_, h)| h));
    let sure = headers.map(|h| h.flushed_through).max().unwrap_or(0);
    for f in files {
        let file = rt
            .open(&f.path, OpenMode::ReadWrite)
            .await
            .map_err(|e| Error::io("open journal file", &f.path, e))?;
        // Nor what the scan read, nor the file's length.
        file.sync_all()
            .await
            .map_err(|e| Error::io("flush journal file", &f.path, e))?;
        let unsure = f.frames.iter().filter(|(_, header)| {
            let sequence = header.sequence;
            sequence > sure && sequence <= found.last
        });
        for (at, header) in unsure {
            write_again(&file, *at, u64::from(header.bytes))
                .await
                .map_err(|e| Error::io("write journal frame again", &f.path, e))?;
        }
        let whole = round_down(f.bytes, u64::from(file.alignment()));
        let state = JournalFile {
            number: f.number,
            prewritten: whole.min(journal.options.file_bytes),
            file,
            used: f.end,
            first_sequence: f.first_sequence,
            last_sequence: f.last_sequence,
        };
        journal.next_number = journal.next_number.max(f.number + 1);
        if f.last_sequence == 0 {
            journal.free.push(state);
        } else {
            journal.files.push_back(state);
        }
    }
    if let Some(current) = journal.files.back_mut() {
        current.prewritten = current.prewritten.max(current.used);
    }
    Ok(())
}

/// Puts a restored group into the core. What moved here is queued to be written.
fn adopt<F: Clone>(core: &mut Core<F>, restored: RestoredGroup, kept: Kept, moved: bool) {
    let id = restored.group;
    let mut group = Group::new(restored.topic, restored.partition, GroupConfig::default());
    group.hard_state = restored.hard_state;
    group.start = restored.start;
    group.flushed_start = restored.start;
    group.damage = restored.damage;
    group.settled = restored.settled;
    group.committed = restored.settled.index;
    group.terms = restored.terms;
    group.segments = Segments {
        // Of a segment in which nothing is settled the journal knows nothing.
        unsure: kept.newest.as_ref().is_some_and(|map| {
            map.settled.index > kept.record_settled.index || map.settled.index < map.base_index
        }),
        sure: kept.record_settled,
        clean: kept.clean,
        list: kept.segments,
        newest: kept.newest,
        ..Segments::default()
    };
    for (entry, (sequence, place)) in restored.entries.into_iter().zip(kept.places) {
        group.unsettled_bytes += memory_of(&entry);
        if moved {
            core.journal.carry.push_back(Item::Entry {
                group: id,
                index: entry.index,
                term: entry.term,
            });
        }
        group.tail.push_back(TailEntry {
            entry,
            sequence: if moved { UNFRAMED } else { sequence },
            place,
            sums: None,
        });
    }
    if !moved {
        group.journaled.record_sequence = kept.record_sequence;
        group.journaled.record_settled = kept.record_settled.index;
    }
    core.memory.unsettled_bytes += group.unsettled_bytes;
    let write_record = moved || !group.damage.is_empty();
    let commit = group.hard_state.commit;
    core.groups.insert(id, group);
    core.commit(id, commit);
    if write_record {
        core.queue_record(id);
    }
}

async fn remove_orphans<R: Runtime>(rt: &R, orphans: Vec<PathBuf>) -> Result<(), Error> {
    for path in orphans {
        match rt.remove_file(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove segment without a map", &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a compaction left that was cut short. The name of what replaces it may not be durable yet.
async fn remove_replaced<R: Runtime>(rt: &R, replaced: Vec<PathBuf>) -> Result<(), Error> {
    let folders: BTreeSet<&Path> = replaced.iter().filter_map(|p| p.parent()).collect();
    for folder in folders {
        rt.sync_dir(folder)
            .await
            .map_err(|e| Error::io("flush folder", folder, e))?;
    }
    remove_orphans(rt, replaced).await
}

/// Folders of deleted groups, if the deletion was cut short.
async fn remove_dead<R: Runtime>(
    rt: &R,
    dir: &Path,
    dead: Vec<(TopicId, PartitionIndex)>,
) -> Result<(), Error> {
    for (topic, partition) in dead {
        remove_folder(rt, &folder(dir, topic, partition)).await?;
    }
    Ok(())
}

/// Waits until everything that was queued at the start is flushed.
async fn rewritten<R: Runtime>(log: &Log<R>) -> Result<(), Error> {
    let (sender, receiver) = oneshot();
    let waits = log.with(|c| {
        if c.journal.carry.is_empty() {
            return false;
        }
        c.journal.unbounded = true;
        c.journal.carry.push_back(Item::Barrier(sender));
        c.fill();
        true
    });
    if !waits {
        return Ok(());
    }
    log.wake.write.notify();
    if receiver.await.is_none() {
        return Err(Error::new(Kind::Fenced, "rewrite moved groups"));
    }
    log.with(|c| c.journal.unbounded = false);
    Ok(())
}
