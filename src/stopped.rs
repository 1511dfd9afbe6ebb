//! `corelog log`: a stopped node's files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use corelog_cli::{Failure, Format, print, print_json, run_command};
use corelog_log::{Finding, Salvaged};
use corelog_node::stopped;
use serde_json::json;

/// Look into the data directory of a stopped node.
#[derive(Args)]
pub(crate) struct Log {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check every journal, map and segment, and name each damaged range. Changes nothing; exit
    /// code 1 if there is damage.
    Verify(Verify),
    /// Print one line a journal frame and a segment.
    Dump(Dump),
    /// Copy every sound batch to plain Kafka segments, and name the offsets that are lost.
    Salvage(Salvage),
}

#[derive(Args)]
struct Verify {
    /// The data directory.
    dir: PathBuf,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Args)]
struct Dump {
    /// The data directory.
    dir: PathBuf,
}

#[derive(Args)]
struct Salvage {
    /// The data directory. Only read.
    dir: PathBuf,
    /// A folder for the copies: OUT/TOPIC_ID-PARTITION/BASE_OFFSET.log. Must not exist.
    out: PathBuf,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Log {
    pub(crate) fn run(self) -> ExitCode {
        run_command(async {
            match self.command {
                Command::Verify(verify) => verify.run(),
                Command::Dump(dump) => dump.run(),
                Command::Salvage(salvage) => salvage.run(),
            }
        })
    }
}

/// A running node's files change under the reader's hands.
fn check_stopped(dir: &Path) -> Result<(), Failure> {
    if !dir.join("journal").is_dir() {
        return Err(Failure::usage(format!(
            "{} is no data directory: it has no folder 'journal'",
            dir.display()
        )));
    }
    if let Ok(lock) = File::open(dir.join("LOCK"))
        && lock.try_lock_shared().is_err()
    {
        return Err(Failure::usage(format!(
            "{} is in use: stop the node first",
            dir.display()
        )));
    }
    Ok(())
}

impl Verify {
    fn run(self) -> Result<(), Failure> {
        check_stopped(&self.dir)?;
        let findings = stopped::verify(&self.dir).map_err(Failure::refused)?;
        match self.format {
            Format::Json => {
                let values: Vec<_> = findings.iter().map(finding_json).collect();
                print_json(&json!(values))?;
            }
            Format::Text if findings.is_empty() => print("no damage found\n")?,
            Format::Text => {
                let lines: Vec<String> = findings.iter().map(finding_line).collect();
                print(&(lines.join("\n") + "\n"))?;
            }
        }
        if findings.is_empty() {
            return Ok(());
        }
        Err(Failure::refused(format!("{} findings", findings.len())))
    }
}

impl Salvage {
    fn run(self) -> Result<(), Failure> {
        check_stopped(&self.dir)?;
        if self.out.exists() {
            return Err(Failure::usage(format!(
                "{} exists: name a folder that does not",
                self.out.display()
            )));
        }
        let saved = stopped::salvage(&self.dir, &self.out).map_err(Failure::refused)?;
        match self.format {
            Format::Json => {
                let values: Vec<_> = saved.iter().map(salvaged_json).collect();
                print_json(&json!(values))
            }
            Format::Text => {
                let lines: Vec<String> = saved.iter().map(salvaged_line).collect();
                print(&(lines.join("\n") + "\n"))
            }
        }
    }
}

fn salvaged_line(saved: &Salvaged) -> String {
    let mut line = format!(
        "{}-{}: {} batches, {} bytes, offsets {}..{}",
        saved.topic,
        saved.partition,
        saved.batches,
        saved.bytes,
        saved.offsets.start,
        saved.offsets.end
    );
    for lost in &saved.lost {
        line += &format!(", lost {}..{}", lost.start, lost.end);
    }
    line
}

fn salvaged_json(saved: &Salvaged) -> serde_json::Value {
    let lost = saved.lost.iter().map(|r| json!([r.start.0, r.end.0]));
    json!({
        "topic_id": saved.topic.to_string(),
        "partition": saved.partition.0,
        "batches": saved.batches,
        "bytes": saved.bytes,
        "offsets": [saved.offsets.start.0, saved.offsets.end.0],
        "lost": lost.collect::<Vec<_>>(),
        "files": saved.files,
    })
}

fn finding_line(finding: &Finding) -> String {
    let mut line = finding.path.display().to_string();
    if !finding.bytes.is_empty() {
        line += &format!(" bytes {}..{}", finding.bytes.start, finding.bytes.end);
    }
    if let Some(offsets) = &finding.offsets {
        line += &format!(" offsets {}..{}", offsets.start, offsets.end);
    }
    line + ": " + &finding.what
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    json!({
        "path": finding.path.display().to_string(),
        "bytes": [finding.bytes.start, finding.bytes.end],
        "group": finding.group.map(|g| g.0),
        "offsets": finding.offsets.as_ref().map(|o| [o.start.0, o.end.0]),
        "what": finding.what,
    })
}

impl Dump {
    fn run(self) -> Result<(), Failure> {
        check_stopped(&self.dir)?;
        let lines = stopped::dump(&self.dir).map_err(Failure::refused)?;
        print(&lines.iter().map(|l| format!("{l}\n")).collect::<String>())
    }
}
