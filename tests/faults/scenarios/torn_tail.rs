//! Row 4: the last journal frame is torn at a byte.
//!
//! Fault model: power fails while the last frame is written, and nobody was told that it was. Of the
//! frame, the bytes before the cut are there; behind it there is nothing (the file ends), zeros
//! (what was there before), or anything. Every earlier frame was flushed and acknowledged.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::frames::{Frame, frames};
use crate::image::{Image, Records, small_files};
use crate::{Name, Run, Style, pause};

const TRIES_MAX: u32 = 50;

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
        let last = frames(&setup.data)?.pop();
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

fn write(path: &Path, at: usize, content: &[u8]) -> Result<(), String> {
    let file = OpenOptions::new().write(true).open(path);
    let at = u64::try_from(at).unwrap_or(u64::MAX);
    let written = file.and_then(|file| file.write_all_at(content, at));
    written.map_err(|e| format!("change {}: {e}", path.display()))
}
