//! Row 4: the last journal frame is torn at a byte.
//!
//! Fault model: power fails while the last frame is written, and nobody was told that it was. Of the
//! frame, the bytes before the cut are there; behind it there is nothing (the file ends), zeros
//! (what was there before), or anything. Every earlier frame was flushed and acknowledged.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::image::{Image, Records, small_files};
use crate::{Name, Run, Style, pause};

const BLOCK: usize = 4096;
const MAGIC: &[u8] = b"CLGFRAME";
/// Bytes of a frame's header, an entry's, a directory's, and one of its rows; an entry's kind. See
/// `docs/formats.md`.
const HEADER: usize = 128;
const ENTRY: usize = 64;
const DIRECTORY: usize = 24;
const ROW: usize = 56;
const BATCH: u8 = 1;
const TRIES_MAX: u32 = 50;

/// A frame that was found.
#[derive(Clone, Debug)]
struct Frame {
    path: PathBuf,
    position: usize,
    sequence: u64,
    bytes: usize,
    /// Where its last byte that counts is: the end of its directory.
    content_bytes: usize,
    /// In its batches.
    records: usize,
}

/// # Errors
/// What keeps the scenario from being run.
pub async fn torn_tail(run: &mut Run) -> Result<(), String> {
    let (image, flushed, frame) = image(run).await?;
    let cuts = frame.content_bytes;
    let rounds = usize::try_from(run.plan.rounds).unwrap_or(usize::MAX);
    let step = (cuts * 3 / rounds.max(1)).max(1);
    let sites: Vec<usize> = (0..cuts).step_by(step).collect();
    run.plan.rounds = 3 * u64::try_from(sites.len()).unwrap_or(0);
    let (mut kept, mut dropped) = (0_u64, 0_u64);
    for cut in sites {
        for how in ["ends", "zeros", "garbage"] {
            let data = image.restore()?.to_owned();
            tear(run, &data, &frame, cut, how)?;
            let what = format!("cut at {cut} of {}, {how}", frame.content_bytes);
            let whole = check(run, &image, &flushed, &what).await?;
            kept += u64::from(whole);
            dropped += u64::from(!whole);
            run.round(|| what.clone());
        }
    }
    run.note("frame bytes", cuts);
    run.note("tail dropped", dropped);
    run.note("tail kept", kept);
    run.close(&image.bench);
    Ok(())
}

/// An image whose last frame holds records and was not sealed, and what was flushed before it.
async fn image(run: &mut Run) -> Result<(Image, Records, Frame), String> {
    let setup = small_files(run)?;
    let bench = run.bench(&setup, 2)?;
    let (mut broker, _) = setup.serve().await?;
    let failed = |e: corelog_client::Error| format!("make an image: {e}");
    bench.create_topic(&[]).await.map_err(failed)?;
    for _ in 0..TRIES_MAX {
        let written = bench.write(Style::Idempotent, 200, run.random.next_u64());
        written.await.map_err(failed)?;
        // Longer than a journal waits with its seal.
        pause(Duration::from_millis(100)).await;
        let written = bench.write(Style::Idempotent, 20, run.random.next_u64());
        written.await.map_err(failed)?;
        broker.kill();
        let last = last_frame(&setup.data)?;
        if let Some(frame) = last.filter(|frame| frame.records > 0) {
            let pristine = run.plan.dir.join("pristine");
            let image = Image::keep(setup, bench, pristine).await?;
            let flushed = without(&image, &frame).await?;
            return Ok((image, flushed, frame));
        }
        (broker, _) = setup.serve().await?;
    }
    Err("no kill came between a frame and its seal".to_owned())
}

/// What is left without the frame: everything but its own records.
async fn without(image: &Image, frame: &Frame) -> Result<Records, String> {
    let data = image.restore()?;
    write(
        &data.join(&frame.path),
        frame.position,
        &vec![0; frame.bytes],
    )?;
    let findings = image.verify()?;
    let flushed = image.serve(&findings).await?.records;
    let is_part = flushed
        .iter()
        .all(|(place, value)| image.records.get(place) == Some(value));
    if !is_part || flushed.len() + frame.records != image.records.len() {
        let (left, all) = (flushed.len(), image.records.len());
        return Err(format!(
            "{left} of {all} records are left without {frame:?}"
        ));
    }
    Ok(flushed)
}

fn tear(
    run: &mut Run,
    data: &Path,
    frame: &Frame,
    cut: usize,
    how: &'static str,
) -> Result<(), String> {
    let path = data.join(&frame.path);
    let mut rest = vec![0; frame.bytes - cut];
    match how {
        "ends" => {
            let file = OpenOptions::new().write(true).open(&path);
            let length = u64::try_from(frame.position + cut).unwrap_or(u64::MAX);
            let set = file.and_then(|file| file.set_len(length));
            return set.map_err(|e| format!("cut {}: {e}", path.display()));
        }
        "garbage" => run.random.fill(&mut rest),
        _ => {}
    }
    write(&path, frame.position + cut, &rest)
}

/// Two starts: what the first one drops stays dropped. Gives whether the tail was kept.
async fn check(
    run: &mut Run,
    image: &Image,
    flushed: &Records,
    what: &str,
) -> Result<bool, String> {
    let findings = image.verify()?;
    if findings.count > 0 {
        run.outcome.anomalies.add(Name::Unavailable, || {
            format!("{what}: a torn tail is called damage: {}", findings.text)
        });
    }
    let first = match image.serve(&findings).await {
        Ok(served) => served.records,
        Err(error) => {
            run.fail(format!("{what}: {error}"));
            return Ok(false);
        }
    };
    let again = image.serve(&findings).await?.records;
    let anomalies = &mut run.outcome.anomalies;
    if again != first {
        let (first, again) = (first.len(), again.len());
        let what = || format!("{what}: {first} records, and {again} after another start");
        anomalies.add(Name::InconsistentOffsets, what);
    }
    let whole = first == image.records;
    if !whole && first != *flushed {
        let (found, owed) = (first.len(), flushed.len());
        let what = || format!("{what}: {found} records are served, {owed} were flushed");
        anomalies.add(Name::LostWrite, what);
    }
    Ok(whole)
}

/// The frame with the highest sequence in any journal.
fn last_frame(data: &Path) -> Result<Option<Frame>, String> {
    let mut last: Option<Frame> = None;
    for (path, _) in crate::image::list(data)? {
        if path
            .extension()
            .is_none_or(|extension| extension != "journal")
        {
            continue;
        }
        let bytes = fs::read(data.join(&path)).map_err(|e| format!("{}: {e}", path.display()))?;
        for position in (0..bytes.len()).step_by(BLOCK) {
            let found = frame(&path, position, &bytes[position..]);
            let newer = |frame: &Frame| last.as_ref().is_none_or(|l| frame.sequence > l.sequence);
            last = found.filter(newer).or(last);
        }
    }
    Ok(last)
}

/// Reads a header, and counts the records of the frame's batches.
fn frame(path: &Path, position: usize, bytes: &[u8]) -> Option<Frame> {
    let u32_at = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    bytes.starts_with(MAGIC).then_some(())?;
    let (mut at, mut records) = (HEADER, 0);
    for _ in 0..u32_at(76)? {
        if *bytes.get(at + 52)? == BATCH {
            let span = u64_at(at + 40)?.checked_sub(u64_at(at + 32)?)?;
            records += usize::try_from(span).ok()?;
        }
        at += ENTRY + u32_at(at + 4)?.next_multiple_of(8);
    }
    Some(Frame {
        path: path.to_owned(),
        position,
        sequence: u64_at(32)?,
        bytes: u32_at(72)?,
        content_bytes: u32_at(80)? + DIRECTORY + ROW * u32_at(84)?,
        records,
    })
}

fn write(path: &Path, at: usize, content: &[u8]) -> Result<(), String> {
    let file = OpenOptions::new().write(true).open(path);
    let at = u64::try_from(at).unwrap_or(u64::MAX);
    let written = file.and_then(|file| file.write_all_at(content, at));
    written.map_err(|e| format!("change {}: {e}", path.display()))
}
