//! Reading what runs have left.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use crate::histogram::{Sparse, Times};
use crate::outcome::FORMAT;
use crate::{Error, Kind};

/// Runs of one side of a comparison.
const RUNS_MAX: usize = 1000;

/// One run's folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub result: Value,
    pub publish: Vec<Sparse>,
    pub end_to_end: Vec<Sparse>,
}

impl Folder {
    /// The run of a folder, or the runs of the folders in it.
    ///
    /// # Errors
    /// `Usage` if there is none, or of a newer format; `Io`.
    pub(crate) fn all(dir: &Path) -> Result<Vec<Self>, Error> {
        if dir.join("result.json").exists() {
            return Ok(vec![Self::read(dir)?]);
        }
        let entries =
            fs::read_dir(dir).map_err(Error::io(format!("look into {}", dir.display())))?;
        let mut dirs: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|dir| dir.join("result.json").exists())
            .take(RUNS_MAX)
            .collect();
        dirs.sort();
        if dirs.is_empty() {
            let why = format!("{} holds no run: no result.json", dir.display());
            return Err(Error::usage(why));
        }
        dirs.iter().map(|dir| Self::read(dir)).collect()
    }

    fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("result.json");
        let text = fs::read(&path).map_err(Error::io(format!("read {}", path.display())))?;
        let wrong = |why: &str| Error::usage(format!("{}: {why}", path.display()));
        let result: Value = serde_json::from_slice(&text).map_err(|_| wrong("not JSON"))?;
        match result["format"].as_u64() {
            Some(format) if format <= u64::from(FORMAT) => {}
            Some(_) => return Err(wrong("written by a newer version")),
            None => return Err(wrong("not the result of a run")),
        }
        Ok(Self {
            publish: intervals(&dir.join("publish.hlog"))?,
            end_to_end: intervals(&dir.join("end_to_end.hlog"))?,
            result,
        })
    }

    /// When it began, in milliseconds since 1970.
    pub(crate) fn started_ms(&self) -> u64 {
        self.result["started_ms"].as_u64().unwrap_or(0)
    }

    /// Why it is not valid; empty if it is.
    pub(crate) fn reasons(&self) -> Vec<String> {
        if self.result["valid"] == true {
            return Vec::new();
        }
        let reasons = self.result["reasons"].as_array().into_iter().flatten();
        reasons
            .map(|why| why.as_str().unwrap_or("not said").to_owned())
            .collect()
    }
}

/// The histograms of an interval log; none if there is no such file.
fn intervals(path: &Path) -> Result<Vec<Sparse>, Error> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = fs::read(path).map_err(Error::io(format!("read {}", path.display())))?;
    let wrong = || Error::new(Kind::Usage, format!("{} is damaged", path.display()));
    let mut all = Vec::new();
    for entry in IntervalLogIterator::new(&bytes) {
        if let LogEntry::Interval(interval) = entry.map_err(|_| wrong())? {
            let packed = STANDARD
                .decode(interval.encoded_histogram())
                .map_err(|_| wrong())?;
            let times: Times = Deserializer::new()
                .deserialize(&mut Cursor::new(packed))
                .map_err(|_| wrong())?;
            all.push(Sparse::of(&times));
        }
    }
    Ok(all)
}
