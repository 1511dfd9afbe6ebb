//! `corelog log verify`: checks a stopped node's files.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use corelog_base::{GroupId, Offset};
use corelog_rt::{AlignedBuf, File, OpenMode, Runtime};

use crate::codec::{count, index, round_up};
use crate::leftovers::look_at_compacted;
use crate::map::{CHUNK_BYTES, SegmentMap};
use crate::map_codec::parse_map;
use crate::scan_journal::{FoundFile, FoundJournal, read_journal};
use crate::scan_segments::{list, numbers};
use crate::unit::Unit;
use crate::{Error, JournalId, scan};

/// Read at once from a segment: whole chunks.
const WINDOW_BYTES: u64 = 4 << 20;

/// One thing that is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub path: PathBuf,
    /// Bytes of the file; empty if it is not about certain bytes.
    pub bytes: Range<u64>,
    pub group: Option<GroupId>,
    /// Offsets that are lost by it; None if nothing is lost.
    pub offsets: Option<Range<Offset>>,
    /// In words, lower case.
    pub what: String,
}

/// Reads every journal, map and segment under `dir` and names every damaged range. Changes nothing.
///
/// # Errors
/// `Io` if a file cannot be read at all.
pub async fn verify<R: Runtime>(rt: &R, dir: &Path) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let journals = journals(rt, dir).await?;
    for id in &journals {
        let journal = read_journal(rt, dir, *id, &|_| false, &|_| ()).await?;
        journal_findings(&journal, &mut findings);
    }
    let restored = scan(rt, dir, &journals).await?;
    for group in restored.groups() {
        for damage in &group.damage {
            findings.push(Finding {
                path: crate::group::folder(dir, group.topic, group.partition),
                bytes: 0..0,
                group: Some(group.group),
                offsets: Some(damage.base_offset..damage.next_offset),
                what: format!("entries {} to {} are lost", damage.first, damage.last),
            });
        }
    }
    for group in restored.without_record() {
        findings.push(Finding {
            path: dir.join("journal"),
            bytes: 0..0,
            group: Some(*group),
            offsets: None,
            what: "the record of a group is lost, and with it what was not in segments yet".into(),
        });
    }
    for folder in folders(rt, dir).await? {
        check_folder(rt, &folder, &mut findings).await?;
    }
    let starts = restored.groups().iter().map(|g| (g.group, g.start.offset));
    let starts: BTreeMap<GroupId, Offset> = starts.collect();
    for finding in &mut findings {
        let start = finding.group.and_then(|group| starts.get(&group));
        finding.leave_out_below(start.copied().unwrap_or_default());
    }
    Ok(findings)
}

impl Finding {
    /// What lies below the log start is not served any more, and so not lost: the segment is there
    /// only for what comes after.
    fn leave_out_below(&mut self, start: Offset) {
        let Some(offsets) = &mut self.offsets else {
            return;
        };
        if offsets.start >= start {
            return;
        }
        if offsets.end > start {
            offsets.start = start;
        } else {
            self.offsets = None;
            self.what += ", below the log start: nothing is lost";
        }
    }
}

/// The journals that are there, whatever the placement says.
pub(crate) async fn journals<R: Runtime>(rt: &R, dir: &Path) -> Result<Vec<JournalId>, Error> {
    let entries = list(rt, &dir.join("journal")).await?;
    let names = entries.iter().filter_map(|e| e.name.to_str());
    Ok(names
        .filter_map(|name| u64::from_str_radix(name, 16).ok())
        .map(JournalId)
        .collect())
}

/// Every partition's folder.
async fn folders<R: Runtime>(rt: &R, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let topics = dir.join("topics");
    let mut found = Vec::new();
    for topic in list(rt, &topics).await? {
        let path = topics.join(&topic.name);
        for partition in list(rt, &path).await? {
            if partition.is_dir {
                found.push(path.join(&partition.name));
            }
        }
    }
    Ok(found)
}

fn journal_findings(journal: &FoundJournal, findings: &mut Vec<Finding>) {
    for sequence in &journal.verdict.damaged {
        let place = journal
            .files
            .iter()
            .find_map(|file| Some((file, gap_of(file, *sequence)?)));
        let (path, bytes) = match place {
            Some((file, gap)) => (file.path.clone(), gap),
            None => (PathBuf::from("journal"), 0..0),
        };
        findings.push(Finding {
            path,
            bytes,
            group: None,
            offsets: None,
            what: format!(
                "frame {sequence} of journal {:016x} is damaged",
                journal.id.0
            ),
        });
    }
    if journal.verdict.damaged_more {
        findings.push(Finding {
            path: PathBuf::from("journal"),
            bytes: 0..0,
            group: None,
            offsets: None,
            what: format!("journal {:016x} lacks more frames", journal.id.0),
        });
    }
}

/// The gap that held a frame: behind the one before it, or before the one after it.
fn gap_of(file: &FoundFile, sequence: u64) -> Option<Range<u64>> {
    let before = |h: u64| h + 1 == sequence;
    let ends = file.frames.iter().filter(|(_, h)| before(h.sequence));
    let begins = file
        .frames
        .iter()
        .filter(|(_, h)| h.sequence == sequence + 1);
    let ends: Vec<u64> = ends.map(|(at, h)| at + u64::from(h.bytes)).collect();
    let begins: Vec<u64> = begins.map(|(at, _)| *at).collect();
    let gap = file
        .gaps
        .iter()
        .find(|gap| ends.contains(&gap.start) || begins.contains(&gap.end))?;
    Some(gap.clone())
}

async fn check_folder<R: Runtime>(
    rt: &R,
    folder: &Path,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let entries = list(rt, folder).await?;
    // What a compaction that was cut short has left does not count.
    let gone = look_at_compacted(rt, folder, &entries).await?.gone;
    let counts = |base: Offset| !gone.contains(&crate::group::map_path(folder, base));
    let maps: Vec<(Offset, u64)> = numbers(&entries, ".map")
        .filter(|(base, _)| counts(*base))
        .collect();
    for (at, (base_offset, _)) in maps.iter().enumerate() {
        let path = crate::group::map_path(folder, *base_offset);
        let bytes = rt
            .read_small(&path)
            .await
            .map_err(|e| Error::io("read segment map", &path, e))?;
        let read = parse_map(&bytes);
        let Some(map) = read.map.filter(|map| map.base_offset == *base_offset) else {
            let next = maps.get(at + 1).map_or(Offset(i64::MAX), |(next, _)| *next);
            findings.push(Finding {
                path,
                bytes: 0..count(bytes.len()),
                group: None,
                offsets: Some(*base_offset..next),
                what: "the map has no sound record".into(),
            });
            continue;
        };
        for position in read.bad_copies {
            findings.push(Finding {
                path: path.clone(),
                bytes: position..position + 1,
                group: Some(map.group),
                offsets: None,
                what: "one of a record's two copies is damaged; the other is sound".into(),
            });
        }
        check_segment(rt, folder, &map, findings).await?;
    }
    Ok(())
}

/// What a check of a segment goes through.
struct Check<'a> {
    path: PathBuf,
    map: &'a SegmentMap,
    findings: &'a mut Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, bytes: Range<u64>, what: &str) {
        self.findings.push(Finding {
            path: self.path.clone(),
            offsets: Some(self.map.offsets_in(bytes.start, bytes.end)),
            bytes,
            group: Some(self.map.group),
            what: what.into(),
        });
    }
}

async fn check_segment<R: Runtime>(
    rt: &R,
    folder: &Path,
    map: &SegmentMap,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let mut check = Check {
        path: crate::group::segment_path(folder, map.base_offset, map.generation),
        map,
        findings,
    };
    if map.bytes == 0 {
        return Ok(());
    }
    let path = check.path.clone();
    let file = match rt.open(&path, OpenMode::Read).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            check.find(0..map.bytes, "the segment's file is missing");
            return Ok(());
        }
        Err(error) => return Err(Error::io("open segment", &path, error)),
    };
    let failed = |e| Error::io("read segment", &path, e);
    let block = u64::from(file.alignment());
    let mut walk = Walk::default();
    let mut at = 0;
    while at < map.bytes {
        let length = WINDOW_BYTES.min(map.bytes - at);
        let buf = AlignedBuf::uncleared(index(round_up(length, block)));
        let (result, buf) = file.read(buf, at).await;
        result.map_err(failed)?;
        let have = buf.len().min(index(length));
        for (number, chunk) in (at / CHUNK_BYTES..).zip(buf[..have].chunks(index(CHUNK_BYTES))) {
            if !map.is_sound(number, chunk) {
                let from = number * CHUNK_BYTES;
                check.find(
                    from..from + map.chunk_bytes(number),
                    "bytes are not what was written",
                );
                walk.lost = true;
            }
        }
        if count(have) < length {
            check.find(
                at + count(have)..map.bytes,
                "the segment's file is too short",
            );
            return Ok(());
        }
        walk.go_on(map, at, &buf[..have], &mut check);
        at += length;
    }
    Ok(())
}

/// Follows the entries through a segment and compares them with the map's marks.
#[derive(Default)]
struct Walk {
    /// The next entry.
    position: u64,
    mark: usize,
    lost: bool,
    /// The begin of a header that the window cut.
    cut: Vec<u8>,
}

impl Walk {
    fn go_on(&mut self, map: &SegmentMap, at: u64, bytes: &[u8], check: &mut Check<'_>) {
        let end = at + count(bytes.len());
        let need = map.framing.header_bytes();
        while !self.lost && self.position < end.min(map.whole) {
            let unit = if self.position < at {
                let more = need.saturating_sub(self.cut.len()).min(bytes.len());
                self.cut.extend_from_slice(&bytes[..more]);
                map.framing.parse(&std::mem::take(&mut self.cut))
            } else {
                let rest = &bytes[index(self.position - at)..];
                if rest.len() < need && end < map.bytes {
                    self.cut = rest.to_vec();
                    return;
                }
                if rest.len() < need {
                    // Its header ends in the map's tail.
                    return;
                }
                map.framing.parse(rest)
            };
            self.step(map, unit, check);
        }
    }

    fn step(&mut self, map: &SegmentMap, unit: Option<Unit>, check: &mut Check<'_>) {
        let position = self.position;
        let Some(unit) = unit else {
            check.find(position..position + 1, "no entry begins here");
            self.lost = true;
            return;
        };
        if let Some(mark) = map.marks.get(self.mark)
            && mark.position <= position
        {
            self.mark += 1;
            if mark.position != position || mark.offset != unit.base_offset {
                check.find(position..position + unit.bytes, "the map's index differs");
            }
        }
        self.position += unit.bytes;
    }
}

/// One line a frame, map and segment under `dir`, for people.
///
/// # Errors
/// `Io` if a file cannot be read at all.
pub async fn dump<R: Runtime>(
    rt: &R,
    dir: &Path,
    line: &mut dyn FnMut(String),
) -> Result<(), Error> {
    for id in journals(rt, dir).await? {
        let journal = read_journal(rt, dir, id, &|_| false, &|_| ()).await?;
        let verdict = &journal.verdict;
        line(format!(
            "journal {:016x}: live from {}, flushed through {}, last {}",
            id.0, verdict.live_from, verdict.flushed_through, verdict.last
        ));
        for file in &journal.files {
            for (at, h) in &file.frames {
                line(format!(
                    "frame {} at {at} of {:08}.journal: {} bytes, {} entries, {} groups",
                    h.sequence, file.number, h.bytes, h.entries, h.rows
                ));
            }
        }
    }
    for folder in folders(rt, dir).await? {
        let entries = list(rt, &folder).await?;
        let gone = look_at_compacted(rt, &folder, &entries).await?.gone;
        for (base_offset, _) in numbers(&entries, ".map") {
            let path = crate::group::map_path(&folder, base_offset);
            if gone.contains(&path) {
                line(format!("map {}: replaced by compaction", path.display()));
                continue;
            }
            let bytes = rt
                .read_small(&path)
                .await
                .map_err(|e| Error::io("read segment map", &path, e))?;
            let Some(map) = parse_map(&bytes).map else {
                line(format!("map {}: no sound record", path.display()));
                continue;
            };
            line(format!(
                "segment {}: group {}, {} bytes, offsets {}..{}, {} runs, {}",
                crate::group::segment_path(&folder, base_offset, map.generation).display(),
                map.group,
                map.whole,
                map.base_offset,
                map.settled.next_offset,
                map.runs.len(),
                match (map.sealed, map.generation) {
                    (false, _) => "open".to_owned(),
                    (true, 0) => "sealed".to_owned(),
                    (true, _) => format!("compacted, clean below {}", map.clean),
                },
            ));
        }
    }
    Ok(())
}
