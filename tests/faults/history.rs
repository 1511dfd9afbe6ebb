//! What clients did and saw, one JSON object a line.
//!
//! Every operation is *invoked*, and then is *ok*, *fail* (it certainly has no effect) or *info* (it
//! may have one, now or later). A process is one producer or one consumer and has a number of its
//! own; a send is matched with its end by its value, which is unique in a history.
//!
//! ```json
//! {"us":1203,"process":1,"kind":"invoke","op":{"send":{"partition":0,"value":4294967297,"acks":"all"}}}
//! {"us":1893,"process":1,"kind":"ok","op":{"send":{"partition":0,"value":4294967297,"acks":"all","offset":0}}}
//! {"us":2100,"process":7,"kind":"ok","op":{"poll":{"partition":0,"records":[{"offset":0,"value":4294967297}]}}}
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{Anomalies, Checker, Counts};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Since the history's begin. Lines are in the order in which things were known.
    pub us: u64,
    pub process: u32,
    pub kind: Kind,
    pub op: Op,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Invoke,
    Ok,
    /// It has no effect, and will have none.
    Fail,
    /// Nobody knows.
    Info,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acks {
    Leader,
    All,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    Send(Place),
    /// Records of one partition, as one answer gave them.
    Poll {
        partition: i32,
        records: Vec<Seen>,
    },
    /// The consumer goes to an offset of a partition.
    Assign {
        partition: i32,
        offset: i64,
    },
    /// Reads a partition from its begin: what its process polls between invoke and ok. `end` is the
    /// offset that was reached.
    Whole {
        partition: i32,
        end: i64,
    },
    /// The end of a transaction.
    End {
        transaction: u64,
        commit: bool,
    },
    /// What was done to the broker, in words.
    Fault {
        what: String,
    },
}

/// A write: where, and once acknowledged, at which offset.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    pub partition: i32,
    pub value: u64,
    pub acks: Acks,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<u64>,
    /// Why it is not ok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A record that was read. No value: its bytes are not those of any record that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seen {
    pub offset: i64,
    pub value: Option<u64>,
}

/// A history that is being written, and checked as it is.
pub struct History {
    begin: Instant,
    path: PathBuf,
    file: BufWriter<File>,
    checker: Checker,
}

impl History {
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            begin: Instant::now(),
            path: path.to_owned(),
            file: BufWriter::new(File::create(path)?),
            checker: Checker::default(),
        })
    }

    /// # Panics
    /// If the file cannot be written: without a history there is no outcome.
    pub fn add(&mut self, process: u32, kind: Kind, op: Op) {
        let us = u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        let event = Event {
            us,
            process,
            kind,
            op,
        };
        let written = serde_json::to_writer(&mut self.file, &event).map_err(io::Error::from);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        written.unwrap_or_else(|e| panic!("write {}: {e}", self.path.display()));
        self.checker.apply(&event);
    }

    /// What was found so far; the file is complete up to here.
    ///
    /// # Panics
    /// As [`History::add`].
    pub fn findings(&mut self) -> (&Anomalies, Counts) {
        let flushed = self.file.flush();
        flushed.unwrap_or_else(|e| panic!("write {}: {e}", self.path.display()));
        (self.checker.anomalies(), self.checker.counts())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks a history that was kept.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no event.
    pub fn check(path: &Path) -> io::Result<(Anomalies, Counts)> {
        let mut checker = Checker::default();
        for line in BufReader::new(File::open(path)?).lines() {
            checker.apply(&serde_json::from_str(&line?)?);
        }
        Ok((checker.anomalies().clone(), checker.counts()))
    }
}
