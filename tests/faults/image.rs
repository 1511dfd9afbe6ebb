//! The files of a stopped node: a copy is changed, started, and compared with what was in it.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use corelog_client::{Error, Isolation, NewTopic, OffsetAt};
use serde_json::Value;

use crate::{Bench, Run, STYLES, Setup, pause, remove, value_of};

/// Every record of the topic: partition, offset, value. No value: altered bytes.
pub(crate) type Records = BTreeMap<(i32, i64), Option<u64>>;

/// A stopped node's directory, and what it serves when nothing is changed.
pub(crate) struct Image {
    pub(crate) setup: Setup,
    pub(crate) bench: Bench,
    pub(crate) pristine: PathBuf,
    pub(crate) records: Records,
}

/// What `log verify` says.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) count: usize,
    /// Offsets of the topic that are named as lost, by partition.
    pub(crate) lost: Vec<(i32, Range<i64>)>,
    /// Something of the metadata is named as lost.
    pub(crate) metadata: bool,
    pub(crate) text: String,
}

impl Findings {
    pub(crate) fn names(&self, partition: i32, offset: i64) -> Option<&Range<i64>> {
        let mut lost = self.lost.iter();
        let found = lost.find(|(p, range)| *p == partition && range.contains(&offset));
        found.map(|(_, range)| range)
    }
}

/// What a broker on a changed copy serves.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) records: Records,
    /// Offsets that were refused, each with the error.
    pub(crate) refused: BTreeMap<(i32, i64), String>,
    /// Where each partition ends.
    pub(crate) ends: BTreeMap<i32, i64>,
}

/// Offsets that may be refused without being named before a partition is given up.
const UNNAMED_MAX: u32 = 20;

/// As many records as make segments be sealed and journal files be used again.
pub(crate) const RECORDS_MANY: u32 = 9_000;

/// As many as stay in the journal: nothing of them is in a segment yet.
pub(crate) const RECORDS_FEW: u32 = 600;

/// A broker with small files, so that an image has every kind of them.
///
/// # Errors
/// If the data directory cannot be emptied.
pub(crate) fn small_files(run: &Run) -> Result<Setup, String> {
    let mut setup = run.setup()?;
    setup.settings = vec![
        ("log.journal_file_bytes", "1MiB".to_owned()),
        ("log.journal_files_max", "2".to_owned()),
        ("log.disk_reserve_bytes", "16MiB".to_owned()),
    ];
    Ok(setup)
}

impl Image {
    /// Writes records under several styles, lets the journal be sealed, kills the broker.
    ///
    /// # Errors
    /// What keeps it from being made.
    pub(crate) async fn make(run: &mut Run, records: u32) -> Result<Self, String> {
        let setup = small_files(run)?;
        let bench = run.bench(&setup, 2)?;
        let (broker, _) = setup.serve().await?;
        let failed = |e: Error| format!("make an image: {e}");
        let segment = [("segment.bytes", "1048576")];
        bench.create_topic(&segment).await.map_err(failed)?;
        if records >= RECORDS_MANY {
            // So much of it leaves the journal for a segment.
            come_and_go(&bench, 300).await.map_err(failed)?;
        }
        for style in &STYLES[1..4] {
            let written = bench.write(*style, records / 3, run.random.next_u64());
            written.await.map_err(failed)?;
        }
        bench.read_whole().await.map_err(failed)?;
        // Longer than a journal waits with its seal.
        pause(Duration::from_millis(200)).await;
        broker.kill();
        let pristine = run.plan.dir.join("pristine");
        Self::keep(setup, bench, pristine).await
    }

    /// Keeps what the data directory holds now.
    ///
    /// # Errors
    /// If a broker does not serve it.
    pub(crate) async fn keep(
        setup: Setup,
        bench: Bench,
        pristine: PathBuf,
    ) -> Result<Self, String> {
        copy(&setup.data, &pristine)?;
        let mut image = Self {
            setup,
            bench,
            pristine,
            records: Records::new(),
        };
        let findings = image.verify()?;
        if findings.count > 0 {
            return Err(format!("an unchanged image is damaged: {}", findings.text));
        }
        let served = image.serve(&findings).await?;
        if !served.refused.is_empty() || served.records.values().any(Option::is_none) {
            return Err(format!(
                "an unchanged image is refused: {:?}",
                served.refused
            ));
        }
        image.records = served.records;
        Ok(image)
    }

    /// Every file, from the image's root, with its bytes.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub(crate) fn files(&self) -> Result<Vec<(PathBuf, u64)>, String> {
        list(&self.pristine)
    }

    /// A fresh copy in the data directory, to be changed.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub(crate) fn restore(&self) -> Result<&Path, String> {
        remove(&self.setup.data)?;
        copy(&self.pristine, &self.setup.data)?;
        Ok(&self.setup.data)
    }

    /// What `corelog log verify` says of the data directory.
    ///
    /// # Errors
    /// If it says anything but findings.
    pub(crate) fn verify(&self) -> Result<Findings, String> {
        let mut command = Command::new(&self.setup.binary);
        command.args(["log", "verify", "--format", "json"]);
        let output = command.arg(&self.setup.data).output();
        let output = output.map_err(|e| format!("log verify: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let parsed: Result<Vec<Value>, _> = serde_json::from_str(&text);
        let Ok(values) = parsed else {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("log verify ended with {}: {error}", output.status));
        };
        let mut findings = Findings {
            count: values.len(),
            text,
            ..Findings::default()
        };
        for value in &values {
            findings.take(value);
        }
        Ok(findings)
    }

    /// Starts a broker on the data directory, reads everything, and kills it.
    ///
    /// # Errors
    /// If it does not start: that is a refusal, in its own words.
    pub(crate) async fn serve(&self, findings: &Findings) -> Result<Served, String> {
        let (broker, _) = self.setup.serve().await?;
        let mut served = Served::default();
        for partition in 0..self.bench.partitions {
            let read = self.read(partition, findings, &mut served).await;
            if let Err(error) = read {
                served.refused.insert((partition, -1), error.to_string());
            }
        }
        broker.kill();
        Ok(served)
    }

    async fn read(
        &self,
        partition: i32,
        findings: &Findings,
        served: &mut Served,
    ) -> Result<(), Error> {
        let client = self.bench.client(Duration::from_millis(400)).await?;
        let place = self.bench.partition(partition);
        let asked = vec![(place.clone(), OffsetAt::Latest)];
        let mut end = 0;
        for (_, found) in client.list_offsets(asked, Isolation::Uncommitted).await {
            end = found?.offset.map_or(0, |offset| offset.0);
        }
        served.ends.insert(partition, end);
        // What is refused is refused again at once: there is no point in trying long.
        let client = self.bench.client(Duration::from_millis(30)).await?;
        let (mut at, mut unnamed) = (0, 0);
        while at < end {
            let mut consumer = self.bench.consumer(&client, &[(partition, at)]).await?;
            let error = loop {
                match consumer.poll().await {
                    Ok(records) => {
                        for record in records {
                            let value = record.value.as_deref().and_then(value_of);
                            served.records.insert((partition, record.offset.0), value);
                        }
                    }
                    Err(error) => break Some(error),
                }
                at = consumer.position(&place).map_or(at, |position| position.0);
                if at >= end {
                    break None;
                }
            };
            if let Some(error) = error {
                if matches!(error.kind, corelog_client::Kind::Record(_)) {
                    // The client has found what the broker must not have served.
                    served.records.insert((partition, at), None);
                }
                served.refused.insert((partition, at), error.to_string());
                let named = findings.names(partition, at).map(|range| range.end);
                unnamed += u32::from(named.is_none());
                at = named.unwrap_or(at + 1);
                if unnamed > UNNAMED_MAX {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl Findings {
    fn take(&mut self, value: &Value) {
        let path = value["path"].as_str().unwrap_or_default();
        let Some((_, below)) = path.split_once("/topics/") else {
            return;
        };
        let mut parts = below.split('/');
        let topic = parts.next().unwrap_or_default();
        let partition = parts.next().and_then(|part| part.parse::<i32>().ok());
        let offsets = (value["offsets"][0].as_i64(), value["offsets"][1].as_i64());
        let (Some(partition), (Some(from), Some(to))) = (partition, offsets) else {
            return;
        };
        if topic.ends_with("-000000000001") {
            self.metadata = true;
        } else {
            self.lost.push((partition, from..to));
        }
    }
}

/// Every file below a folder, from there, with its bytes.
///
/// # Errors
/// If they cannot be listed.
pub(crate) fn list(dir: &Path) -> Result<Vec<(PathBuf, u64)>, String> {
    let mut files = Vec::new();
    walk(dir, &mut files)?;
    for (path, _) in &mut files {
        *path = path.strip_prefix(dir).expect("it lies below").to_owned();
    }
    files.sort();
    Ok(files)
}

fn walk(dir: &Path, found: &mut Vec<(PathBuf, u64)>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", dir.display());
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else {
            let bytes = fs::metadata(&path).map_err(failed)?.len();
            found.push((path, bytes));
        }
    }
    Ok(())
}

/// Makes `count` topics and deletes them again, so that the metadata is more than a few records.
async fn come_and_go(bench: &Bench, count: usize) -> Result<(), Error> {
    let client = bench.client(Duration::from_secs(20)).await?;
    let names: Vec<String> = (0..count).map(|at| format!("{at:0>200}")).collect();
    let topics = names.iter().map(|name| NewTopic {
        name: name.clone(),
        partitions: Some(1),
        replicas: Some(1),
        configs: vec![("retention.ms".to_owned(), "60000".to_owned())],
    });
    let topics: Vec<NewTopic> = topics.collect();
    for (_, created) in client.create_topics(&topics, false).await? {
        created?;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (_, deleted) in client.delete_topics(&names).await? {
        deleted?;
    }
    Ok(())
}

/// Copies a folder with everything in it.
///
/// # Errors
/// If anything cannot be copied.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    remove(to)?;
    let mut files = Vec::new();
    walk(from, &mut files)?;
    for (path, _) in files {
        let target = to.join(path.strip_prefix(from).expect("it lies below"));
        let failed = |e: std::io::Error| format!("copy {}: {e}", path.display());
        fs::create_dir_all(target.parent().unwrap_or(to)).map_err(failed)?;
        fs::copy(&path, &target).map_err(failed)?;
    }
    Ok(())
}
