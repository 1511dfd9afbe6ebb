//! Reads a journal's files: every good frame, and what is left of the damaged ones.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use corelog_rt::{AlignedBuf, File, OpenMode, Runtime};

use crate::codec::{count, index, round_down, round_up};
use crate::frame::{EntryHead, FrameHeader, parse_frame, parse_header};
use crate::judge::{Verdict, judge};
use crate::reference::resolve;
use crate::remains::find_remains;
use crate::replay::{Content, Data, JournalEntry};
use crate::{Error, JournalId};

/// Read at once while scanning.
const WINDOW_BYTES: u64 = 4 << 20;

/// One journal file as it was found.
#[derive(Clone, Debug)]
pub(crate) struct FoundFile {
    pub number: u32,
    pub path: PathBuf,
    pub bytes: u64,
    pub block: u32,
    /// Behind the frame with the highest sequence.
    pub end: u64,
    /// Of its good frames at or above the journal's live_from; 0 if it has none.
    pub first_sequence: u64,
    pub last_sequence: u64,
    /// Where no good frame is, as positions.
    pub gaps: Vec<Range<u64>>,
    /// Positions of good frames.
    pub frames: Vec<(u64, FrameHeader)>,
}

/// One journal, scanned.
pub(crate) struct FoundJournal {
    pub id: JournalId,
    pub verdict: Verdict,
    pub files: Vec<FoundFile>,
    /// Live frames and damaged ones, ascending by sequence.
    pub contents: BTreeMap<u64, Content>,
}

pub(crate) fn journal_folder(dir: &Path, id: JournalId) -> PathBuf {
    dir.join("journal").join(format!("{:016x}", id.0))
}

/// Reads one journal. `keep` says which entries are still of interest: the data of others are left
/// empty. `read` hears of every byte once it was looked at.
pub(crate) async fn read_journal<R: Runtime>(
    rt: &R,
    dir: &Path,
    id: JournalId,
    keep: &dyn Fn(&EntryHead) -> bool,
    read: &dyn Fn(u64),
) -> Result<FoundJournal, Error> {
    let folder = journal_folder(dir, id);
    let mut journal = FoundJournal {
        id,
        verdict: Verdict::default(),
        files: Vec::new(),
        contents: BTreeMap::new(),
    };
    let mut good = BTreeMap::new();
    for (number, path) in list_files(rt, &folder).await? {
        let file = read_file(rt, id, number, &path, keep, &mut good).await?;
        read(file.bytes);
        journal.files.push(file);
    }
    let headers = journal
        .files
        .iter()
        .flat_map(|f| f.frames.iter().map(|(_, h)| h));
    journal.verdict = judge(headers);
    for sequence in &journal.verdict.live {
        if let Some(entries) = good.remove(sequence) {
            journal.contents.insert(*sequence, Content::Good(entries));
        }
    }
    let live_from = journal.verdict.live_from;
    for file in &mut journal.files {
        let live = || {
            file.frames
                .iter()
                .map(|(_, h)| h.sequence)
                .filter(|s| *s >= live_from)
        };
        file.first_sequence = live().min().unwrap_or(0);
        file.last_sequence = live().max().unwrap_or(0);
        file.end = file
            .frames
            .iter()
            .max_by_key(|(_, h)| h.sequence)
            .map_or(0, |(at, h)| at + u64::from(h.bytes));
    }
    salvage(rt, &mut journal).await?;
    resolve(rt, dir, &mut journal.contents, keep).await?;
    Ok(journal)
}

async fn list_files<R: Runtime>(rt: &R, folder: &Path) -> Result<Vec<(u32, PathBuf)>, Error> {
    let listed = match rt.read_dir(folder).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(|e| Error::io("list journal files", folder, e))?,
    };
    let numbered = listed.into_iter().filter_map(|entry| {
        let name = entry.name.to_str()?.strip_suffix(".journal")?;
        Some((name.parse().ok()?, folder.join(&entry.name)))
    });
    Ok(numbered.collect())
}

/// A window over a file.
struct Window<F> {
    file: F,
    path: PathBuf,
    bytes: u64,
    start: u64,
    buf: AlignedBuf,
}

impl<F: File> Window<F> {
    /// The bytes `from..from + length`, which lie in the file.
    async fn get(&mut self, from: u64, length: u64) -> Result<&[u8], Error> {
        let end = self.start + count(self.buf.len());
        if from < self.start || from + length > end {
            let block = u64::from(self.file.alignment());
            let start = round_down(from, block);
            let want = round_up(length + (from - start), block).max(WINDOW_BYTES);
            let room = index(want.min(round_up(self.bytes - start, block)));
            let mut buf = std::mem::replace(&mut self.buf, AlignedBuf::with_capacity(1));
            if buf.capacity() != room {
                buf = AlignedBuf::with_capacity(room);
            }
            let (result, buf) = self.file.read(buf, start).await;
            self.buf = buf;
            self.start = start;
            result.map_err(|e| Error::io("read journal file", &self.path, e))?;
        }
        let at = index(from - self.start);
        let have = self.buf.get(at..).unwrap_or_default();
        Ok(have.get(..index(length)).unwrap_or(have))
    }
}

async fn open_window<R: Runtime>(rt: &R, path: &Path) -> Result<Window<R::File>, Error> {
    let file = rt
        .open(path, OpenMode::Read)
        .await
        .map_err(|e| Error::io("open journal file", path, e))?;
    let bytes = file
        .bytes()
        .await
        .map_err(|e| Error::io("measure journal file", path, e))?;
    Ok(Window {
        file,
        path: path.to_path_buf(),
        bytes,
        start: 0,
        buf: AlignedBuf::with_capacity(1),
    })
}

async fn read_file<R: Runtime>(
    rt: &R,
    id: JournalId,
    number: u32,
    path: &Path,
    keep: &dyn Fn(&EntryHead) -> bool,
    good: &mut BTreeMap<u64, Vec<JournalEntry>>,
) -> Result<FoundFile, Error> {
    let mut window = open_window(rt, path).await?;
    let block = window.file.alignment();
    let step = u64::from(block);
    let bytes = round_down(window.bytes, step);
    let mut found = FoundFile {
        number,
        path: path.to_path_buf(),
        bytes,
        block,
        end: 0,
        first_sequence: 0,
        last_sequence: 0,
        gaps: Vec::new(),
        frames: Vec::new(),
    };
    let mut at = 0;
    while at < bytes {
        let header = parse_header(window.get(at, step).await?).filter(|h| {
            let length = u64::from(h.bytes);
            h.journal == id && length.is_multiple_of(step) && at + length <= bytes
        });
        if let Some(header) = header {
            let length = u64::from(header.bytes);
            let frame = window.get(at, length).await?;
            if count(frame.len()) == length
                && let Some(entries) = parse_frame(frame, &header)
            {
                // One that is not kept still cuts off what it replaced.
                let copied = entries.iter().map(|e| JournalEntry {
                    head: e.head,
                    data: Data::Own(match keep(&e.head) {
                        true => Bytes::copy_from_slice(e.data),
                        false => Bytes::new(),
                    }),
                });
                good.insert(header.sequence, copied.collect());
                found.frames.push((at, header));
                at += length;
                continue;
            }
        }
        match found.gaps.last_mut() {
            Some(gap) if gap.end == at => gap.end = at + step,
            _ => found.gaps.push(at..at + step),
        }
        at += step;
    }
    Ok(found)
}

/// Looks in the gaps for what is left of the damaged frames.
async fn salvage<R: Runtime>(rt: &R, journal: &mut FoundJournal) -> Result<(), Error> {
    if journal.verdict.damaged.is_empty() {
        return Ok(());
    }
    let mut generations: Vec<u64> = journal
        .files
        .iter()
        .flat_map(|f| f.frames.iter().map(|(_, h)| h.generation))
        .collect();
    generations.sort_unstable();
    generations.dedup();
    for file in &journal.files {
        let mut window = open_window(rt, &file.path).await?;
        for gap in &file.gaps {
            let bytes = window.get(gap.start, gap.end - gap.start).await?;
            if bytes.iter().all(|b| *b == 0) {
                continue;
            }
            for sequence in &journal.verdict.damaged {
                for generation in &generations {
                    let remains = find_remains(bytes, *generation, *sequence, file.block as usize);
                    if remains.is_empty() {
                        continue;
                    }
                    let entries = remains.entries.iter().map(|e| JournalEntry {
                        head: e.head,
                        data: Data::Own(Bytes::copy_from_slice(e.data)),
                    });
                    let entries = entries.collect();
                    let content = if remains.is_complete() {
                        Content::Good(entries)
                    } else {
                        Content::Partial {
                            entries,
                            rows: remains.rows.clone(),
                        }
                    };
                    journal.contents.insert(*sequence, content);
                }
            }
        }
    }
    Ok(())
}
