//! What a history must not contain, by the names that Jepsen's Kafka workload gave.

use std::collections::{BTreeMap, BTreeSet};

use corelog_base::Monotonic;

use crate::history::{Action, History, Key, Operation, Outcome, Process, Value};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Acknowledged or read once, below the highest offset of the final read, and not in it.
    LostWrite,
    /// Acknowledged or read once, and above all that the final read found.
    Unseen,
    /// One value at two offsets.
    Duplicate,
    /// Two values at one offset, or a value elsewhere than where it was acknowledged.
    InconsistentOffsets,
    /// A failed write was read.
    G1a,
    /// A process's later send was acknowledged below its earlier one.
    NonmonotonicSend,
    /// A process read on, and came back.
    NonmonotonicPoll,
    /// A process read on, and jumped over a record.
    PollSkip,
    /// Read before its send was invoked, or never sent.
    NeverSent,
    /// The workload made no final read of a partition that it wrote to.
    NoFinalRead,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::LostWrite => "lost-write",
            Kind::Unseen => "unseen",
            Kind::Duplicate => "duplicate",
            Kind::InconsistentOffsets => "inconsistent-offsets",
            Kind::G1a => "G1a",
            Kind::NonmonotonicSend => "nonmonotonic-send",
            Kind::NonmonotonicPoll => "nonmonotonic-poll",
            Kind::PollSkip => "poll-skip",
            Kind::NeverSent => "never-sent",
            Kind::NoFinalRead => "no-final-read",
        }
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Anomaly {
    pub kind: Kind,
    pub key: Key,
    pub details: String,
}

impl std::fmt::Display for Anomaly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, key) = (self.kind.name(), self.key.0);
        write!(f, "{kind} in partition {key}: {}", self.details)
    }
}

/// Everything that is wrong with a history, sorted; empty if it keeps the promise.
pub fn check(history: &History) -> Vec<Anomaly> {
    let mut keys: BTreeMap<Key, View> = BTreeMap::new();
    for operation in history.operations() {
        let key = match operation.action {
            Action::Send { key, .. }
            | Action::Seek { key, .. }
            | Action::Poll { key }
            | Action::FinalRead { key }
            | Action::Trim { key, .. } => key,
        };
        keys.entry(key).or_default().add(operation);
    }
    let mut found = Vec::new();
    for (key, view) in keys {
        let mut report = |kind, details| found.push(Anomaly { kind, key, details });
        view.check_offsets(&mut report);
        view.check_losses(&mut report);
        view.check_sources(&mut report);
        view.check_sends(&mut report);
        view.check_polls(&mut report);
    }
    found.sort();
    found.dedup();
    found
}

struct Sent {
    invoked: Monotonic,
    failed: bool,
}

/// A run of reads by one process, from one seek to the next.
type Reads = Vec<(i64, Value)>;

/// What a history says of one partition.
#[derive(Default)]
struct View {
    sent: BTreeMap<Value, Sent>,
    /// By what was acknowledged.
    acknowledged: BTreeMap<Value, i64>,
    /// By process: when invoked, when completed, first and last offset.
    sends: BTreeMap<Process, Vec<(Monotonic, Monotonic, i64, i64)>>,
    runs: Vec<Reads>,
    /// The run that a process is in.
    current: BTreeMap<Process, usize>,
    /// With when each read was completed.
    read: Vec<(Monotonic, i64, Value)>,
    last: Option<Reads>,
    /// Nothing below is promised.
    start: i64,
}

impl View {
    fn add(&mut self, operation: &Operation) {
        let process = operation.process;
        match &operation.action {
            Action::Send { values, .. } => self.add_send(operation, values),
            Action::Seek { .. } => {
                self.runs.push(Vec::new());
                self.current.insert(process, self.runs.len() - 1);
            }
            Action::Trim { before, .. } => match operation.completed {
                Some((_, Outcome::Failed)) => {}
                _ => self.start = self.start.max(*before),
            },
            Action::Poll { .. } => {
                if let Some((at, Outcome::Read { records })) = &operation.completed {
                    let run = *self.current.entry(process).or_insert_with(|| {
                        self.runs.push(Vec::new());
                        self.runs.len() - 1
                    });
                    self.runs[run].extend(records);
                    self.read.extend(records.iter().map(|(o, v)| (*at, *o, *v)));
                }
            }
            Action::FinalRead { .. } => {
                if let Some((at, Outcome::Read { records })) = &operation.completed {
                    self.last.get_or_insert_default().extend(records);
                    self.runs.push(records.clone());
                    self.read.extend(records.iter().map(|(o, v)| (*at, *o, *v)));
                }
            }
        }
    }

    fn add_send(&mut self, operation: &Operation, values: &[Value]) {
        let invoked = operation.invoked;
        let failed = matches!(operation.completed, Some((_, Outcome::Failed)));
        for value in values {
            self.sent.insert(*value, Sent { invoked, failed });
        }
        if let Some((completed, Outcome::Sent { base })) = operation.completed {
            self.acknowledged.extend(values.iter().copied().zip(base..));
            let last = base + values.len() as i64 - 1;
            let sends = self.sends.entry(operation.process).or_default();
            sends.push((invoked, completed, base, last));
        }
    }

    fn check_offsets(&self, report: &mut impl FnMut(Kind, String)) {
        let mut by_offset: BTreeMap<i64, BTreeSet<Value>> = BTreeMap::new();
        let mut by_value: BTreeMap<Value, BTreeSet<i64>> = BTreeMap::new();
        for (_, offset, value) in &self.read {
            by_offset.entry(*offset).or_default().insert(*value);
            by_value.entry(*value).or_default().insert(*offset);
        }
        for (value, offsets) in &by_value {
            if offsets.len() > 1 {
                report(Kind::Duplicate, format!("{value:?} at {offsets:?}"));
            }
        }
        for (value, offset) in &self.acknowledged {
            by_offset.entry(*offset).or_default().insert(*value);
            if by_value
                .get(value)
                .is_some_and(|read| !read.contains(offset))
            {
                let read = &by_value[value];
                let details = format!("{value:?} acknowledged at {offset}, read at {read:?}");
                report(Kind::InconsistentOffsets, details);
            }
        }
        for (offset, values) in &by_offset {
            if values.len() > 1 {
                report(Kind::InconsistentOffsets, format!("{values:?} at {offset}"));
            }
        }
    }

    /// A record that was read is as good as acknowledged: nobody may see what can vanish.
    fn check_losses(&self, report: &mut impl FnMut(Kind, String)) {
        let Some(last) = &self.last else {
            if !self.sent.is_empty() {
                report(Kind::NoFinalRead, String::new());
            }
            return;
        };
        let there: BTreeSet<Value> = last.iter().map(|(_, value)| *value).collect();
        let highest = last.iter().map(|(offset, _)| *offset).max().unwrap_or(-1);
        let read = self.read.iter().map(|(_, offset, value)| (*value, *offset));
        let promised = self.acknowledged.iter().map(|(v, o)| (*v, *o)).chain(read);
        for (value, offset) in promised {
            if offset < self.start || there.contains(&value) {
                continue;
            }
            let kind = match offset < highest {
                true => Kind::LostWrite,
                false => Kind::Unseen,
            };
            report(
                kind,
                format!("{value:?} at {offset}, the last read is {highest}"),
            );
        }
    }

    fn check_sources(&self, report: &mut impl FnMut(Kind, String)) {
        for (at, offset, value) in &self.read {
            match self.sent.get(value) {
                Some(sent) if sent.failed => {
                    report(Kind::G1a, format!("{value:?} read at {offset}"));
                }
                Some(sent) if sent.invoked <= *at => {}
                _ => report(Kind::NeverSent, format!("{value:?} read at {offset}")),
            }
        }
    }

    fn check_sends(&self, report: &mut impl FnMut(Kind, String)) {
        for (process, sends) in &self.sends {
            for pair in sends.windows(2) {
                let [(_, completed, _, last), (invoked, _, base, _)] = pair else {
                    continue;
                };
                if invoked >= completed && base <= last {
                    let details = format!("{process:?} sent {last}, then {base}");
                    report(Kind::NonmonotonicSend, details);
                }
            }
        }
    }

    fn check_polls(&self, report: &mut impl FnMut(Kind, String)) {
        let read = self.read.iter().map(|(_, offset, _)| *offset);
        let known: BTreeSet<i64> = read.chain(self.acknowledged.values().copied()).collect();
        for run in &self.runs {
            for pair in run.windows(2) {
                let (from, to) = (pair[0].0, pair[1].0);
                if to <= from {
                    report(Kind::NonmonotonicPoll, format!("{from}, then {to}"));
                    continue;
                }
                let skipped =
                    known.range(from.saturating_add(1).max(self.start)..to.max(self.start));
                let skipped: Vec<i64> = skipped.copied().take(10).collect();
                if !skipped.is_empty() {
                    report(
                        Kind::PollSkip,
                        format!("{skipped:?} between {from} and {to}"),
                    );
                }
            }
        }
    }
}
