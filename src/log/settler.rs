//! The tasks that move committed entries from the journal's memory into segments.
//!
//! One dispatcher starts a job for each group that is due, a bounded number at a time; at most one
//! job works on a group. Whoever needs a group for itself takes it with [`Log::hold`].

use std::io;
use std::path::{Path, PathBuf};

use corelog_base::{GroupId, LogIndex};
use corelog_rt::{AlignedBuf, File, OpenMode, Runtime, oneshot};

use crate::codec::{count, index};
use crate::core::Core;
use crate::map::SegmentMap;
use crate::open::make_folder;
use crate::rewrite::make_sure;
use crate::settle::Cycle;
use crate::written::WriteFiles;
use crate::{Error, Kind, Log};

/// Groups that are settled at the same time: their flushes share the file system's commits.
const JOBS_MAX: usize = 16;
/// While memory is short, one of so many groups is asked for at a time.
const WAVES: usize = 8;
/// While memory is short, it is looked for such groups whenever one of so many parts of the budget
/// was filled anew.
const LOOKS: u64 = 64;
/// Cycles of a group before others have their turn.
const CYCLES_MAX: u32 = 8;
/// Buffers for segment data that are kept, and how large they are kept.
const SPARE_MAX: usize = 4;
const SPARE_BYTES: usize = 16 << 20;

/// A group that is taken; given back by `Log::release_hold`.
pub(crate) struct Hold(GroupId);

impl Hold {
    pub(crate) fn group(&self) -> GroupId {
        self.0
    }
}

impl<F: Clone> Core<F> {
    /// Puts a group into the queue, once. What goes around the journal comes first: much memory
    /// comes free by one record in a map.
    pub(crate) fn ask(&mut self, group: GroupId) {
        if let Some(state) = self.groups.get_mut(&group)
            && !state.segments.queued
        {
            state.segments.queued = true;
            match state.bulk {
                Some(_) => self.due.push_front(group),
                None => self.due.push_back(group),
            }
        }
    }

    /// Puts a group before all others: somebody waits for it.
    pub(crate) fn ask_first(&mut self, group: GroupId) {
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        if std::mem::replace(&mut state.segments.queued, true) {
            self.due.retain(|due| *due != group);
        }
        self.due.push_front(group);
    }

    /// The next group that is due and free.
    fn pop_due(&mut self) -> Option<Hold> {
        if self.disk.fenced.is_some() || self.disk.settle_stalled || self.busy.len() >= JOBS_MAX {
            return None;
        }
        let mut at = 0;
        while let Some(group) = self.due.get(at).copied() {
            if self.busy.contains_key(&group) {
                at += 1;
                continue;
            }
            self.due.remove(at);
            if let Some(state) = self.groups.get_mut(&group) {
                state.segments.queued = false;
                return self.take(group);
            }
        }
        None
    }

    fn committed(&self, group: GroupId) -> LogIndex {
        self.groups.get(&group).map_or(LogIndex(0), |g| g.committed)
    }

    fn take(&mut self, group: GroupId) -> Option<Hold> {
        if self.busy.contains_key(&group) {
            return None;
        }
        self.busy.insert(group, Vec::new());
        Some(Hold(group))
    }

    /// Asks for the groups with the most to settle, while memory is short. Not for all that have
    /// much: groups that are written to alike would be due together, again and again, and producers
    /// would wait for one great wave of flushes rather than have some all the time.
    fn ask_under_pressure(&mut self) {
        if !self.due.is_empty() {
            return;
        }
        self.memory.looked_at_bytes = self.memory.unsettled_bytes;
        if self.memory.unsettled_bytes < self.settles_from_bytes() && !self.memory.pressure {
            return;
        }
        let mut large = self.settleable(u64::from(self.block));
        if large.is_empty() && self.memory.pressure {
            large = self.settleable(0);
        }
        large.sort_unstable_by(|a, b| b.cmp(a));
        large.truncate((self.groups.len() / WAVES).max(2 * JOBS_MAX));
        for (_, group) in large {
            self.ask(group);
        }
    }

    /// Groups that nobody works on, with more than `least` to settle.
    fn settleable(&self, least: u64) -> Vec<(u64, GroupId)> {
        let groups = self.groups.iter();
        groups
            .filter(|(id, group)| group.settleable_bytes > least && !self.busy.contains_key(id))
            .map(|(id, group)| (group.settleable_bytes, *id))
            .collect()
    }

    fn settles_from_bytes(&self) -> u64 {
        self.options.unsettled_bytes_max / 2
    }

    /// Whether the settler, which may sleep, would find work by `ask_under_pressure`. Not at each
    /// commit: it looks at all groups, so only when there is a good deal more than the last time.
    pub(crate) fn is_to_look(&self) -> bool {
        let memory = &self.memory;
        let more = memory.looked_at_bytes + self.options.unsettled_bytes_max / LOOKS;
        let much = memory.unsettled_bytes >= self.settles_from_bytes().max(more);
        (much || memory.pressure) && self.due.is_empty() && self.busy.len() < JOBS_MAX
    }
}

impl<R: Runtime> Log<R> {
    /// Waits until nobody works on the group, and takes it.
    pub(crate) async fn hold(&self, group: GroupId) -> Hold {
        loop {
            let waits = self.with(|c| {
                if let Some(hold) = c.take(group) {
                    return Ok(hold);
                }
                let (sender, receiver) = oneshot();
                c.busy.entry(group).or_default().push(sender);
                Err(receiver)
            });
            match waits {
                Ok(hold) => return hold,
                // The holder sends, or is dropped with the runtime, and this task with it.
                Err(receiver) => drop(receiver.await),
            }
        }
    }

    pub(crate) fn release_hold(&self, hold: Hold) {
        let waiting = self.with(|c| {
            if let Some(notify) = c.bulk_notify(hold.0) {
                notify.notify();
            }
            c.busy.remove(&hold.0).unwrap_or_default()
        });
        for sender in waiting {
            // A waiter may have been dropped.
            let _ = sender.send(());
        }
        self.wake.settle.notify();
    }

    /// Settles what has been committed. On a full disk it waits for the monitor's sign; on any
    /// other failure the log is fenced.
    pub(crate) async fn settle(&self, hold: &Hold) {
        if let Err(error) = make_sure(self, hold).await {
            return self.failed("settle", &error);
        }
        let now = self.rt.wall();
        let begun_at = self.with(|c| c.committed(hold.0));
        let mut least = 0;
        for _ in 0..CYCLES_MAX {
            let Some(cycle) = self.with(|c| c.plan(hold.0, now)) else {
                return;
            };
            // What came meanwhile waits for more: two flushes are its price, whatever its size.
            let bytes = cycle.data_bytes();
            let is_later = cycle.map.settled.index >= begun_at;
            if is_later && bytes < least && !cycle.seals && !cycle.is_new {
                return;
            }
            least = (bytes / 2).min(self.with(|c| c.options.settle_bytes));
            if !self.run_cycle(cycle).await {
                return;
            }
        }
        // What came meanwhile waits its turn.
        self.with(|c| c.ask(hold.0));
    }

    /// Whether it went well.
    pub(crate) async fn run_cycle(&self, mut cycle: Cycle) -> bool {
        let group = cycle.group;
        cycle.map.checkpoint = self
            .checkpoints
            .with(|c| c.checkpoint(group))
            .or(cycle.map.checkpoint);
        match self.write_cycle(&mut cycle).await {
            Ok(()) => {
                self.with(|c| c.apply_cycle(group, cycle.map));
                self.wake.events.notify();
                true
            }
            Err(error) => {
                self.failed("settle", &error);
                false
            }
        }
    }

    /// What follows from a failed write: a wait for space, or the fence.
    pub(crate) fn failed(&self, what: &str, error: &Error) {
        self.with(|c| {
            if error.kind == Kind::DiskFull {
                c.disk.full = true;
                c.disk.settle_stalled = true;
            } else {
                c.fence(format!("{what}: {error}"));
            }
        });
        self.wake.events.notify();
        self.wake.monitor.notify();
    }

    async fn write_cycle(&self, cycle: &mut Cycle) -> Result<(), Error> {
        if cycle.is_first {
            make_folder(&self.rt, &cycle.folder).await?;
        }
        let block = self.with(|c| c.block);
        let id = cycle.map.id();
        // A cycle that fails closes its files.
        let open = self.with(|c| c.cache.written.take(id));
        let (segment, map) = open.map_or((None, None), |f| (Some(f.segment), Some(f.map)));
        let path = cycle.segment();
        let segment = write_segment(self, cycle, (segment, &path), block)
            .await
            .map_err(|e| Error::io("write segment", &path, e))?;
        let path = cycle.map_path();
        let map = write_map(self, cycle, (map, &path), block)
            .await
            .map_err(|e| Error::io("write segment map", &path, e))?;
        if let (Some(segment), Some(map)) = (segment, map)
            && !cycle.seals
        {
            let files = WriteFiles { segment, map };
            self.with(|c| c.cache.written.put(id, files));
        }
        Ok(())
    }
}

impl<F: Clone> Core<F> {
    pub(crate) fn take_spare(&mut self, bytes: usize) -> AlignedBuf {
        let bytes = bytes.max(1);
        // The last one given back is the likeliest to be in the cache.
        match self.spare.iter().rposition(|b| b.capacity() >= bytes) {
            Some(at) => self.spare.remove(at),
            None => AlignedBuf::uncleared(bytes.next_power_of_two()),
        }
    }

    pub(crate) fn give_spare(&mut self, buf: AlignedBuf) {
        if buf.capacity() <= SPARE_BYTES {
            self.spare.push(buf);
            if self.spare.len() > SPARE_MAX {
                self.spare.remove(0);
            }
        }
    }
}

/// Writes and flushes a segment's new bytes. The file, if it is open at the end.
async fn write_segment<R: Runtime>(
    log: &Log<R>,
    cycle: &mut Cycle,
    (mut open, path): (Option<R::File>, &Path),
    block: u32,
) -> io::Result<Option<R::File>> {
    if cycle.placed {
        cycle.advance_placed(block);
        return Ok(open);
    }
    let room = index(cycle.data_bytes()) + block as usize;
    let mut buf = cycle.data(log.with(|c| c.take_spare(room)), block);
    let position = cycle.map.bytes;
    let file_bytes = cycle.advance(&buf, block);
    buf.set_len(file_bytes);
    let has_work = cycle.is_new || cycle.seals || file_bytes > 0;
    let mut result = Ok(());
    if has_work {
        let file = match open.take() {
            Some(file) => file,
            None => open_or_create(&log.rt, path, cycle.is_new).await?,
        };
        if file_bytes > 0 {
            (result, buf) = file.write(buf, position).await;
        }
        if result.is_ok() {
            result = if cycle.seals {
                seal(&file, cycle.end).await
            } else {
                file.sync_data().await
            };
        }
        open = Some(file);
    }
    log.with(|c| {
        c.stats.settled_bytes_written += count(file_bytes);
        c.give_spare(buf);
    });
    result.map(|()| open)
}

/// The padding of the last block goes once everything before it is durable.
pub(crate) async fn seal<F: File>(file: &F, bytes: u64) -> io::Result<()> {
    file.sync_data().await?;
    file.set_len(bytes).await?;
    file.sync_all().await
}

/// A new segment's file may have been left by a cycle that was cut short.
pub(crate) async fn open_or_create<R: Runtime>(
    rt: &R,
    path: &Path,
    is_new: bool,
) -> io::Result<R::File> {
    if !is_new {
        return rt.open(path, OpenMode::ReadWrite).await;
    }
    match rt.open(path, OpenMode::CreateNew).await {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = rt.open(path, OpenMode::ReadWrite).await?;
            file.set_len(0).await?;
            Ok(file)
        }
        other => other,
    }
}

/// Writes and flushes a map's new record, or all of it anew. The file, if it goes on being used.
async fn write_map<R: Runtime>(
    log: &Log<R>,
    cycle: &mut Cycle,
    (open, path): (Option<R::File>, &Path),
    block: u32,
) -> io::Result<Option<R::File>> {
    let rt = &log.rt;
    if cycle.seals || !cycle.is_new && cycle.map.is_bloated() {
        let file = replace_map(rt, &mut cycle.map, path, block).await?;
        return Ok(Some(file));
    }
    let file = match open {
        Some(file) => file,
        None => open_or_create(rt, path, cycle.is_new).await?,
    };
    let encoded = cycle.map.encode_delta(block);
    let (bytes, position) = (count(encoded.buf.len()), encoded.position);
    file.write(encoded.buf, position).await.0?;
    file.sync_data().await?;
    if cycle.is_new {
        rt.sync_dir(&cycle.folder).await?;
    }
    cycle.map.written(bytes, position);
    Ok(Some(file))
}

/// Writes a map anew; it replaces the old one once it is durable.
pub(crate) async fn replace_map<R: Runtime>(
    rt: &R,
    map: &mut SegmentMap,
    path: &Path,
    block: u32,
) -> io::Result<R::File> {
    let file = write_beside(rt, map, path, block).await?;
    put_in_place(rt, path).await?;
    Ok(file)
}

/// Writes a map anew beside the old one, durably. The old one counts.
pub(crate) async fn write_beside<R: Runtime>(
    rt: &R,
    map: &mut SegmentMap,
    path: &Path,
    block: u32,
) -> io::Result<R::File> {
    let encoded = map.encode_whole(block);
    let bytes = count(encoded.buf.len());
    let file = open_or_create(rt, &beside(path), true).await?;
    file.write(encoded.buf, 0).await.0?;
    file.sync_all().await?;
    map.written(bytes, 0);
    Ok(file)
}

/// What was written beside a map replaces it. After an error nobody knows which one counts.
pub(crate) async fn put_in_place<R: Runtime>(rt: &R, path: &Path) -> io::Result<()> {
    rt.rename(&beside(path), path).await?;
    match path.parent() {
        Some(folder) => rt.sync_dir(folder).await,
        None => Ok(()),
    }
}

/// Where a map is written anew before it replaces the old one.
fn beside(path: &Path) -> PathBuf {
    path.with_extension("map-new")
}

/// Starts jobs for groups that are due, until the log closes.
pub(crate) async fn settle_due<R: Runtime>(log: Log<R>) {
    loop {
        if log.with(|c| c.disk.closing || c.disk.fenced.is_some()) {
            return;
        }
        while let Some(hold) = log.with(|c| {
            c.ask_under_pressure();
            c.pop_due()
        }) {
            let worker = log.clone();
            log.start(async move {
                worker.settle(&hold).await;
                worker.trim_files(&hold).await;
                worker.release_hold(hold);
            });
        }
        if log.with(|c| c.journal.release_due().is_some()) {
            log.wake.release.notify();
        }
        log.wake.settle.notified().await;
    }
}
