//! Releasing journal files, and the disk's free space. See *Release of a journal file*.

use std::time::Duration;

use corelog_base::GroupId;
use corelog_rt::{Runtime, oneshot, timeout};

use crate::Log;
use crate::core::{Core, live_upto};
use crate::journal::Item;
use crate::rewrite::flush_newest;

/// A group with at least this much in a file that is to be released is settled, not carried.
const SETTLE_BYTES_MIN: u64 = 64 << 10;
/// Groups that are settled side by side for a release.
const SIDE_BY_SIDE: usize = 16;
/// How often the free space is looked at.
const MONITOR_EVERY: Duration = Duration::from_secs(1);

impl<F: Clone> Core<F> {
    /// Groups to settle before the file that ends with `sequence` is released: those with much in
    /// it, and the largest of the others until the rest may be carried.
    fn worth_settling(&self, sequence: u64) -> Vec<GroupId> {
        let mut live: Vec<(u64, GroupId)> = Vec::new();
        for (id, group) in self.groups.iter().filter(|(_, g)| !g.removed) {
            let bytes: u64 = live_upto(group, sequence)
                .filter(|e| e.index <= group.committed)
                .map(crate::group::memory_of)
                .sum();
            if bytes > 0 {
                live.push((bytes, *id));
            }
        }
        live.sort_unstable_by(|a, b| b.cmp(a));
        let mut rest: u64 = live.iter().map(|(bytes, _)| bytes).sum();
        let carried_max = self.options.journal.file_bytes / 4;
        live.into_iter()
            .take_while(|(bytes, _)| {
                let settles = *bytes >= SETTLE_BYTES_MIN || rest > carried_max;
                rest -= bytes;
                settles
            })
            .map(|(_, id)| id)
            .collect()
    }

    /// Groups whose newest files were found at the start and may not be flushed.
    fn unsure(&self) -> Vec<GroupId> {
        let mut all: Vec<GroupId> = self
            .groups
            .iter()
            .filter(|(_, g)| g.segments.unsure)
            .map(|(id, _)| *id)
            .collect();
        all.sort_unstable();
        all
    }

    /// Queues everything that is still needed from frames up to `sequence` to be written again.
    fn carry(&mut self, sequence: u64) {
        let mut ids: Vec<GroupId> = self.groups.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(group) = self.groups.get(&id) else {
                continue;
            };
            let journaled = &group.journaled;
            let is_stale = journaled.record_sequence <= sequence
                || journaled.record_settled < group.settled.index;
            let has_record = journaled.record_sequence != 0;
            if group.removed {
                // Nothing of it counts but that.
                if has_record && is_stale {
                    self.queue_record(id);
                }
                continue;
            }
            let entries: Vec<Item> = live_upto(group, sequence)
                .map(|e| Item::Entry {
                    group: id,
                    index: e.index,
                    term: e.term,
                })
                .collect();
            self.journal.carry.extend(entries);
            if has_record && is_stale {
                self.queue_record(id);
            }
        }
    }
}

/// Releases the oldest journal file whenever it is time, until the log closes.
pub(crate) async fn release_files<R: Runtime>(log: Log<R>) {
    loop {
        let due = log.with(|c| {
            if c.disk.closing || c.disk.fenced.is_some() {
                return None;
            }
            Some(c.journal.release_due().filter(|_| !c.disk.settle_stalled))
        });
        match due {
            None => return,
            Some(None) => log.wake.release.notified().await,
            Some(Some(sequence)) => release(&log, sequence).await,
        }
    }
}

async fn release<R: Runtime>(log: &Log<R>, sequence: u64) {
    for groups in log
        .with(|c| c.worth_settling(sequence))
        .chunks(SIDE_BY_SIDE)
    {
        settle_all(log, groups).await;
    }
    for group in log.with(|c| c.unsure()) {
        if let Err(error) = flush_newest(log, group).await {
            log.failed("flush segments", &error);
            return;
        }
    }
    if log.with(|c| c.disk.settle_stalled || c.disk.fenced.is_some()) {
        return;
    }
    let Some(flushed) = log.with(|c| {
        c.carry(sequence);
        c.carry_barrier()
    }) else {
        return;
    };
    log.wake.write.notify();
    // None: the log was fenced meanwhile.
    if flushed.await.is_none() {
        return;
    }
    log.with(|c| {
        if !c.is_live_upto(sequence) {
            c.journal.release(sequence);
        }
    });
    log.wake.write.notify();
}

async fn settle_all<R: Runtime>(log: &Log<R>, groups: &[GroupId]) {
    let mut ends = Vec::new();
    for group in groups {
        let (sender, receiver) = oneshot();
        let (log, group) = (log.clone(), *group);
        let worker = log.clone();
        log.start(async move {
            let hold = worker.hold(group).await;
            worker.settle(&hold).await;
            worker.release_hold(hold);
            // The one who waits may be gone.
            let _ = sender.send(());
        });
        ends.push(receiver);
    }
    for end in ends {
        end.await;
    }
}

/// Watches the free space, until the log closes: refuses appends before the disk is full, and
/// takes up work that stopped for lack of space.
pub(crate) async fn monitor_space<R: Runtime>(log: Log<R>) {
    loop {
        if log.with(|c| c.disk.closing || c.disk.fenced.is_some()) {
            return;
        }
        let dir = log.with(|c| c.options.dir.clone());
        match log.rt.space(&dir).await {
            Ok(space) => look_at(&log, space.free_bytes),
            Err(error) => tracing::warn!("look at the free space: {error}"),
        }
        // A notification only makes it look sooner.
        let _ = timeout(&log.rt, MONITOR_EVERY, log.wake.monitor.notified()).await;
    }
}

fn look_at<R: Runtime>(log: &Log<R>, free_bytes: u64) {
    log.with(|c| {
        let needed = c.options.disk_reserve_bytes + c.memory.unsettled_bytes;
        let was_full = std::mem::replace(&mut c.disk.full, free_bytes < needed);
        if was_full != c.disk.full {
            let dir = c.options.dir.display();
            if c.disk.full {
                tracing::error!(
                    "{dir}: {free_bytes} bytes free, {needed} needed: appends are refused"
                );
            } else {
                tracing::info!("{dir}: {free_bytes} bytes free: appends are taken again");
            }
        }
        if std::mem::take(&mut c.disk.settle_stalled) {
            let limit = c.options.settle_bytes;
            let mut due: Vec<GroupId> = c
                .groups
                .iter()
                .filter(|(_, g)| g.settleable_bytes >= limit)
                .map(|(id, _)| *id)
                .collect();
            due.sort_unstable();
            for group in due {
                c.ask(group);
            }
        }
    });
    log.wake.grow.notify();
    log.wake.settle.notify();
    log.wake.release.notify();
}
