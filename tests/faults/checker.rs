//! Checks a history event by event, so that long runs need no second pass.
//!
//! What the names mean is said at [`Name`]. A *whole read* is judged against what was acknowledged
//! or read when it was invoked: later writes may or may not be in it.

use std::collections::{BTreeMap, HashMap};

use crate::{Anomalies, Event, Kind, Name, Op, Place, Seen};

/// How much a history says.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    pub sent: u64,
    pub acknowledged: u64,
    pub failed: u64,
    pub unknown: u64,
    /// Distinct values that were read.
    pub read: u64,
}

impl Counts {
    pub fn add(&mut self, other: Counts) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.read += other.read;
    }
}

/// What is known of a value.
#[derive(Clone, Default, Debug)]
struct Value {
    partition: i32,
    offset: Option<i64>,
    /// The event by which it was acknowledged or first read.
    owed_since: Option<u64>,
    acknowledged: bool,
    failed: bool,
    read: bool,
    transaction: Option<u64>,
    /// The last whole read that had it.
    whole: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Committing,
    Aborted,
}

/// A consumer's place in a partition.
#[derive(Clone, Copy, Debug)]
enum Position {
    At(i64),
    After(i64),
}

#[derive(Clone, Copy, Debug)]
struct Whole {
    invoked: u64,
    highest: i64,
}

#[derive(Default, Debug)]
pub struct Checker {
    anomalies: Anomalies,
    counts: Counts,
    /// Events so far; from 1.
    event: u64,
    values: HashMap<u64, Value>,
    places: BTreeMap<(i32, i64), u64>,
    sends: HashMap<(u32, i32), i64>,
    positions: HashMap<(u32, i32), Position>,
    transactions: HashMap<u64, Outcome>,
    whole: HashMap<(u32, i32), Whole>,
}

impl Checker {
    pub fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn apply(&mut self, event: &Event) {
        self.event += 1;
        let process = event.process;
        match (&event.op, event.kind) {
            (Op::Send(place), kind) => self.send(process, kind, place),
            (Op::Poll { partition, records }, Kind::Ok) => {
                for seen in records {
                    self.seen(process, *partition, *seen);
                }
            }
            (Op::Assign { partition, offset }, Kind::Ok) => {
                let key = (process, *partition);
                self.positions.insert(key, Position::At(*offset));
            }
            (Op::Whole { partition, .. }, Kind::Invoke) => {
                let whole = Whole {
                    invoked: self.event,
                    highest: -1,
                };
                self.whole.insert((process, *partition), whole);
            }
            (Op::Whole { partition, end }, Kind::Ok) => self.whole_ended(process, *partition, *end),
            (
                Op::End {
                    transaction,
                    commit,
                },
                Kind::Invoke,
            ) if *commit => {
                self.transactions.insert(*transaction, Outcome::Committing);
            }
            (
                Op::End {
                    transaction,
                    commit,
                },
                Kind::Ok,
            ) if !*commit => {
                self.transactions.insert(*transaction, Outcome::Aborted);
            }
            _ => {}
        }
    }

    fn send(&mut self, process: u32, kind: Kind, place: &Place) {
        let value = self.values.entry(place.value).or_default();
        value.partition = place.partition;
        match kind {
            Kind::Invoke => {
                self.counts.sent += 1;
                value.transaction = place.transaction;
            }
            Kind::Ok => {
                self.counts.acknowledged += 1;
                value.acknowledged = true;
                value.owed_since.get_or_insert(self.event);
                if let Some(offset) = place.offset {
                    self.placed(place.partition, offset, place.value);
                    self.sent_at(process, place.partition, offset);
                }
            }
            Kind::Fail => {
                self.counts.failed += 1;
                value.failed = true;
                if value.read {
                    let id = place.value;
                    let what = || format!("value {id} was read and failed afterwards");
                    self.anomalies.add(Name::G1a, what);
                }
            }
            Kind::Info => self.counts.unknown += 1,
        }
    }

    fn sent_at(&mut self, process: u32, partition: i32, offset: i64) {
        let before = self.sends.insert((process, partition), offset);
        if let Some(before) = before.filter(|before| *before >= offset) {
            let what = || {
                format!("process {process} wrote to {partition} at {offset}, after one at {before}")
            };
            self.anomalies.add(Name::NonmonotonicSend, what);
        }
    }

    /// A value was found at an offset, by whoever.
    fn placed(&mut self, partition: i32, offset: i64, id: u64) {
        let other = *self.places.entry((partition, offset)).or_insert(id);
        if other != id {
            let what = || format!("partition {partition} offset {offset} is {other} and {id}");
            self.anomalies.add(Name::InconsistentOffsets, what);
        }
        let value = self.values.entry(id).or_default();
        match value.offset {
            Some(first) if (value.partition, first) != (partition, offset) => {
                let place = value.partition;
                let what = || format!("value {id} is at {place}/{first} and {partition}/{offset}");
                self.anomalies.add(Name::Duplicate, what);
            }
            Some(_) => {}
            None => value.offset = Some(offset),
        }
    }

    fn seen(&mut self, process: u32, partition: i32, seen: Seen) {
        self.moved(process, partition, seen.offset);
        let known = seen.value.filter(|id| self.values.contains_key(id));
        let Some(id) = known else {
            let what = || {
                format!(
                    "partition {partition} offset {} was never sent",
                    seen.offset
                )
            };
            self.anomalies.add(Name::Altered, what);
            return;
        };
        self.placed(partition, seen.offset, id);
        let event = self.event;
        let whole = self.whole.get_mut(&(process, partition));
        let value = self.values.entry(id).or_default();
        if let Some(whole) = whole {
            whole.highest = whole.highest.max(seen.offset);
            value.whole = whole.invoked;
        }
        if !value.read {
            value.read = true;
            self.counts.read += 1;
        }
        value.owed_since.get_or_insert(event);
        let outcome = value
            .transaction
            .map(|t| self.transactions.get(&t).copied());
        match outcome {
            Some(None) => {
                let what = || format!("value {id} was read before its transaction's commit");
                self.anomalies.add(Name::PrecommittedRead, what);
            }
            Some(Some(Outcome::Aborted)) => {
                let what = || format!("value {id} of an aborted transaction was read");
                self.anomalies.add(Name::G1a, what);
            }
            _ if value.failed => {
                let what = || format!("value {id} failed and was read at {}", seen.offset);
                self.anomalies.add(Name::G1a, what);
            }
            _ => {}
        }
    }

    /// A consumer went on to an offset.
    fn moved(&mut self, process: u32, partition: i32, offset: i64) {
        let key = (process, partition);
        let before = self.positions.insert(key, Position::After(offset));
        let expected = match before {
            Some(Position::At(at)) => at,
            Some(Position::After(last)) => last + 1,
            None => return,
        };
        if offset < expected {
            let what = || format!("process {process} read {partition}/{offset} after {expected}");
            self.anomalies.add(Name::NonmonotonicPoll, what);
            return;
        }
        let between = (partition, expected)..(partition, offset);
        if let Some(((_, skipped), id)) = self.places.range(between).next() {
            let what = || {
                format!("process {process} read {partition}/{offset} and passed {skipped} ({id})")
            };
            self.anomalies.add(Name::PollSkip, what);
        }
    }

    fn whole_ended(&mut self, process: u32, partition: i32, end: i64) {
        let Some(whole) = self.whole.remove(&(process, partition)) else {
            return;
        };
        let owed = |value: &Value| value.owed_since.is_some_and(|since| since < whole.invoked);
        for (id, value) in &self.values {
            if value.partition != partition || value.whole == whole.invoked || !owed(value) {
                continue;
            }
            let below = value.offset.is_some_and(|offset| offset <= whole.highest);
            let name = if below { Name::LostWrite } else { Name::Unseen };
            self.anomalies.add(name, || {
                let known = if value.acknowledged {
                    "acknowledged"
                } else {
                    "read before"
                };
                let offset = value.offset;
                format!("value {id} of {partition}, {known} at {offset:?}, is not in 0..{end}")
            });
        }
    }
}
