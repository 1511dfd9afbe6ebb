//! Reads from the log for followers whose entries are no longer in memory.

use corelog_base::LogIndex;
use raft::GetEntriesContext;

/// Followers that wait for one read. One more is tried again by its next answer.
const MARKS_MAX: usize = 8;
/// Reads under way for one group.
const READS_MAX: usize = 8;

struct Fetch {
    from: LogIndex,
    /// The engine's own marks of who waits.
    marks: Vec<GetEntriesContext>,
}

/// The reads under way. The engine asks again at each answer of a follower: what is under way is
/// not read twice.
#[derive(Default)]
pub(crate) struct Fetches(Vec<Fetch>);

impl Fetches {
    /// True if this read must be started.
    #[must_use]
    pub(crate) fn want(&mut self, from: LogIndex, mark: GetEntriesContext) -> bool {
        if let Some(fetch) = self.0.iter_mut().find(|fetch| fetch.from == from) {
            if fetch.marks.len() < MARKS_MAX {
                fetch.marks.push(mark);
            }
            return false;
        }
        if self.0.len() == READS_MAX {
            return false;
        }
        let marks = vec![mark];
        self.0.push(Fetch { from, marks });
        true
    }

    /// A read has ended: who waits for it.
    pub(crate) fn take(&mut self, from: LogIndex) -> Vec<GetEntriesContext> {
        let at = self.0.iter().position(|fetch| fetch.from == from);
        at.map_or_else(Vec::new, |at| self.0.swap_remove(at).marks)
    }
}
