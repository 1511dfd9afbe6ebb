//! Groups that wait for a pass, and the task that gives them one.

use std::collections::VecDeque;

use corelog_base::{GroupId, LogStart, Offset, TimestampMs};
use corelog_rt::Runtime;

use super::pass;
use super::plan::Due;
use crate::{Kind, Log};

/// More groups than this ask again later.
const WAITING_MAX: usize = 1_024;

/// A group, the time that counts, and where open transactions may begin.
type Waiting = (GroupId, TimestampMs, Offset);

/// At most one pass at a time on a core: its table is the only one.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    /// At work; what waits is its next.
    runs: bool,
}

impl<R: Runtime> Log<R> {
    /// Compacts a group if it is due for it, in the background. `now` is as for retention; records
    /// at or above `upto` may belong to open transactions. If there is a start, the leader moves
    /// the log's index there first, for consensus could still ask for what lies before it: with
    /// [`Log::set_start`], and asks again later.
    pub fn compact(&self, group: GroupId, now: TimestampMs, upto: Offset) -> Option<LogStart> {
        let due = self.with(|c| {
            let state = c.groups.get(&group)?;
            if state.is_late_for_compaction(group, now) {
                if let Some(state) = c.groups.get_mut(&group) {
                    state.segments.seal_due = true;
                }
                c.ask(group);
                self.wake.settle.notify();
            }
            let state = c.groups.get(&group)?;
            Some(state.compaction_due(group, &c.options.dir, now, upto))
        })?;
        match due {
            Due::Nothing => None,
            Due::Start(start) => Some(start),
            Due::Ends => {
                self.learn_ends(group);
                None
            }
            Due::Pass(_) => {
                self.enqueue_compaction((group, now, upto));
                None
            }
        }
    }

    /// The end of the segments that are compacted, from the first on: of transactions that were
    /// aborted and ended below, no record is left.
    pub fn compacted_upto(&self, group: GroupId) -> Offset {
        self.with(|c| {
            c.groups
                .get(&group)
                .map_or(Offset(0), |g| g.compacted_upto())
        })
    }

    fn enqueue_compaction(&self, entry: Waiting) {
        let begins = self.with(|c| {
            let queue = &mut c.compaction;
            let known = queue.waiting.iter().any(|(group, ..)| *group == entry.0);
            if !known && queue.waiting.len() < WAITING_MAX {
                queue.waiting.push_back(entry);
            }
            !std::mem::replace(&mut queue.runs, true)
        });
        if begins {
            let log = self.clone();
            self.start(async move { log.compact_waiting().await });
        }
    }

    async fn compact_waiting(&self) {
        loop {
            let next = self.with(|c| {
                let stops = c.disk.closing || c.disk.fenced.is_some();
                let next = c.compaction.waiting.pop_front().filter(|_| !stops);
                c.compaction.runs = next.is_some();
                next
            });
            let Some((group, now, upto)) = next else {
                return;
            };
            self.compact_now(group, now, upto).await;
        }
    }

    async fn compact_now(&self, group: GroupId, now: TimestampMs, upto: Offset) {
        let due = self.with(|c| {
            let state = c.groups.get(&group)?;
            Some(state.compaction_due(group, &c.options.dir, now, upto))
        });
        let Some(Due::Pass(plan)) = due else {
            return;
        };
        match pass::run(self, &plan).await {
            Ok(()) => self.with(|c| c.stats.compaction.passes += 1),
            Err(error) => {
                self.with(|c| c.stats.compaction.given_up += 1);
                match error.kind {
                    // The group was trimmed or removed, or the log ends.
                    Kind::OutOfRange | Kind::NoSuchGroup | Kind::Closed | Kind::Fenced => {}
                    _ => tracing::warn!("compact group {group}: {error}"),
                }
            }
        }
    }
}
