//! What a history can be guilty of.

use std::collections::BTreeMap;
use std::fmt;

/// The names are those of Jepsen's Kafka workload, but the last two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Name {
    /// Acknowledged or read before, below the highest offset of a later whole read, and not in it.
    LostWrite,
    /// Acknowledged, and not in a later whole read, which ended before its offset.
    Unseen,
    /// One value at two offsets.
    Duplicate,
    /// Two values at one offset.
    InconsistentOffsets,
    /// A write that failed, or whose transaction was aborted, was read.
    G1a,
    /// A producer's later write has a lower offset.
    NonmonotonicSend,
    /// A consumer read an offset that is not above the one before.
    NonmonotonicPoll,
    /// A consumer passed over an offset at which there is a record.
    PollSkip,
    /// A value was read before the commit of its transaction began.
    PrecommittedRead,
    /// A record's bytes are not those that were sent, or nobody sent it.
    Altered,
    /// The broker did not do what it must: start, answer, refuse, recover.
    Unavailable,
}

impl Name {
    pub fn text(self) -> &'static str {
        match self {
            Self::LostWrite => "lost-write",
            Self::Unseen => "unseen",
            Self::Duplicate => "duplicate",
            Self::InconsistentOffsets => "inconsistent-offsets",
            Self::G1a => "G1a",
            Self::NonmonotonicSend => "nonmonotonic-send",
            Self::NonmonotonicPoll => "nonmonotonic-poll",
            Self::PollSkip => "poll-skip",
            Self::PrecommittedRead => "precommitted-read",
            Self::Altered => "altered",
            Self::Unavailable => "unavailable",
        }
    }
}

/// One finding, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    pub name: Name,
    pub what: String,
}

/// Findings: all are counted, the first of each name are kept in words.
#[derive(Clone, Default, Debug)]
pub struct Anomalies {
    counts: BTreeMap<Name, u64>,
    examples: Vec<Anomaly>,
}

const EXAMPLES_MAX: u64 = 10;

impl Anomalies {
    pub fn add(&mut self, name: Name, what: impl FnOnce() -> String) {
        let count = self.counts.entry(name).or_default();
        *count += 1;
        if *count <= EXAMPLES_MAX {
            let what = what();
            self.examples.push(Anomaly { name, what });
        }
    }

    pub fn absorb(&mut self, other: &Anomalies) {
        for (name, count) in &other.counts {
            *self.counts.entry(*name).or_default() += count;
        }
        self.examples.extend(other.examples.iter().cloned());
    }

    pub fn count(&self, name: Name) -> u64 {
        self.counts.get(&name).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub fn names(&self) -> Vec<Name> {
        self.counts.keys().copied().collect()
    }
}

impl fmt::Display for Anomalies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for anomaly in &self.examples {
            writeln!(f, "  {}: {}", anomaly.name.text(), anomaly.what)?;
        }
        for (name, count) in &self.counts {
            writeln!(f, "  {} × {}", count, name.text())?;
        }
        Ok(())
    }
}
