//! What clients did and saw, as a list of invocations and outcomes.

use std::fmt;

use corelog_base::Monotonic;

/// A client. It does one thing at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Process(pub u32);

/// A partition, as the workload numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(pub u32);

/// What a record says; unique in a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Value(pub u64);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Values in the order of their records, in one batch.
    Send { key: Key, values: Vec<Value> },
    /// The process goes on with what it reads from this offset on.
    Seek { key: Key, offset: i64 },
    /// Reads on from where the process is.
    Poll { key: Key },
    /// Reads all there is, after healing. Part of no process's order.
    FinalRead { key: Key },
    /// Everything below the offset may be deleted.
    Trim { key: Key, before: i64 },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The first value's offset; the others follow.
    Sent { base: i64 },
    /// Offsets and values in the order in which they were read.
    Read { records: Vec<(i64, Value)> },
    /// It happened: what has no other result.
    Done,
    /// It did not and will not happen.
    Failed,
    /// It may have happened, or may still happen.
    Unknown,
}

/// One operation. Without an outcome it was underway when the history ended: unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    pub process: Process,
    pub invoked: Monotonic,
    pub action: Action,
    pub completed: Option<(Monotonic, Outcome)>,
}

/// Names an operation in its history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperationId(usize);

/// In the order of invocation.
#[derive(Clone, Default, Debug)]
pub struct History {
    operations: Vec<Operation>,
}

impl History {
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub fn invoke(&mut self, now: Monotonic, process: Process, action: Action) -> OperationId {
        self.operations.push(Operation {
            process,
            invoked: now,
            action,
            completed: None,
        });
        OperationId(self.operations.len() - 1)
    }

    /// # Panics
    /// If the operation has an outcome already.
    pub fn complete(&mut self, now: Monotonic, id: OperationId, outcome: Outcome) {
        let operation = &mut self.operations[id.0];
        assert!(operation.completed.is_none(), "completed twice");
        operation.completed = Some((now, outcome));
    }

    /// The highest base offset of an acknowledged send; -1 without one.
    pub fn highest_acknowledged(&self, of: Key) -> i64 {
        let bases = self.operations.iter().filter_map(|operation| {
            match (&operation.action, &operation.completed) {
                (Action::Send { key, .. }, Some((_, Outcome::Sent { base }))) if *key == of => {
                    Some(*base)
                }
                _ => None,
            }
        });
        bases.max().unwrap_or(-1)
    }

    /// How many sends were acknowledged, and how many records were read before the end.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for operation in &self.operations {
            match (
                &operation.action,
                operation.completed.as_ref().map(|c| &c.1),
            ) {
                (Action::Send { .. }, Some(Outcome::Sent { .. })) => counts.acknowledged += 1,
                (Action::Send { .. }, Some(Outcome::Failed)) => counts.failed += 1,
                (Action::Send { .. }, _) => counts.unknown += 1,
                (Action::Poll { .. }, Some(Outcome::Read { records })) => {
                    counts.read += records.len();
                }
                _ => {}
            }
        }
        counts
    }
}

/// How much a workload got done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub acknowledged: usize,
    pub failed: usize,
    pub unknown: usize,
    pub read: usize,
}

impl fmt::Display for History {
    /// One JSON object a line for each invocation with its outcome.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in &self.operations {
            writeln!(f, "{operation}")?;
        }
        Ok(())
    }
}

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(show).collect();
    format!("[{}]", items.join(","))
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (process, invoked) = (self.process.0, self.invoked.0);
        write!(f, r#"{{"process":{process},"invoked":{invoked},"#)?;
        match &self.action {
            Action::Send { key, values } => {
                let values = list(values, |v| v.0.to_string());
                write!(f, r#""f":"send","key":{},"values":{values}"#, key.0)?;
            }
            Action::Seek { key, offset } => {
                write!(f, r#""f":"seek","key":{},"offset":{offset}"#, key.0)?;
            }
            Action::Poll { key } => write!(f, r#""f":"poll","key":{}"#, key.0)?,
            Action::FinalRead { key } => write!(f, r#""f":"final-read","key":{}"#, key.0)?,
            Action::Trim { key, before } => {
                write!(f, r#""f":"trim","key":{},"before":{before}"#, key.0)?;
            }
        }
        let Some((completed, outcome)) = &self.completed else {
            return f.write_str(r#","type":"info"}"#);
        };
        write!(f, r#","completed":{},"#, completed.0)?;
        match outcome {
            Outcome::Sent { base } => write!(f, r#""type":"ok","base":{base}}}"#),
            Outcome::Read { records } => {
                let records = list(records, |(offset, value)| format!("[{offset},{}]", value.0));
                write!(f, r#""type":"ok","records":{records}}}"#)
            }
            Outcome::Done => f.write_str(r#""type":"ok"}"#),
            Outcome::Failed => f.write_str(r#""type":"fail"}"#),
            Outcome::Unknown => f.write_str(r#""type":"info"}"#),
        }
    }
}
